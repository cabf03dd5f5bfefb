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
	listening                         // it waits for notifications, or whatever else the server may send unasked
	leaked                            // suspected of being leaked
	expectedLong                      // ExpectLongHold
	numHolderStates
)

// holderUsage counts the held connections by what they are used for: each has one state.
type holderUsage struct {
	held     int // all but those expected to be long
	count    [numHolderStates]int
	of       []holderState // of each holder of the newest sample
	burst    burst
	queryAge time.Duration // mean age of the holds in which a query is open

	// Of the holds that are querying or working.
	asking    int
	queries   int64
	queryTime time.Duration
}

func newHolderUsage(f *facts) holderUsage {
	waits, active, view := f.lockWaits(), f.activeBackends(), f.serverView()
	queued := view != nil && view.mostWaitForLocks()
	u := holderUsage{of: make([]holderState, len(f.s.Holders))}
	leaky := make(map[string]bool)
	var ages float64
	for i := range f.s.Holders {
		h := &f.s.Holders[i]
		o := stateOf(h, waits, active, 2*f.p.WaitTarget)
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
		if o == querying || o == locked {
			ages += float64(max(0, h.Age))
		}
	}
	u.findBursts(f.s)
	for i, o := range u.of {
		if h := &f.s.Holders[i]; o == leaked {
			leaky[h.Site] = h.Site != ""
		}
	}
	for i, o := range u.of {
		if o == idling && leaky[f.s.Holders[i].Site] {
			u.move(i, idleAtLeakSite)
		}
	}
	u.held = len(f.s.Holders) - u.count[expectedLong]
	if n := u.count[querying] + u.count[locked]; n > 0 {
		u.queryAge = time.Duration(ages / float64(n))
	}
	return u
}

// stateOf says what a connection is used for. waits and active are what the server said of our backends.
func stateOf(h *HeldConn, waits map[uint32]*Backend, active map[uint32]bool, pause time.Duration) holderState {
	switch {
	case h.Expected:
		return expectedLong
	case h.NestedAcquire:
		return nested
	case h.Leaked && !h.Querying:
		return leaked
	case waits[h.PID] != nil:
		return locked
	case h.Querying, (h.Listening || h.Producing) && active[h.PID]:
		return querying
	case h.Listening:
		return listening
	case h.Producing:
		return idling
	case h.Idle >= pause:
		return idling
	}
	return working
}

// activeBackends are those that were at work when the server was asked, if that was lately: not idle, and not waiting for us.
func (f *facts) activeBackends() map[uint32]bool {
	if f.s.Server == nil || !f.happenedWithin(f.s.Server.At, viewLife) {
		return nil
	}
	active := make(map[uint32]bool)
	for _, b := range f.s.Server.Backends {
		active[b.PID] = b.State == "active" && b.WaitEventType != "Client"
	}
	return active
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
