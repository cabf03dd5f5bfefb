package healthcheck

import (
	"time"

	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/internal/errtype"
)

// outageSilence is how long nothing may come back from the server before it counts as unreachable. A refusal is known at once;
// silence has to be waited for.
const outageSilence = 5 * time.Second

// reach is what the samples say about getting through to the server: when it last answered, what last failed, and for how long
// it has been silent.
type reach struct {
	usable int // connections that exist

	lastAnsweredAt time.Time // when the server last answered a new connection
	connect        failure   // the last attempt to connect that failed, the pool's or the probe's
	lost           failure   // the last connection that broke
	silence        silence
	noServer       bool // a pooler answers, and has had no server for our queries of late

	troubleAt   time.Time // the last sign of failed connects, lost connections, or acquires that failed for these
	recoveredAt time.Time // when the server was first seen to answer after that; zero while it has not
}

func newReach(f *facts) reach {
	s := f.s
	r := reach{
		usable: s.Pool.Total - s.Pool.Constructing, lastAnsweredAt: answeredAt(s), lost: lastLost(f.all), silence: newSilence(f.all, f.p),
		connect: failure{s.Connect.LastErrorAt, s.Connect.LastErrorType, s.Connect.LastError},
	}
	if s.Probe.ErrorAt.After(r.connect.at) && r.trustProbeError(s.Probe.ErrorType) {
		r.connect = failure{s.Probe.ErrorAt, s.Probe.ErrorType, s.Probe.Error}
	}
	if Classify(r.connect.kind) == "" {
		r.connect = failure{}
	}
	r.troubleAt = latest(r.connect.at, r.lost.at)
	if t := &s.Traffic; ofConnection(t.LastErrorType) {
		r.troubleAt = latest(r.troubleAt, t.LastErrorAt)
	}
	if !r.troubleAt.IsZero() && r.lastAnsweredAt.After(r.troubleAt) {
		r.recoveredAt = firstAnswerAfter(r.troubleAt, f.all)
	}
	r.noServer = poolerAlone(f, &r)
	return r
}

// trustProbeError says whether a failure of the probe says something about the pool. While the pool serves, it does not: the
// probe exists because the pool is not well, and must not be what keeps it so.
func (r *reach) trustProbeError(kind string) bool {
	if r.usable == 0 || r.failing() {
		return true
	}
	return r.silence.answers >= outageSilence && Classify(kind) == CauseUnreachable
}

// failing says that the last attempt to connect failed.
func (r *reach) failing() bool {
	return !r.connect.at.IsZero() && !r.lastAnsweredAt.After(r.connect.at)
}

// noUsablePath says that the pool has nothing left to serve with: no connection, or none over which anything comes back.
func (r *reach) noUsablePath() bool {
	if r.noServer {
		return true
	}
	cut := r.usable == 0 || r.silence.answers >= outageSilence
	return cut && (r.failing() || r.silence.connects >= outageSilence)
}

// serverSilent says that the server, which used to answer connects quickly, has said nothing for a while, and that somebody who
// does not wait for a holder waits for it: the probe, a connect, or an acquire although the pool is not full.
func (r *reach) serverSilent(f *facts) bool {
	notable := max(notableSilence, 3*f.s.Connect.LastTime)
	if r.lastAnsweredAt.IsZero() || f.late || r.silence.answers < notable {
		return false
	}
	acquireWaits := !f.contended && f.s.Traffic.Waiting > 0 && f.s.Traffic.OldestWait >= notableSilence
	return r.silence.connects >= notable || acquireWaits
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// answeredAt is when the server is known to have answered. The probe's word counts unless the pool has no connection and its own
// last attempt failed: the pool asks more of the server than the probe does, in its AfterConnect for one.
func answeredAt(s *Sample) time.Time {
	c := &s.Connect
	if s.Pool.Total <= s.Pool.Constructing && c.LastErrorAt.After(c.LastAt) && Classify(c.LastErrorType) != "" {
		return c.LastAt
	}
	return latest(c.LastAt, s.Probe.OKAt)
}

// firstAnswerAfter is when the first sample was taken that knows of an answer after t.
func firstAnswerAfter(t time.Time, all window) time.Time {
	for i := range all {
		if answeredAt(&all[i]).After(t) {
			return all[i].At
		}
	}
	return time.Time{}
}

// lastLost finds when a connection was last lost, and how if a query saw it. A loss that only the counter knows happened
// after the sample before.
func lastLost(all window) failure {
	c := &all.newest().Connect
	for i := len(all) - 1; i > 0; i-- {
		if all[i].Counts[counts.Lost] > all[i-1].Counts[counts.Lost] {
			if all[i-1].At.After(c.LastLostAt) {
				return failure{at: all[i-1].At}
			}
			break
		}
	}
	if c.LastLostType == errtype.Canceled {
		return failure{}
	}
	return failure{at: c.LastLostAt, kind: c.LastLostType, text: c.LastLost}
}
