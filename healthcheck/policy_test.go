package healthcheck

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestPolicyValidate_AcceptsThePackagesOwn(t *testing.T) {
	for _, p := range []Policy{Evidence(), IdleRatio(), Usage()} {
		if err := p.Validate(); err != nil {
			t.Errorf("%s: %v", p.Rules, err)
		}
	}
}

func TestPolicyValidate_RefusesContradictionsByName(t *testing.T) {
	for name, c := range map[string]struct {
		from   Policy
		change func(*Policy)
		want   []string
	}{
		"no rules":                  {Policy{}, func(*Policy) {}, []string{"Policy.Rules", "IdleRatio()", "Policy.ErrorWindow is 0s"}},
		"unknown rules":             {Evidence(), func(p *Policy) { p.Rules = "mood" }, []string{`Policy.Rules is "mood"`}},
		"healthy below degraded":    {IdleRatio(), func(p *Policy) { p.IdleHealthy = 0.4 }, []string{"Policy.IdleDegraded is 0.5: want below IdleHealthy (0.4)"}},
		"healthy equals degraded":   {IdleRatio(), func(p *Policy) { p.IdleHealthy = 0.5 }, []string{"Policy.IdleDegraded"}},
		"degraded above unhealthy":  {Usage(), func(p *Policy) { p.UsageDegraded = 0.95 }, []string{"Policy.UsageDegraded is 0.95: want below UsageUnhealthy (0.9)"}},
		"warning above degraded":    {Evidence(), func(p *Policy) { p.UsageWarning = 0.95 }, []string{"Policy.UsageWarning is 0.95"}},
		"a warning at nothing":      {IdleRatio(), func(p *Policy) { p.UsageWarning = 0 }, []string{"Policy.UsageWarning is 0: want above 0, at most 1"}},
		"percent for a ratio":       {IdleRatio(), func(p *Policy) { p.IdleHealthy = 80 }, []string{"Policy.IdleHealthy is 80: want above 0, at most 1"}},
		"not a number":              {IdleRatio(), func(p *Policy) { p.IdleHealthy = math.NaN() }, []string{"Policy.IdleHealthy is NaN"}},
		"infinite":                  {Usage(), func(p *Policy) { p.UsageUnhealthy = math.Inf(1) }, []string{"Policy.UsageUnhealthy is +Inf"}},
		"zero interval":             {Evidence(), func(p *Policy) { p.QueueInterval = 0 }, []string{"Policy.QueueInterval is 0s: want above 0s"}},
		"negative interval":         {Evidence(), func(p *Policy) { p.StuckAfter = -time.Second }, []string{"Policy.StuckAfter is -1s"}},
		"no samples to enter":       {Evidence(), func(p *Policy) { p.WorsenAfter = 0 }, []string{"Policy.WorsenAfter is 0: want at least 1"}},
		"negative dwell":            {Evidence(), func(p *Policy) { p.MinStateDuration = -1 }, []string{"Policy.MinStateDuration is -1ns: want at least 0s"}},
		"peak below target":         {Evidence(), func(p *Policy) { p.PeakWait = time.Millisecond }, []string{"Policy.PeakWait is 1ms: want at least WaitTarget (10ms)"}},
		"settles after it forgives": {Evidence(), func(p *Policy) { p.RecoveryGrace = time.Hour }, []string{"Policy.RecoveryGrace is 1h0m0s: want at most ErrorWindow (1m0s)"}},
		"proof without time":        {Evidence(), func(p *Policy) { p.ProofOfService = 0 }, []string{"Policy.ProofOfService is 0s: want above 0s"}},
		"several at once": {Usage(), func(p *Policy) { p.UsageDegraded, p.ErrorWindow, p.ImproveAfter = 2, 0, -1 },
			[]string{"Policy.UsageDegraded", "Policy.ErrorWindow", "Policy.ImproveAfter"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.change(&c.from)
			err := c.from.Validate()
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in %q", want, err)
				}
			}
			if j, err := NewJudge("orders", c.from); j != nil || err == nil || !strings.Contains(err.Error(), `"orders"`) {
				t.Errorf("NewJudge: %v, %v", j, err)
			}
		})
	}
}
