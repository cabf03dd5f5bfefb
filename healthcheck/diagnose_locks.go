package healthcheck

import (
	"fmt"
	"strings"
	"time"
)

// diagnoseLocks relies on the server's own view: from here a query that waits for a lock looks like a slow one. It names who
// holds everybody up, and not those who queue in between.
func diagnoseLocks(f *facts, v *verdict) candidate {
	waits := f.lockWaits()
	if len(waits) == 0 || v.late || v.symptoms == 0 {
		return candidate{}
	}
	weight := byShare(weightLocks, f.holders.share(locked)) // none if they were given back since the server was asked
	evidence := []string{fmt.Sprintf("%d of our connections wait for a lock", len(waits)), f.pressureText()}
	roots, circle := f.serverView().rootBlockers()
	for i := range roots[:min(3, len(roots))] {
		evidence = append(evidence, f.blockerText(&roots[i]))
	}
	if more := len(roots) - 3; more > 0 {
		evidence = append(evidence, count(more, "more blocker"))
	}
	if circle {
		evidence = append(evidence, "some of them wait for each other")
	}
	summary, advice := f.lockRemedy(roots, circle)
	return newCandidate(weight, CauseLockContention, summary, f.withSites(evidence, locked), advice)
}

// blockerText names one blocker: who it is, what it does, and for how many that matters.
func (f *facts) blockerText(r *rootBlocker) string {
	return fmt.Sprintf("blocked by %s: %s; %d of ours behind it", f.blockerName(r), doing(r), r.behind)
}

func (f *facts) blockerName(r *rootBlocker) string {
	name := fmt.Sprintf("PID %d", r.pid)
	switch h := f.holderOf(r.pid); {
	case r.pid == 0:
		return "a prepared transaction"
	case h != nil && h.Site != "":
		return name + " (ours, taken at " + h.Site + ")"
	case h != nil:
		return name + " (ours)"
	case r.seen != nil && r.seen.Type != "" && r.seen.Type != clientBackend:
		return name + " (" + r.seen.Type + ")"
	case r.seen != nil && r.seen.Application != "":
		return fmt.Sprintf("%s (not of this pool, application %q)", name, r.seen.Application)
	}
	return name + " (not of this pool)"
}

const clientBackend = "client backend"

func (f *facts) holderOf(pid uint32) *HeldConn {
	for i := range f.s.Holders {
		if f.s.Holders[i].PID == pid {
			return &f.s.Holders[i]
		}
	}
	return nil
}

// doing says what a blocker does.
func doing(r *rootBlocker) string {
	b := r.seen
	switch {
	case r.pid == 0:
		return "it waits to be committed or rolled back"
	case b == nil:
		return "it was gone when the server was asked about it"
	case b.State == "":
		return "our role may not see what it does"
	case b.State == "active" && b.WaitEventType != "":
		return fmt.Sprintf("running a statement for %s, which waits for %s/%s", short(b.QueryFor), b.WaitEventType, b.WaitEvent)
	case b.State == "active":
		return "running a statement for " + short(b.QueryFor)
	case b.inTransaction():
		return fmt.Sprintf("%s for %s, in a transaction of %s", b.State, short(b.StateFor), short(b.XactFor))
	}
	return fmt.Sprintf("%s for %s", b.State, short(b.StateFor))
}

func (b *Backend) inTransaction() bool { return strings.HasPrefix(b.State, "idle in transaction") }

// lockRemedy says whose lock it is, and what to do about the blocker with most of ours behind it.
func (f *facts) lockRemedy(roots []rootBlocker, circle bool) (summary, advice string) {
	const several = "Queries wait for locks that other sessions hold."
	switch {
	case len(roots) == 0 && circle:
		return "Transactions wait for each other's locks.",
			"Take locks in one order everywhere; the server ends one of a deadlock's transactions after deadlock_timeout."
	case len(roots) == 0: // it was gone when it was looked for
		return several, "See pg_blocking_pids while it lasts for who holds the lock; take locks in one order, and set lock_timeout."
	}
	r := &roots[0]
	ours := f.holderOf(r.pid) != nil
	summary = "Queries wait for a lock that another session holds."
	switch {
	case len(roots) > 1:
		summary = several
	case ours:
		summary = "Queries wait for a lock that a connection of this pool holds."
	}
	if f.changesHands(r.seen) {
		return summary, "Many short transactions queue for the same rows: touch those last in each transaction, combine their changes, " +
			"and take locks in one order."
	}
	return summary, blockerAdvice(r, ours)
}

// changesHands says that the blocker's transaction is short, and younger than somebody's wait for the lock: others had it before.
func (f *facts) changesHands(blocker *Backend) bool {
	if blocker == nil || blocker.XactFor <= 0 || blocker.XactFor >= f.p.PeakWait {
		return false
	}
	for _, b := range f.lockWaits() {
		if b.QueryFor > blocker.XactFor {
			return true
		}
	}
	return false
}

// longStatement is how long a statement may hold a lock until somebody has to decide about it.
const longStatement = time.Second

func blockerAdvice(r *rootBlocker, ours bool) string {
	const shorten = "Shorten the transactions of this application that hold the lock, and take locks in one order."
	b := r.seen
	switch {
	case r.pid == 0:
		return "Find it in pg_prepared_xacts, and COMMIT PREPARED or ROLLBACK PREPARED it."
	case ours && b == nil:
		return shorten
	case b == nil || b.State == "":
		return fmt.Sprintf("Look for PID %d in pg_stat_activity as a member of pg_monitor; end it if nobody needs it, and set lock_timeout.", r.pid)
	case ours && b.inTransaction():
		return "Commit or roll back that transaction before doing anything else, on every path; set idle_in_transaction_session_timeout as a net."
	case ours && b.QueryFor >= longStatement:
		return fmt.Sprintf("Make that statement quicker, or its transaction smaller; pg_cancel_backend(%d) ends it now.", r.pid)
	case ours:
		return shorten
	case b.inTransaction():
		return fmt.Sprintf("Have its owner commit or roll back, or end it: pg_terminate_backend(%d); set idle_in_transaction_session_timeout for its role.", r.pid)
	case b.State == "active" && b.Type != "" && b.Type != clientBackend:
		return fmt.Sprintf("Let it finish if it prevents wraparound, or pg_cancel_backend(%d); change tables at a quieter time, with lock_timeout.", r.pid)
	case b.State == "active":
		return fmt.Sprintf("Let its statement finish, or pg_cancel_backend(%d); run migrations with lock_timeout and outside busy hours.", r.pid)
	}
	return fmt.Sprintf("It holds a lock outside any transaction, such as pg_advisory_lock: have it unlock, or pg_terminate_backend(%d).", r.pid)
}
