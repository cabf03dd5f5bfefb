package healthcheck

import "time"

// streakLife is how long a streak of bad samples outlives the last of them: quiet samples do not end it, time does.
const streakLife = time.Minute

// hysteresis keeps one odd sample from changing a status: getting worse takes a few bad samples in a row, getting better
// a few good ones and some time. Each tier is counted apart: an unhealthy sample and a degraded one are two that are at least
// degraded, and one that is unhealthy.
type hysteresis struct {
	worse, better [Unhealthy + 1]int // how many samples in a row were at least, or at most, that bad
	worseAt       time.Time          // the last sample that was not healthy
}

// observe counts one verdict. One that says nothing about waits ends no streak of degraded ones. One that was taken while the
// process was starved counts as no good sample.
func (h *hysteresis) observe(v *verdict, at time.Time) {
	if v.tier == Unknown {
		*h = hysteresis{}
		return
	}
	if age := at.Sub(h.worseAt); age < 0 || age > streakLife {
		h.worse = [Unhealthy + 1]int{}
	}
	if v.tier > Healthy {
		h.worseAt = at
	}
	for tier := Healthy; tier <= Unhealthy; tier++ {
		switch {
		case v.tier >= tier:
			h.worse[tier]++
		case v.late, v.quiet && tier == Degraded:
		default:
			h.worse[tier] = 0
		}
		switch {
		case v.tier > tier:
			h.better[tier] = 0
		case !v.late:
			h.better[tier]++
		}
	}
}

// worsening says that a streak of bad samples has begun and is not over.
func (h *hysteresis) worsening() bool { return h.worse[Degraded] > 0 }

// resetWorse forgets the bad samples that a better status has outlived.
func (h *hysteresis) resetWorse() { h.worse = [Unhealthy + 1]int{} }

// event says what the streaks amount to in a state entered at since.
func (h *hysteresis) event(p *Policy, state State, since time.Time, v *verdict, at time.Time) event {
	if v.tier == Unknown {
		return nothing
	}
	status := state.Status()
	for tier := Unhealthy; tier > max(status, Healthy); tier-- {
		if h.worse[tier] >= p.WorsenAfter {
			return eventOf(tier, v)
		}
	}
	switch {
	case status == Unknown && v.tier == Healthy:
		return good // nothing to be trusted again: it has not failed yet
	case v.tier > status:
		return nothing
	case at.Sub(since) < p.MinStateDuration:
		return nothing
	case v.tier == status, h.better[v.tier] >= p.ImproveAfter, v.tier == Healthy && v.proved: // a proof takes as many samples
		return eventOf(v.tier, v)
	case h.better[Degraded] >= p.ImproveAfter && status == Unhealthy:
		return outageOver // better for long enough, though how much better has not lasted yet
	}
	return nothing
}

// eventOf is the event that leads to a tier, by a verdict at least as bad.
func eventOf(tier Status, v *verdict) event {
	switch {
	case tier == Healthy:
		return good
	case tier == Unhealthy:
		return bad
	case v.outageOver():
		return outageOver
	}
	return poor
}
