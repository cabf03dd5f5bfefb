package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/otelpool"
)

// act is one thing that goes wrong, and what must be said about it.
type act struct {
	name  string
	want  []healthcheck.Cause                                     // any of these, as the first finding
	begin func(ctx context.Context) (end func() error, err error) // makes it go wrong; end makes it good
}

const (
	actPatience      = 30 * time.Second // to be named, and to be over
	scriptThreshold  = 3 * time.Second  // of leaks: nobody wants to watch for half a minute
	scriptWindow     = 4 * time.Second  // how long an error counts
	scriptHealthTick = 250 * time.Millisecond
)

// actDuration is how long an act takes at least, so that a collector sees it and alerts can fire.
var actDuration = 8 * time.Second

// scriptOptions make the judge quick enough for a play of one minute.
func scriptOptions() []otelpool.Option {
	policy := healthcheck.Evidence()
	policy.ErrorWindow, policy.MinStateDuration, policy.RecoveryGrace = scriptWindow, time.Second, 2*time.Second
	return []otelpool.Option{
		otelpool.WithPolicy(policy), otelpool.WithLeakThreshold(scriptThreshold), otelpool.WithHealthInterval(scriptHealthTick),
	}
}

// play is the fault script: each act begins in health, must be named rightly, and must end in health.
func (s *shop) play(ctx context.Context, screen *screen, m *otelpool.Monitor, acts []act) error {
	t := &timeline{screen: screen, monitor: m, start: time.Now()}
	if err := t.until(ctx, "the pool to be healthy", isHealthy); err != nil {
		return err
	}
	var wrong []string
	for _, a := range acts {
		said, err := t.perform(ctx, a)
		if err != nil {
			return err
		}
		if !slices.Contains(a.want, said) {
			wrong = append(wrong, fmt.Sprintf("%s: want %v, got %q", a.name, a.want, said))
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("not every fault was named rightly: %s", strings.Join(wrong, "; "))
	}
	screen.say("\n%d faults, each named rightly, in %v", len(acts), time.Since(t.start).Round(time.Second))
	return nil
}

// timeline prints every change of status or cause.
type timeline struct {
	screen  *screen
	monitor *otelpool.Monitor
	start   time.Time
	status  healthcheck.Status
	cause   healthcheck.Cause
}

// perform plays one act and returns the cause that was said, the wanted one if it was among them.
func (t *timeline) perform(ctx context.Context, a act) (said healthcheck.Cause, err error) {
	t.screen.say("\n--- %s", a.name)
	over := time.Now().Add(actDuration)
	end, err := a.begin(ctx)
	if err != nil {
		return "", fmt.Errorf("%s: %w", a.name, err)
	}
	named := t.until(ctx, "it to be named", func(r healthcheck.Report) bool {
		said = first(r)
		return slices.Contains(a.want, said)
	})
	t.linger(ctx, over)
	t.screen.say("--- the fault ends")
	if err := end(); err != nil {
		return said, fmt.Errorf("end %s: %w", a.name, err)
	}
	if err := t.until(ctx, "the pool to be healthy again", isHealthy); err != nil {
		return said, err
	}
	if named != nil && ctx.Err() != nil {
		return said, named
	}
	return said, nil
}

// linger watches until a time of day.
func (t *timeline) linger(ctx context.Context, end time.Time) {
	for time.Now().Before(end) && ctx.Err() == nil {
		t.print(t.monitor.Health())
		pause(ctx, 50*time.Millisecond)
	}
}

// until watches, and prints what changes, until done is satisfied.
func (t *timeline) until(ctx context.Context, what string, done func(healthcheck.Report) bool) error {
	deadline := time.After(actPatience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		r := t.monitor.Health()
		t.print(r)
		if done(r) {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-deadline:
			return fmt.Errorf("waited %v for %s; the pool is %s", actPatience, what, r.Status)
		case <-tick.C:
		}
	}
}

func (t *timeline) print(r healthcheck.Report) {
	cause := first(r)
	if r.Status == t.status && cause == t.cause {
		return
	}
	t.status, t.cause = r.Status, cause
	at := time.Since(t.start).Seconds()
	if len(r.Findings) == 0 {
		t.screen.say("%5.1f s  %s", at, r.Status)
		return
	}
	f := r.Findings[0]
	t.screen.say("%5.1f s  %s  %s: %s\n         seen    %s\n         advice  %s", at, r.Status, f.Cause, f.Summary,
		strings.Join(f.Evidence, "\n                 "), f.Advice)
}

func isHealthy(r healthcheck.Report) bool { return r.Status == healthcheck.Healthy }

func first(r healthcheck.Report) healthcheck.Cause {
	if len(r.Findings) == 0 {
		return ""
	}
	return r.Findings[0].Cause
}
