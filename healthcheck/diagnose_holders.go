package healthcheck

import (
	"fmt"

	"github.com/otelpool/pgx/internal/counts"
)

// diagnoseLeak finds connections that nobody uses and nobody gives back. One is enough, whatever the load.
func diagnoseLeak(f *facts, v *verdict) candidate {
	n := f.holders.count[leaked]
	if n == 0 || v.late {
		return candidate{}
	}
	weight := weightLeak
	if f.underPressure(v) {
		weight = byShare(weightLeakShare, f.holders.share(leaked))
	}
	orphans := 0
	for i, h := range f.s.Holders {
		if f.holders.of[i] == leaked && h.Orphaned {
			orphans++
		}
	}
	evidence := []string{fmt.Sprintf("%s held without use, the oldest for %s", count(n, "connection"), short(f.oldest(leaked)))}
	if n := f.holders.count[idleAtLeakSite]; n > 0 {
		evidence = append(evidence, fmt.Sprintf("%d more taken at the same places and idle", n))
	}
	if orphans > 0 {
		evidence = append(evidence, count(orphans, "connection")+" whose request or goroutine has ended")
	}
	evidence = f.withDoing(f.withSites(evidence, leaked), leaked)
	return newCandidate(weight, CauseLeak, "Connections are taken and not given back.", evidence,
		"Release at these places on every path: defer conn.Release(), rows.Close() or tx.Rollback(ctx) right after the error check.")
}

// diagnoseNested finds requests that wait for a second connection while they hold a first: enough of them, and each
// waits for the others.
func diagnoseNested(f *facts, v *verdict) candidate {
	holders, waiters := f.holders.count[nested], 0
	sites := make(map[string]int)
	for _, w := range f.s.Waiters {
		if w.NestedAcquire {
			waiters++
			if w.Site != "" {
				sites[w.Site]++
			}
		}
	}
	if max(holders, waiters) == 0 || !f.underPressure(v) || v.late {
		return candidate{}
	}
	share := f.holders.share(nested) // and not by waiters: one holder may wait for many
	if holders == 0 {
		share = min(1, float64(waiters)/float64(max(1, f.s.Pool.Max)))
	}
	evidence := []string{fmt.Sprintf("%s held by requests that wait for another one", count(holders, "connection")), f.pressureText()}
	evidence = f.withSites(evidence, nested)
	if where := topSites(sites); where != "" {
		evidence = append(evidence, "the second is asked for: "+where)
	}
	advice := "Pass the connection or transaction that the request already has, instead of acquiring from the pool again."
	if f.openRows(nested) {
		evidence = append(evidence, "rows are open on most of these connections")
		advice = closeRows + " Or pass on the connection or transaction that the request already has."
	}
	return newCandidate(byShare(weightNested, share), CauseNestedAcquire, "Requests wait for a second connection while they hold a first.",
		f.withDoing(evidence, nested), advice)
}

// diagnoseHeldIdle finds holders that do something else between their queries. Either they do so now, or they
// did in the holds that have ended: most of that time no query was open.
func diagnoseHeldIdle(f *facts, v *verdict) candidate {
	if !f.underPressure(v) || v.late {
		return candidate{}
	}
	share, wasted := f.holders.share(idling), f.mostlyIdle()
	if share < 0.5 && !(wasted && share > 0.2) {
		return candidate{}
	}
	d := f.recent
	inTx := 0
	for i, h := range f.s.Holders {
		if f.holders.of[i] == idling && h.InTx {
			inTx++
		}
	}
	evidence := []string{fmt.Sprintf("%d of %s held idle", f.holders.count[idling], count(f.holders.held, "connection"))}
	if d.added[counts.Released] > 0 {
		evidence = append(evidence, fmt.Sprintf("held for %s on average, %s of it in queries", short(d.hold()), short(d.query())))
	}
	if inTx > 0 {
		evidence = append(evidence, fmt.Sprintf("%d of them inside a transaction", inTx))
	}
	if n := f.producing(); n > 0 {
		evidence = append(evidence, fmt.Sprintf("%d of them in a COPY whose next rows the application has not made yet", n))
	}
	if b := f.holders.burst; b.holders > 0 {
		evidence = append(evidence, fmt.Sprintf("%d were taken within a second, and %d wait at the same place: a burst of workers, not leaks",
			b.holders, b.waiters))
	}
	evidence = f.withSites(append(evidence, f.pressureText()), idling)
	return newCandidate(byShare(weightHeldIdle, share), CauseHeldIdle, "The application holds connections while it does something else.",
		f.withDoing(evidence, idling), f.idleAdvice())
}

// producing counts the idle holders in a COPY.
func (f *facts) producing() (n int) {
	for i, h := range f.s.Holders {
		if f.holders.of[i] == idling && h.Producing {
			n++
		}
	}
	return n
}

// diagnoseListening finds connections that wait for notifications: each is one that nobody else can use.
func diagnoseListening(f *facts, v *verdict) candidate {
	share := f.holders.share(listening)
	if !f.underPressure(v) || v.late || share < 0.5 {
		return candidate{}
	}
	evidence := []string{
		fmt.Sprintf("%d of %s listening: blocked in a read with no query open", f.holders.count[listening],
			count(f.holders.held, "held connection")),
		f.pressureText(),
	}
	return newCandidate(byShare(weightListening, share), CauseHeldIdle, "Connections that wait for notifications fill the pool.",
		f.withSites(evidence, listening),
		"Give LISTEN a connection of its own, outside the pool, and share it; one that must be of the pool is taken with ExpectLongHold and added to MaxConns.")
}

// mostlyIdle says that the holds that ended lately were spent without a query open, and for long enough to matter.
func (f *facts) mostlyIdle() bool {
	d := f.recent
	return d.idle() >= f.p.WaitTarget && d.idle() > d.query()
}

func (f *facts) withSites(evidence []string, o holderState) []string {
	if where := f.sites(o); where != "" {
		evidence = append(evidence, "taken: "+where)
	}
	return evidence
}
