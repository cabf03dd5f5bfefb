package healthcheck

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// holderState is what a held connection is being used for, as far as can be seen.
type holderState int

const (
	working        holderState = iota // in use, between two queries
	querying                          // the server works on it
	locked                            // the server makes it wait for a lock
	idling                            // the application holds it and does not use it
	idleAtLeakSite                    // so too, and taken where others have leaked: most likely the same mistake, only younger
	nested                            // its holder waits for another connection of this pool
	leaked                            // suspected of being leaked
	expectedLong                      // ExpectLongHold
	numHolderStates
)

// holderUsage counts the held connections by what they are used for: each has one state.
type holderUsage struct {
	held     int // all but those expected to be long
	count    [numHolderStates]int
	of       []holderState // of each holder of the newest sample
	queryAge time.Duration // mean age of the holds in which a query is open

	// Of the holds that are querying or working.
	asking    int
	queries   int64
	queryTime time.Duration
}

func newHolderUsage(f *facts) holderUsage {
	waits, view := f.lockWaits(), f.serverView()
	queued := view != nil && view.mostWaitForLocks()
	u := holderUsage{of: make([]holderState, len(f.s.Holders))}
	leaky := make(map[string]bool)
	var ages float64
	for i := range f.s.Holders {
		h := &f.s.Holders[i]
		o := stateOf(h, waits, 2*f.p.WaitTarget)
		if o == querying && queued && !view.knows(h.PID) {
			o = locked // connected since the server was asked, in the place of one that gave up: it waits for what that one waited for
		}
		u.of[i] = o
		u.count[o]++
		if o == querying || o == working {
			u.asking++
			u.queries += max(0, h.Queries)
			u.queryTime += max(0, h.QueryTime)
		}
		switch o {
		case leaked:
			leaky[h.Site] = h.Site != ""
		case querying, locked:
			ages += float64(max(0, h.Age))
		}
	}
	for i, o := range u.of {
		if o == idling && leaky[f.s.Holders[i].Site] {
			u.of[i] = idleAtLeakSite
			u.count[idling]--
			u.count[idleAtLeakSite]++
		}
	}
	u.held = len(f.s.Holders) - u.count[expectedLong]
	if n := u.count[querying] + u.count[locked]; n > 0 {
		u.queryAge = time.Duration(ages / float64(n))
	}
	return u
}

func stateOf(h *HeldConn, waits map[uint32]*Backend, pause time.Duration) holderState {
	switch {
	case h.Expected:
		return expectedLong
	case h.NestedAcquire:
		return nested
	case h.Leaked && !h.Querying:
		return leaked
	case waits[h.PID] != nil:
		return locked
	case h.Querying:
		return querying
	case h.Idle >= pause:
		return idling
	}
	return working
}

// share is how much of what is held is in state o, those that are expected to be long apart. Those idle at the site of a leak
// count as leaked.
func (u *holderUsage) share(o holderState) float64 {
	if u.held == 0 {
		return 0
	}
	n := u.count[o]
	if o == leaked {
		n += u.count[idleAtLeakSite]
	}
	return float64(n) / float64(u.held)
}

// sites names the call sites that hold most of the connections in state o: "3 at orders.go:42 shop.Load, …".
func (f *facts) sites(o holderState) string {
	n := make(map[string]int)
	for i, h := range f.s.Holders {
		if f.holders.of[i] == o && h.Site != "" {
			n[h.Site]++
		}
	}
	return topSites(n)
}

// topSites names at most three sites, the most frequent first.
func topSites(n map[string]int) string {
	names := slices.SortedFunc(maps.Keys(n), func(a, b string) int {
		return cmp.Or(cmp.Compare(n[b], n[a]), cmp.Compare(a, b))
	})
	rest := len(names) - 3
	if rest > 0 {
		names = names[:3]
	}
	var b strings.Builder
	for i, name := range names {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%d at %s", n[name], name)
	}
	if rest > 0 {
		fmt.Fprintf(&b, " and %d more places", rest)
	}
	return b.String()
}

// oldest is the greatest age among the holders in state o.
func (f *facts) oldest(o holderState) time.Duration {
	var age time.Duration
	for i, h := range f.s.Holders {
		if f.holders.of[i] == o {
			age = max(age, h.Age)
		}
	}
	return age
}
