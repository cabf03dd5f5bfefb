package healthcheck

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// viewLife is how old the server's own view may be and still tell what connections wait for.
const viewLife = 15 * time.Second

// occupation is what a held connection is being used for, as far as can be seen.
type occupation int

const (
	working  occupation = iota // between two queries, for a moment
	querying                   // the server works on it
	locked                     // the server makes it wait for a lock
	idling                     // the application holds it and does not use it
	kindred                    // so too, but taken where others were forgotten: most likely the same mistake, only not as old
	nested                     // its holder waits for another connection of this pool
	leaked                     // its holder seems to have forgotten it
	exempt                     // ExpectLongHold
	numOccupations
)

// census counts the held connections by what they are used for: each has one occupation.
type census struct {
	held     int // all but the exempt
	count    [numOccupations]int
	of       []occupation  // of each holder of the newest sample
	queryAge time.Duration // mean age of the holds in which a query is open
}

func newCensus(f *facts) census {
	waits := f.lockWaits()
	c := census{of: make([]occupation, len(f.s.Holders))}
	leaky := make(map[string]bool)
	var ages float64
	for i := range f.s.Holders {
		h := &f.s.Holders[i]
		o := occupied(h, waits, 2*f.p.WaitTarget)
		c.of[i] = o
		c.count[o]++
		switch o {
		case leaked:
			leaky[h.Site] = h.Site != ""
		case querying, locked:
			ages += float64(max(0, h.Age))
		}
	}
	for i, o := range c.of {
		if o == idling && leaky[f.s.Holders[i].Site] {
			c.of[i] = kindred
			c.count[idling]--
			c.count[kindred]++
		}
	}
	c.held = len(f.s.Holders) - c.count[exempt]
	if n := c.count[querying] + c.count[locked]; n > 0 {
		c.queryAge = time.Duration(ages / float64(n))
	}
	return c
}

func occupied(h *HeldConn, waits map[uint32]*Backend, pause time.Duration) occupation {
	switch {
	case h.Expected:
		return exempt
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

// lockWaits finds our backends that wait for a lock, by PID, if the server was asked lately.
func (f *facts) lockWaits() map[uint32]*Backend {
	if f.s.Server == nil || !f.within(f.s.Server.At, viewLife) {
		return nil
	}
	waits := make(map[uint32]*Backend)
	for i := range f.s.Server.Backends {
		if b := &f.s.Server.Backends[i]; b.WaitEventType == "Lock" {
			waits[b.PID] = b
		}
	}
	return waits
}

// share is how much of what is held, exempt ones apart, is occupied so; the kin of leaked ones count as leaked.
func (c *census) share(o occupation) float64 {
	if c.held == 0 {
		return 0
	}
	n := c.count[o]
	if o == leaked {
		n += c.count[kindred]
	}
	return float64(n) / float64(c.held)
}

// sites names the call sites that hold most of the connections so occupied: "3 at orders.go:42 shop.Load, …".
func (f *facts) sites(o occupation) string {
	n := make(map[string]int)
	for i, h := range f.s.Holders {
		if f.census.of[i] == o && h.Site != "" {
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

// oldest is the greatest age among the holders so occupied.
func (f *facts) oldest(o occupation) time.Duration {
	var age time.Duration
	for i, h := range f.s.Holders {
		if f.census.of[i] == o {
			age = max(age, h.Age)
		}
	}
	return age
}
