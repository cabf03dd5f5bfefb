package otelpool

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/internal/telemetry"
	"github.com/otelpool/pgx/tracer"
)

// dossier is what is known at the moment a pool is exhausted: who holds, who waits longest, why no more connections come.
type dossier struct {
	sites      []siteHolders
	oldest     tracer.Waiter
	held, max  int32
	waiting    int64
	timeouts   int64 // since the observation before
	connectErr tracer.Fault
}

// siteHolders are the holders that took their connection at one place.
type siteHolders struct {
	site    string
	count   int
	idle    int // of them, how many the server does nothing for
	oldest  time.Duration
	leaking int // of them, how many are suspected
}

// maxDossierSites bounds the places that a record names.
const maxDossierSites = 10

// tellExhaustion writes the dossier once an episode: when the pool is full and somebody waits, or a wait has timed out.
// The episode ends when the pool has a connection to spare, nobody waits and no wait has timed out since the tick before.
func (l *eventLog) tellExhaustion(before, o *observation, m *Monitor) {
	if !o.full || before == nil {
		return
	}
	timeouts := o.snap.Counters.Counts[counts.TimedOut] - before.snap.Counters.Counts[counts.TimedOut]
	// A connection on its way to whoever asked for it is acquired already, and nobody's: he is no witness of exhaustion.
	full := o.stat.AcquiredConns() >= o.stat.MaxConns() && int64(len(o.snap.Holders))+o.snap.Counters.Waiting > int64(o.stat.MaxConns())
	waiting := len(o.snap.Waiters) > 0 && o.snap.Waiters[0].Age >= m.config.healthInterval/2
	switch {
	case l.told.exhausted:
		l.told.exhausted = full || waiting || timeouts > 0
	case full && waiting || timeouts > 0:
		l.told.exhausted = true
		newDossier(o, timeouts).log(l)
	}
}

func newDossier(o *observation, timeouts int64) *dossier {
	d := &dossier{
		sites: bySite(o.snap.Holders), held: o.stat.AcquiredConns(), max: o.stat.MaxConns(), waiting: o.snap.Counters.Waiting, timeouts: timeouts,
		connectErr: o.snap.Faults.Connect,
	}
	if len(o.snap.Waiters) > 0 {
		d.oldest = o.snap.Waiters[0]
	}
	return d
}

// bySite groups holders by the place they took their connection at, most first.
func bySite(held []tracer.Holder) []siteHolders {
	var sites []siteHolders
	index := make(map[string]int)
	for _, h := range held {
		i, known := index[h.Site]
		if !known {
			i = len(sites)
			index[h.Site] = i
			sites = append(sites, siteHolders{site: h.Site})
		}
		s := &sites[i]
		s.count++
		s.oldest = max(s.oldest, h.Age)
		if !h.Querying {
			s.idle++
		}
		if h.Evidence >= tracer.EvidenceIdleHeld {
			s.leaking++
		}
	}
	slices.SortStableFunc(sites, func(a, b siteHolders) int { return cmp.Compare(b.count, a.count) })
	return sites
}

// String is one line a place: "3 at handler.go:42 api.Checkout (2 idle, 1 leaking, oldest 31s)".
func (s siteHolders) String() string {
	site := cmp.Or(s.site, "unknown place")
	return fmt.Sprintf("%d at %s (%d idle, %d leaking, oldest %v)", s.count, site, s.idle, s.leaking, s.oldest.Round(time.Millisecond))
}

// inWords is a line for each of the first places.
func inWords(sites []siteHolders) []string {
	places := make([]string, 0, maxDossierSites+1)
	for _, s := range sites[:min(len(sites), maxDossierSites)] {
		places = append(places, s.String())
	}
	if more := len(sites) - len(places); more > 0 {
		places = append(places, fmt.Sprintf("and %d more places", more))
	}
	return places
}

func (d *dossier) log(l *eventLog) {
	places := inWords(d.sites)
	attrs := []slog.Attr{
		slog.Any("holders", sentences(places)), slog.Int64("waiting", d.waiting), slog.Int64("timeouts", d.timeouts),
	}
	if d.oldest.Age > 0 {
		attrs = append(attrs, seconds("oldest_wait", d.oldest.Age), slog.String("oldest_waiter", d.oldest.Site))
		if d.oldest.TraceID != "" {
			attrs = append(attrs, slog.String("trace_id", d.oldest.TraceID))
		}
	}
	if !d.connectErr.At.IsZero() {
		attrs = append(attrs, slog.String("last_connect_error", d.connectErr.Text), slog.Time("last_connect_error_at", d.connectErr.At))
	}
	l.warn(telemetry.EventExhausted, d.headline()+strings.Join(places, "; "), attrs...)
}

// headline tells a full pool from one whose acquires timed out although it is not: the server does not let it grow, or
// it has recovered since.
func (d *dossier) headline() string {
	switch {
	case d.held >= d.max:
		return "pool is exhausted; connections are held by: "
	case d.held > 0 && len(d.sites) > 0:
		return fmt.Sprintf("acquires timed out; by now %d of %d connections are held, by: ", d.held, d.max)
	}
	return "acquires timed out, and by now no connection is held"
}
