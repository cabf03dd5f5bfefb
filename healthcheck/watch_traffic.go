package healthcheck

import (
	"fmt"
	"time"

	"github.com/otelpool/pgx/internal/counts"
)

// usualQueries is what holds usually spend in queries while the pool is healthy, over about half an hour: a slowdown must not
// become usual before it is noticed. For the same reason it lags behind.
type usualQueries struct {
	baseline
	upTo Sample // what was before it has been learnt, or must not be
}

const (
	usualDecay   = 0.999 // a second: a half is forgotten in 12 minutes
	usualEnough  = 100   // holds
	timesSlower  = 5
	slowerSpans  = 3 // in a row, each of recentSpan: one long query shows in one of them
	usualLag     = slowerSpans * recentSpan
	slowerAtMost = 20 * time.Millisecond // below that, a query is fast whatever it was
)

// learn adds what has become old enough.
func (u *usualQueries) learn(f *facts) {
	old := f.all.back(usualLag)
	if f.s.At.Sub(old.At) < usualLag || !old.At.After(u.upTo.At) {
		return
	}
	u.add(between(&u.upTo, old), usualDecay)
	u.upTo = *old
}

func watchSlowerQueries(f *facts, n *noticer, tier Status) (Notice, bool) {
	u := &n.usual
	if tier != Healthy || u.upTo.At.IsZero() || f.s.At.Before(u.upTo.At) {
		u.upTo = Sample{At: f.s.At, Counts: f.s.Counts}
		return Notice{}, false
	}
	u.learn(f)
	if f.late || u.holds < usualEnough {
		return Notice{}, false
	}
	was, _ := u.query()
	now, slower := f.slowerThan(timesSlower * was)
	if !slower {
		return Notice{}, false
	}
	return NewNotice(NoticeSlowerQueries, "Queries take many times as long as usual, though nobody has to wait for a connection.",
		[]string{fmt.Sprintf("a hold spends %s in queries, usually %s", short(now), short(was)), f.pressureText()},
		"Look at what has changed: a deployment, a plan (pg_stat_statements, EXPLAIN), a lock, the load of the server."), true
}

// slowerThan says whether holds have spent that long in queries in each of the last spans, and how long in the newest.
func (f *facts) slowerThan(limit time.Duration) (now time.Duration, slower bool) {
	limit = max(limit, slowerAtMost)
	end := f.s
	for i := range slowerSpans {
		begin := f.all.back(time.Duration(i+1) * recentSpan)
		d := between(begin, end)
		if d.span < recentSpan || d.added[counts.Released] < enoughSeen || d.query() < limit {
			return 0, false
		}
		if i == 0 {
			now = d.query()
		}
		end = begin
	}
	return now, true
}

// deadlines counts the holds that were seen to begin, of this minute and the one before.
type deadlines struct{ now, before tally }

type tally struct {
	since         time.Time
	seen, without int
	sites         map[string]int // of those without
}

const (
	manyWithout  = 10
	shareWithout = 0.1
	maxSites     = 64 // a tally remembers
)

// watchDeadlines looks at the holders instead of the acquires: that costs the callers nothing. Each hold counts once, in the sample
// in which it is new; of short holds only some are seen.
func watchDeadlines(f *facts, n *noticer, _ Status) (Notice, bool) {
	d := &n.deadlines
	if age := f.s.At.Sub(d.now.since); age < 0 || age >= time.Minute {
		d.before, d.now = d.now, tally{since: f.s.At, sites: make(map[string]int)}
	}
	for i := range f.s.Holders {
		if h := &f.s.Holders[i]; !h.Expected && h.Age < f.last.span {
			d.now.add(h)
		}
	}
	seen, without := d.now.seen+d.before.seen, d.now.without+d.before.without
	if d.now.without == 0 || without < manyWithout || float64(without) < shareWithout*float64(seen) {
		return Notice{}, false
	}
	sites := make(map[string]int)
	for _, t := range [...]tally{d.before, d.now} {
		for site, n := range t.sites {
			sites[site] += n
		}
	}
	evidence := []string{fmt.Sprintf("%d of the %s that were seen to begin in the last two minutes had none", without, count(seen, "hold"))}
	if len(sites) > 0 {
		evidence = append(evidence, "taken: "+topSites(sites))
	}
	return NewNotice(NoticeNoDeadline, "Connections are acquired without a deadline: in a full pool such a request waits for as long as it takes.",
		evidence, "Acquire with a context that has a deadline (context.WithTimeout), shorter than what the caller's client waits."), true
}

func (t *tally) add(h *HeldConn) {
	t.seen++
	if !h.NoDeadline {
		return
	}
	t.without++
	if _, known := t.sites[h.Site]; h.Site != "" && (known || len(t.sites) < maxSites) {
		t.sites[h.Site]++
	}
}

// fewLifetimes is how many connections must end together at least: in a pool of two, half of it is one.
const fewLifetimes = 3

func watchLifetimes(f *facts, _ *noticer, _ Status) (Notice, bool) {
	ended, total := f.recent.added[counts.ClosedLifetime], f.all.back(recentSpan).Pool.Total
	if ended < fewLifetimes || 2*ended < int64(total) {
		return Notice{}, false
	}
	return NewNotice(NoticeLifetimesTogether, "Connections reach the end of their lifetime together, and are made anew together.",
		[]string{fmt.Sprintf("%d of %s closed for MaxConnLifetime within %s", ended, count(total, "connection"), short(f.recent.span))},
		"Set MaxConnLifetimeJitter to a quarter of MaxConnLifetime, so that they end one by one."), true
}
