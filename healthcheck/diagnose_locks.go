package healthcheck

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// diagnoseLocks relies on the server's own view: from here a query that waits for a lock looks like a slow one.
func diagnoseLocks(f *facts, v *verdict) candidate {
	waits := f.lockWaits()
	if len(waits) == 0 || v.late || v.symptoms == 0 {
		return candidate{}
	}
	weight := byShare(weightLocks, f.holders.share(locked)) // none if they were given back since the server was asked
	blockers, outside := make(map[uint32]bool), false
	for _, b := range waits {
		outside = outside || !b.BlockedByOurs && len(b.BlockedBy) > 0
		for _, pid := range b.BlockedBy {
			blockers[pid] = true
		}
	}
	evidence := []string{fmt.Sprintf("%d of our connections wait for a lock", len(waits)), f.pressureText()}
	if len(blockers) > 0 {
		evidence = append(evidence, "blocked by "+f.pids(blockers))
	}
	advice := "End or shorten the transactions of this application that hold the lock, and take locks in one order."
	switch {
	case len(blockers) == 0: // it was gone when it was looked for
		advice = "See pg_blocking_pids while it lasts for who holds the lock; take locks in one order, and set lock_timeout."
	case outside:
		advice = "Find the blocking session in pg_stat_activity and end it, or have it wait outside busy hours; set lock_timeout."
	}
	return newCandidate(weight, CauseLockContention, "Queries wait for locks that other sessions hold.",
		f.withSites(evidence, locked), advice)
}

// pids writes at most five process IDs, and for our own connections where they were taken.
func (f *facts) pids(set map[uint32]bool) string {
	const most = 5
	var out []string
	for _, pid := range slices.Sorted(maps.Keys(set))[:min(most, len(set))] {
		text := "PID " + strconv.FormatUint(uint64(pid), 10)
		for i := range f.s.Holders {
			if h := &f.s.Holders[i]; h.PID == pid && h.Site != "" {
				text += " (ours, taken at " + h.Site + ")"
				break
			}
		}
		out = append(out, text)
	}
	text := strings.Join(out, ", ")
	if more := len(set) - most; more > 0 {
		text += " and " + strconv.Itoa(more) + " more"
	}
	return text
}

// lockWaits finds our backends that wait for a lock, by PID, if the server was asked lately.
func (f *facts) lockWaits() map[uint32]*Backend {
	if f.s.Server == nil || !f.happenedWithin(f.s.Server.At, viewLife) {
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
