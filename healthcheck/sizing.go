package healthcheck

import (
	"fmt"
	"time"

	"github.com/otelpool/pgx/internal/counts"
)

// What it takes to advise on a size.
const (
	sizingSpan  = 10 * time.Second // the least time observed
	sizingHolds = 50               // and the least holds that ended in it
	sizingMax   = 10000            // beyond this no single pool is the answer
)

// size works out the pool's size from the traffic of the last minute: λ = attempts/s, S = mean hold, a = λS, and the
// smallest c whose Erlang-C p99 wait meets [Policy.WaitTarget]. S is the time that connections were occupied in this minute,
// for each hold that ended in it: a hold of an hour that has just ended asked for one connection, not for sixty. Those
// expected to be long come on top. Where a larger pool would only hold, leak or slow down more, it recommends none.
func size(f *facts) Sizing {
	d := f.minute
	if !f.s.HasTracer || d.span < sizingSpan || d.added[counts.Released] < sizingHolds {
		return Sizing{Why: "Too little traffic was seen to advise on a size."}
	}
	attempts := d.ended() + float64(d.waiting)
	s := Sizing{Known: true, ArrivalRate: attempts / d.span.Seconds(), MeanHold: mean(d.occupied, d.added[counts.Released])}
	s.Offered = s.ArrivalRate * s.MeanHold.Seconds()
	if s.MeanHold <= 0 || s.Offered <= 0 || s.Offered >= sizingMax {
		return Sizing{Why: "The traffic that was seen makes no sense as a queue."}
	}
	switch slow := f.slowness(); {
	case f.holders.count[leaked] > 0:
		s.Why = "Connections leak: a larger pool would only leak more of them."
	case f.holders.count[nested] > 0:
		s.Why = "Requests hold one connection and wait for another: a larger pool only puts off the deadlock."
	case f.mostlyIdle() || f.holders.held > 0 && f.holders.share(idling) >= 0.5:
		s.Why = "Connections are held mostly idle: use them less, not more of them."
	case f.holders.share(listening) >= 0.5:
		s.Why = "Connections listen: give them a pool or connections of their own."
	case f.holders.count[locked] > 0:
		s.Why = "Queries wait for locks: more of them at once would not help."
	case f.churn.much:
		s.Why = "Cancelled queries close their connections: a larger pool would only replace more of them."
	case f.lostOnTheWay():
		s.Why = "The server has nothing to do for those who query: shorten the way to it first."
	case slow.grown:
		s.Why = "Queries are slower than they were: more of them at once would not help."
	default:
		f.recommend(&s)
	}
	return s
}

func (f *facts) recommend(s *Sizing) {
	c := erlangCServers(s.Offered, f.p.WaitTarget.Seconds()/s.MeanHold.Seconds(), sizingMax)
	if c == 0 {
		s.Why = "No size of pool meets the target for this traffic."
		return
	}
	s.Recommended = c + f.holders.count[expectedLong]
	s.Why = fmt.Sprintf("%.3g acquires a second, held for %s, keep %.3g connections busy; with %d at most 1 %% wait longer than %s.",
		s.ArrivalRate, short(s.MeanHold), s.Offered, c, short(f.p.WaitTarget))
	if f.contended {
		s.Why += " A full pool hides demand: look again after growing."
	}
}
