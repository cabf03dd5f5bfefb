package logs

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/internal/telemetry"
	"github.com/otelpool/pgx/otelpool/internal/view"
	"github.com/otelpool/pgx/tracer"
)

// logExhaustion reports once an episode that the pool is full and somebody waits, or that a wait has timed out. The episode
// ends when the pool has a connection to spare, nobody waits and no wait has timed out since the view before.
func (o *Outlet) logExhaustion(before, v *view.View) {
	if !v.HasHook || before == nil {
		return
	}
	timeouts := v.Hook.Counters.Counts[counts.TimedOut] - before.Hook.Counters.Counts[counts.TimedOut]
	// A connection on its way to whoever asked for it is acquired already and nobody's: it does not count as held here.
	full := v.Stat.Used >= v.Stat.Max && len(v.Hook.Holders)+v.Waiting() > v.Stat.Max
	waiting := len(v.Hook.Waiters) > 0 && v.Hook.Waiters[0].Age >= o.config.Interval/2
	switch {
	case o.state.exhausted:
		o.state.exhausted = full || waiting || timeouts > 0
	case full && waiting || timeouts > 0:
		o.state.exhausted = true
		o.logExhaustionReport(v, timeouts)
	}
}

// logExhaustionReport says who holds, who has waited longest, and why no more connections come.
func (o *Outlet) logExhaustionReport(v *view.View, timeouts int64) {
	places := formatSites(v.Hook.Holders)
	attrs := []slog.Attr{
		slog.Any("holders", sentences(places)), slog.Int("waiting", v.Waiting()), slog.Int64("timeouts", timeouts),
	}
	if len(v.Hook.Waiters) > 0 && v.Hook.Waiters[0].Age > 0 {
		oldest := &v.Hook.Waiters[0]
		attrs = append(attrs, seconds("oldest_wait", oldest.Age), slog.String("oldest_waiter", oldest.Site))
		if oldest.TraceID != "" {
			attrs = append(attrs, slog.String("trace_id", oldest.TraceID))
		}
	}
	if e := &v.Hook.Faults.Connect; !e.At.IsZero() {
		attrs = append(attrs, slog.String("last_connect_error", e.Text), slog.Time("last_connect_error_at", e.At))
	}
	o.warn(telemetry.EventExhausted, exhaustionHeadline(v)+strings.Join(places, "; "), attrs...)
}

// exhaustionHeadline tells a full pool from one whose acquires timed out although it is not: the server does not let it
// grow, or it has recovered since.
func exhaustionHeadline(v *view.View) string {
	switch {
	case v.Stat.Used >= v.Stat.Max:
		return "pool is exhausted; connections are held by: "
	case v.Stat.Used > 0 && len(v.Hook.Holders) > 0:
		return fmt.Sprintf("acquires timed out; by now %d of %d connections are held, by: ", v.Stat.Used, v.Stat.Max)
	}
	return "acquires timed out, and by now no connection is held"
}

// siteHolders are the holders that took their connection at one place.
type siteHolders struct {
	site    string
	count   int
	idle    int // of them, how many the server does nothing for
	leaking int // of them, how many are suspected
	oldest  time.Duration
}

// maxSites bounds the places that a record names.
const maxSites = 10

// formatSites is a line for each of the places that hold most connections.
func formatSites(held []tracer.Holder) []string {
	sites := bySite(held)
	places := make([]string, 0, maxSites+1)
	for _, s := range sites[:min(len(sites), maxSites)] {
		places = append(places, s.String())
	}
	if more := len(sites) - len(places); more > 0 {
		places = append(places, fmt.Sprintf("and %d more places", more))
	}
	return places
}

// bySite groups holders by the place they took their connection at, most first.
func bySite(held []tracer.Holder) []siteHolders {
	var sites []siteHolders
	index := make(map[string]int)
	for i := range held {
		h := &held[i]
		at, known := index[h.Site]
		if !known {
			at = len(sites)
			index[h.Site] = at
			sites = append(sites, siteHolders{site: h.Site})
		}
		s := &sites[at]
		s.count++
		s.oldest = max(s.oldest, h.Age)
		if !h.Querying && !h.Listening {
			s.idle++
		}
		if h.Evidence >= tracer.EvidenceIdleHeld {
			s.leaking++
		}
	}
	slices.SortStableFunc(sites, func(a, b siteHolders) int { return cmp.Compare(b.count, a.count) })
	return sites
}

// String is one line: "3 at handler.go:42 api.Checkout (2 idle, 1 leaking, oldest 31s)".
func (s siteHolders) String() string {
	site := cmp.Or(s.site, "unknown place")
	return fmt.Sprintf("%d at %s (%d idle, %d leaking, oldest %v)", s.count, site, s.idle, s.leaking, s.oldest.Round(time.Millisecond))
}
