package healthcheck

import (
	"time"

	"github.com/otelpool/pgx/internal/counts"
)

// notableSilence is how long nothing comes back until that may be more than slowness.
const notableSilence = 500 * time.Millisecond

// silence is for how long the server has not answered what it was asked.
type silence struct {
	connects time.Duration // connects, the pool's or the probe's, are in flight and none comes to an end
	answers  time.Duration // queries or acquires are open and nothing comes back for any of them
}

func newSilence(all window, p *Policy) silence {
	return silence{
		connects: max(probeInFlight(all.newest()), all.lasting(p, func(i int) bool { return all[i].Connect.InFlight > 0 }, noConnectEnded)),
		answers:  withoutAnswer(all, p),
	}
}

func probeInFlight(s *Sample) time.Duration {
	if s.Probe.TryingSince.IsZero() {
		return 0
	}
	return s.At.Sub(s.Probe.TryingSince)
}

func noConnectEnded(d *delta) bool {
	return d.added[counts.Opened] == 0 && d.added[counts.ConnectFailures] == 0
}

func withoutAnswer(all window, p *Policy) time.Duration {
	for _, h := range all.newest().Holders {
		if !h.Querying && !h.Expected && !h.NestedAcquire {
			return 0 // it was answered, and thinks
		}
	}
	asked := func(i int) bool {
		s := &all[i]
		return s.Pool.Used > 0 || s.Traffic.Waiting > 0 || s.Connect.InFlight > 0
	}
	return all.lasting(p, asked, func(d *delta) bool {
		return !d.answered() && d.added[counts.Opened] == 0
	})
}
