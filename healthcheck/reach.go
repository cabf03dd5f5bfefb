package healthcheck

import (
	"time"

	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/internal/errtype"
)

// blackHole is how long connects may hang, with nothing coming back, before the server counts as unreachable. A refusal
// is known at once; silence has to be waited for.
const blackHole = 5 * time.Second

// hush is how long nothing comes back until silence is suspected to be more than slowness.
const hush = 500 * time.Millisecond

// reach is what the samples say about getting through to the server.
type reach struct {
	usable int       // connections that exist
	proof  time.Time // when the server last answered a new connection

	failedAt        time.Time // the last attempt that failed, the pool's or the probe's
	errorType, text string

	lostAt    time.Time // the last connection that broke
	lostType  string
	trouble   time.Time // the last sign of any of these, or of an acquire that failed for it
	recovered time.Time // when the server was first seen to answer after that; zero while it has not

	hanging time.Duration // how long connects have been in flight with none coming to an end
	silent  time.Duration // how long nothing has come back though something was asked
}

func newReach(f *facts) reach {
	s := f.s
	r := reach{usable: s.Pool.Total - s.Pool.Constructing, proof: proofIn(s)}
	r.hanging, r.silent = hangingFor(f), silentFor(f)
	r.failedAt, r.errorType, r.text = s.Connect.LastErrorAt, s.Connect.LastErrorType, s.Connect.LastError
	if s.Probe.ErrorAt.After(r.failedAt) && r.believes(s.Probe.ErrorType) {
		r.failedAt, r.errorType, r.text = s.Probe.ErrorAt, s.Probe.ErrorType, s.Probe.Error
	}
	if Classify(r.errorType) == "" {
		r.failedAt, r.errorType, r.text = time.Time{}, "", ""
	}
	r.lostAt, r.lostType = lastLost(f.all)
	r.trouble = latest(r.failedAt, r.lostAt)
	if t := &s.Traffic; ofConnection(t.LastErrorType) {
		r.trouble = latest(r.trouble, t.LastErrorAt)
	}
	if !r.trouble.IsZero() && r.proof.After(r.trouble) {
		r.recovered = firstProof(f.all, r.trouble)
	}
	return r
}

// believes says whether a failure of the probe says something about the pool. While the pool serves, it does not: the
// probe exists because the pool is not well, and must not be what keeps it so.
func (r *reach) believes(errorType string) bool {
	if r.usable == 0 || r.failing() {
		return true
	}
	return r.silent >= blackHole && Classify(errorType) == CauseUnreachable
}

// failing says that the last attempt to connect failed.
func (r *reach) failing() bool { return !r.failedAt.IsZero() && !r.proof.After(r.failedAt) }

// gone says that the pool has nothing left to serve with: no connection, or none over which anything comes back.
func (r *reach) gone() bool {
	if r.failing() {
		return r.usable == 0 || r.silent >= blackHole
	}
	return r.hanging >= blackHole && (r.usable == 0 || r.silent >= blackHole)
}

// hushed says that the server, which used to answer connects quickly, has said nothing for a while, and that somebody who
// does not wait for a holder waits for it: the probe, a connect, or an acquire although the pool is not full.
func (r *reach) hushed(f *facts) bool {
	usual := f.s.Connect.LastTime
	if r.proof.IsZero() || f.late() || r.silent < max(hush, 3*usual) {
		return false
	}
	return r.hanging >= max(hush, 3*usual) || !f.contended() && f.s.Traffic.Waiting > 0 && f.s.Traffic.OldestWait >= hush
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// proofIn is when the server is known to have answered. The probe's word counts unless the pool has no connection and its own
// last attempt failed: the pool asks more of the server than the probe does, in its AfterConnect for one.
func proofIn(s *Sample) time.Time {
	c := &s.Connect
	if s.Pool.Total <= s.Pool.Constructing && c.LastErrorAt.After(c.LastAt) && Classify(c.LastErrorType) != "" {
		return c.LastAt
	}
	return latest(c.LastAt, s.Probe.OKAt)
}

// firstProof is when the first sample was taken that knows of an answer after t.
func firstProof(all []Sample, t time.Time) time.Time {
	for i := range all {
		if proofIn(&all[i]).After(t) {
			return all[i].At
		}
	}
	return time.Time{}
}

// lastLost finds when a connection was last lost, and how if a query saw it. A loss that only the counter knows happened
// after the sample before.
func lastLost(all []Sample) (time.Time, string) {
	c := &all[len(all)-1].Connect
	at, kind := c.LastLostAt, c.LastLostType
	for i := len(all) - 1; i > 0; i-- {
		if all[i].Counts[counts.Lost] > all[i-1].Counts[counts.Lost] {
			if all[i-1].At.After(at) {
				return all[i-1].At, ""
			}
			break
		}
	}
	if kind == errtype.Canceled {
		return time.Time{}, ""
	}
	return at, kind
}

// hangingFor is for how long connects, the pool's or the probe's, have been in flight without one coming to an end.
func hangingFor(f *facts) time.Duration {
	var probing time.Duration
	if p := &f.s.Probe; !p.TryingSince.IsZero() {
		probing = f.s.At.Sub(p.TryingSince)
	}
	return max(probing, f.lasting(func(s *Sample) bool { return s.Connect.InFlight > 0 }, func(d delta) bool {
		return d.added[counts.Opened] == 0 && d.added[counts.ConnectFailures] == 0
	}))
}

// silentFor is for how long queries or acquires have been open with nothing coming back for any of them.
func silentFor(f *facts) time.Duration {
	asked := func(s *Sample) bool { return s.Pool.Used > 0 || s.Traffic.Waiting > 0 || s.Connect.InFlight > 0 }
	for _, h := range f.s.Holders {
		if !h.Querying && !h.Expected && !h.NestedAcquire {
			return 0 // it was answered, and thinks
		}
	}
	return f.lasting(asked, func(d delta) bool {
		cut := d.added[counts.DestroyedBroken] + d.added[counts.DestroyedBusy] // they came back without an answer
		return d.added[counts.Released] <= cut && d.added[counts.Opened] == 0
	})
}

// lasting is for how long each sample was in some state, and nothing disturbed it in between.
func (f *facts) lasting(in func(*Sample) bool, still func(delta) bool) time.Duration {
	i := len(f.all) - 1
	if !in(f.s) {
		return 0
	}
	for i > 0 && in(&f.all[i-1]) && !f.lateAt(i) && still(between(&f.all[i-1], &f.all[i])) {
		i--
	}
	return f.s.At.Sub(f.all[i].At)
}
