package healthcheck

import (
	"fmt"
	"slices"
	"time"

	"github.com/otelpool/pgx/internal/counts"
)

// fewCancels is how many connections a pool may lose to cancelled queries within recentSpan, whatever its size.
const fewCancels = 10

// churn is what the pool has lately lost to cancelled queries: pgx closes the connection of each.
type churn struct {
	closed int64   // connections
	share  float64 // of the holds that ended, be it lately or just now
	much   bool    // so many that the pool was replaced, and kept being replaced
	waits  bool    // callers wait longer than they should, on average
}

func newChurn(f *facts) churn {
	d := &f.recent
	c := churn{closed: d.added[counts.ClosedCanceled], share: max(canceledShare(d), canceledShare(&f.last))}
	// Where nothing is made anew the server does not answer, and that is the trouble.
	c.much = c.closed >= max(fewCancels, int64(f.s.Pool.Max)) && 2*d.added[counts.Opened] >= c.closed
	c.waits = mean(d.added.Time(counts.WaitTime), int64(d.ended())) > f.p.WaitTarget
	return c
}

func canceledShare(d *delta) float64 {
	if d.added[counts.Released] == 0 {
		return 0
	}
	return min(1, float64(d.added[counts.DestroyedCanceled])/float64(d.added[counts.Released]))
}

// diagnoseChurn finds a pool whose connections are closed by cancelled queries faster than callers can do without them.
func diagnoseChurn(f *facts, v *verdict) candidate {
	c, d := &f.churn, &f.recent
	if !c.much || v.late || v.symptoms&cannotServe != 0 || v.symptoms&(waits|churning|thresholds) == 0 {
		return candidate{}
	}
	weight := byShare(weightChurn, c.share)
	if !f.contended && 2*c.closed >= d.added[counts.Opened] {
		weight = max(weight, weightChurnConnects)
	}
	evidence := []string{
		fmt.Sprintf("%s closed in %s because their queries were cancelled: %s of the holds",
			count(c.closed, "connection"), short(d.span), percent(c.share)),
		fmt.Sprintf("%d made in that time, taking %s on average", d.added[counts.Opened], short(d.connect())),
		f.pressureText(),
	}
	cut := f.cuts()
	if cut.all > 0 {
		evidence = append(evidence, fmt.Sprintf("of the last %d, %d by a deadline and %d by their callers, half of them within %s",
			cut.all, cut.deadlines, cut.all-cut.deadlines, short(cut.after)))
	}
	if cut.sites != "" {
		evidence = append(evidence, "taken: "+cut.sites)
	}
	first := "Find out why these callers give up: clients that leave, siblings that failed, a race that somebody wins."
	if 2*cut.deadlines > cut.all {
		first = "These deadlines are shorter than the queries: make the queries faster, or give them the time they need."
	}
	return newCandidate(weight, CauseCancelChurn, "Cancelled queries cost the pool its connections faster than they are made anew.",
		evidence, first+" To keep the connections, set ConnConfig.BuildContextWatcherHandler to a pgconn.CancelRequestContextWatcherHandler:"+
			" the server stops the query, and the caller gets its error 100 ms later or more, until DeadlineDelay closes the connection after all.")
}

// cuts are the cancelled holds of late.
type cuts struct {
	all, deadlines int           // how many, and how many of them a deadline ended
	after          time.Duration // half of their queries had run no longer
	sites          string
}

func (f *facts) cuts() (c cuts) {
	places := make(map[string]int)
	var took []time.Duration
	for i := range f.s.Canceled {
		h := &f.s.Canceled[i]
		if !f.happenedWithin(h.At, recentSpan) {
			continue
		}
		took = append(took, h.After)
		if h.Deadline {
			c.deadlines++
		}
		if h.Site != "" {
			places[h.Site]++
		}
	}
	if c.all = len(took); c.all == 0 {
		return c
	}
	slices.Sort(took)
	c.after, c.sites = took[c.all/2], topSites(places)
	return c
}
