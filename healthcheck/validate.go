package healthcheck

import (
	"errors"
	"fmt"
	"time"
)

// Validate returns nil or all that is wrong with p at once, joined by [errors.Join]: each error names the field, its value
// and what is accepted. Thresholds that p's rules do not use are not looked at.
func (p Policy) Validate() error {
	var c checks
	switch p.Rules {
	case RulesEvidence:
		c.ratio("UsageDegraded", p.UsageDegraded)
		c.less("UsageWarning", p.UsageWarning, "UsageDegraded", p.UsageDegraded)
		c.positive("ProofOfService", p.ProofOfService)
	case RulesIdleRatio:
		c.ratio("IdleHealthy", p.IdleHealthy)
		c.ratio("IdleDegraded", p.IdleDegraded)
		c.less("IdleDegraded", p.IdleDegraded, "IdleHealthy", p.IdleHealthy)
	case RulesUsage:
		c.ratio("UsageDegraded", p.UsageDegraded)
		c.ratio("UsageUnhealthy", p.UsageUnhealthy)
		c.less("UsageDegraded", p.UsageDegraded, "UsageUnhealthy", p.UsageUnhealthy)
	case "":
		c.fail("Rules", `""`, "a policy with rules: start from Evidence(), IdleRatio() or Usage()")
	default:
		c.fail("Rules", fmt.Sprintf("%q", p.Rules), `"evidence", "idle_ratio" or "usage"`)
	}
	c.ratio("UsageWarning", p.UsageWarning) // warns under all rules
	p.validateTimes(&c)
	return errors.Join(c...)
}

func (p Policy) validateTimes(c *checks) {
	c.positive("WaitTarget", p.WaitTarget)
	c.positive("PeakWait", p.PeakWait)
	c.positive("QueueInterval", p.QueueInterval)
	c.positive("StuckAfter", p.StuckAfter)
	c.positive("ErrorWindow", p.ErrorWindow)
	c.positive("SlowQuery", p.SlowQuery)
	c.positive("LateAfter", p.LateAfter)
	c.atLeast("WorsenAfter", p.WorsenAfter, 1)
	c.atLeast("ImproveAfter", p.ImproveAfter, 1)
	c.atLeast("MinStateDuration", p.MinStateDuration, 0)
	c.atLeast("RecoveryGrace", p.RecoveryGrace, 0)
	if p.WaitTarget > 0 && p.PeakWait > 0 && p.PeakWait < p.WaitTarget {
		c.fail("PeakWait", p.PeakWait, fmt.Sprintf("at least WaitTarget (%v)", p.WaitTarget))
	}
	if p.ErrorWindow > 0 && p.RecoveryGrace > p.ErrorWindow {
		c.fail("RecoveryGrace", p.RecoveryGrace, fmt.Sprintf("at most ErrorWindow (%v)", p.ErrorWindow))
	}
}

// checks collects what was wrong.
type checks []error

func (c *checks) fail(field string, value any, want string) {
	*c = append(*c, fmt.Errorf("healthcheck: Policy.%s is %v: want %s", field, value, want))
}

// ratio is written so that NaN fails it.
func (c *checks) ratio(field string, v float64) {
	if !(v > 0 && v <= 1) {
		c.fail(field, v, "above 0, at most 1")
	}
}

// less refuses two ratios that contradict each other.
func (c *checks) less(low string, l float64, high string, h float64) {
	if l >= h {
		c.fail(low, l, fmt.Sprintf("below %s (%v)", high, h))
	}
}

func (c *checks) positive(field string, d time.Duration) {
	if d <= 0 {
		c.fail(field, d, "above 0s")
	}
}

func (c *checks) atLeast(field string, v any, least int64) {
	switch v := v.(type) {
	case int:
		if int64(v) < least {
			c.fail(field, v, fmt.Sprintf("at least %d", least))
		}
	case time.Duration:
		if int64(v) < least {
			c.fail(field, v, fmt.Sprintf("at least %v", time.Duration(least)))
		}
	}
}
