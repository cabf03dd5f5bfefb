package healthcheck

import (
	"time"

	"github.com/cenkalti/backoff/v5"
)

// The schedule of reconnection attempts.
const (
	firstDelay = time.Second
	lastDelay  = 16 * time.Second
	jitter     = 0.1 // a fleet that lost one server together must not return together
)

// Schedule says how long to wait before each attempt to reach a lost server: 1, 2, 4, 8, 16 s, then every 16 s, each with
// up to 10 % more or less. Whether to try at all is for [ShouldRetry]. The zero value is ready; a Schedule is for one
// goroutine.
type Schedule struct {
	b        *backoff.ExponentialBackOff
	attempts int
}

// Next returns the delay before the next attempt.
func (s *Schedule) Next() time.Duration {
	if s.b == nil {
		s.b = &backoff.ExponentialBackOff{
			InitialInterval: firstDelay, Multiplier: 2, MaxInterval: lastDelay, RandomizationFactor: jitter,
		}
	}
	s.attempts++
	return s.b.NextBackOff()
}

// Attempts is how many delays were given out since the last [Schedule.Reset].
func (s *Schedule) Attempts() int { return s.attempts }

// Reset begins anew: the server was reached.
func (s *Schedule) Reset() { *s = Schedule{} }
