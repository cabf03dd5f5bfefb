package otelpool

import "time"

// terminate makes the last report say that the pool is gone. The loop has ended: nobody else judges.
func (m *Monitor) terminate() {
	last := *m.last.Load()
	last.report = m.tick.judge.Terminated(time.Now())
	last.health = m.tick.snapshot(&last)
	m.last.Store(&last)
}
