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
		evidence = append(evidence, count(orphans, "connection")+" whose request has ended")
	}
	return newCandidate(weight, CauseLeak, "Connections are taken and not given back.", f.withSites(evidence, leaked),
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
	share := max(f.holders.share(nested), min(1, float64(waiters)/float64(max(1, f.s.Pool.Max))))
	evidence := []string{fmt.Sprintf("%s held by requests that wait for another one", count(holders, "connection")), f.pressureText()}
	evidence = f.withSites(evidence, nested)
	if where := topSites(sites); where != "" {
		evidence = append(evidence, "the second is asked for: "+where)
	}
	return newCandidate(byShare(weightNested, share), CauseNestedAcquire, "Requests wait for a second connection while they hold a first.",
		evidence, "Pass the connection or transaction that the request already has, instead of acquiring from the pool again.")
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
	evidence = append(evidence, f.pressureText())
	return newCandidate(byShare(weightHeldIdle, share), CauseHeldIdle, "The application holds connections while it does something else.",
		f.withSites(evidence, idling),
		"Do the other work (calls, files, computing) before acquiring or after releasing; keep transactions short.")
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
