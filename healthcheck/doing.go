package healthcheck

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/otelpool/pgx/internal/goroutines"
)

// withDoing adds what the goroutines of the holders in state o do now: at most three things, the most frequent first.
func (f *facts) withDoing(evidence []string, o holderState) []string {
	type group struct {
		n    int
		idle time.Duration
	}
	groups := make(map[string]group)
	for i, h := range f.s.Holders {
		if f.holders.of[i] == o && h.Doing != "" {
			g := groups[h.Doing]
			groups[h.Doing] = group{g.n + 1, max(g.idle, h.Idle)}
		}
	}
	most := slices.SortedFunc(maps.Keys(groups), func(a, b string) int {
		return cmp.Or(cmp.Compare(groups[b].n, groups[a].n), cmp.Compare(a, b))
	})
	for _, doing := range most[:min(3, len(most))] {
		g := groups[doing]
		who := "its goroutine "
		if g.n > 1 {
			who = fmt.Sprintf("each of %d goroutines ", g.n)
		}
		evidence = append(evidence, fmt.Sprintf("%s%s; the connection is idle for %s", who, doing, short(g.idle)))
	}
	if len(groups) == 0 && f.s.LookSkipped != "" {
		evidence = append(evidence, "what holders do now is not known: "+f.s.LookSkipped)
	}
	return evidence
}

// openRows says whether most holders in state o have rows, a batch or a copy open that they do not read on.
func (f *facts) openRows(o holderState) bool {
	open := 0
	for i, h := range f.s.Holders {
		if f.holders.of[i] == o && h.Open && !h.Producing {
			open++
		}
	}
	return 2*open > f.holders.count[o]
}

const closeRows = "Read the rows to the end or close them before work that needs another connection."

// instead is the advice to those who hold a connection while they wait for something else.
var instead = map[goroutines.Activity]string{
	goroutines.HTTPCall: "Make the HTTP call before acquiring or after releasing, and give it a deadline; keep transactions short.",
	goroutines.Network:  "Talk to the other service before acquiring or after releasing, with a deadline; keep transactions short.",
	goroutines.Lock:     "Take the lock before the connection, or release the connection before waiting for the lock.",
	goroutines.Channel:  "Release the connection before waiting for a channel: who is to answer may need a connection too.",
	goroutines.Wait:     "Release the connection before waiting for other goroutines: they may need connections too.",
	goroutines.Sleep:    "Release the connection before sleeping or waiting to try again; keep transactions short.",
}

// idleAdvice is the advice for what most of the idle holders do, if that is known.
func (f *facts) idleAdvice() string {
	const unknown = "Do the other work (calls, files, computing) before acquiring or after releasing; keep transactions short."
	if f.openRows(idling) {
		return "Read the rows to the end or close them before other work; keep what they hold in memory if it takes long to use."
	}
	n := make(map[string]int)
	for i, h := range f.s.Holders {
		if f.holders.of[i] == idling {
			n[h.Activity]++
		}
	}
	for activity, count := range n {
		if 2*count > f.holders.count[idling] {
			return cmp.Or(instead[goroutines.Activity(activity)], unknown)
		}
	}
	return unknown
}

// burst is connections that were taken together, at a place where others wait now.
type burst struct{ holders, waiters int }

// findBursts finds holders that seem leaked and are not: leaks come one by one, as requests do. Who began together, lives, and has
// others waiting at the same place is one of a crowd of workers that take long.
func (u *holderUsage) findBursts(s *Sample) {
	waiters := make(map[string]int)
	for _, w := range s.Waiters {
		if w.Site != "" {
			waiters[w.Site]++
		}
	}
	if len(waiters) == 0 {
		return
	}
	at := make(map[string][]int)
	for i, h := range s.Holders {
		if u.of[i] == leaked && waiters[h.Site] > 0 && !h.Orphaned && h.Activity != "" && h.Activity != string(goroutines.Ended) {
			at[h.Site] = append(at[h.Site], i)
		}
	}
	for site, of := range at {
		oldest, youngest := s.Holders[of[0]].Age, s.Holders[of[0]].Age
		for _, i := range of {
			oldest, youngest = max(oldest, s.Holders[i].Age), min(youngest, s.Holders[i].Age)
		}
		if len(of) < 2 || oldest-youngest > time.Second {
			continue
		}
		for _, i := range of {
			u.move(i, idling)
		}
		u.burst.holders += len(of)
		u.burst.waiters += waiters[site]
	}
}

// move puts holder i into another state.
func (u *holderUsage) move(i int, to holderState) {
	u.count[u.of[i]]--
	u.of[i] = to
	u.count[to]++
}
