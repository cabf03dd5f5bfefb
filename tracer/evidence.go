package tracer

import "time"

// LeakEvidence says how strong the evidence is that a held connection has leaked. Evidence grows from left to right.
type LeakEvidence int32

// The grades of evidence. Only the last two are reported, and a running query is never a leak.
const (
	EvidenceNone     LeakEvidence = iota
	EvidenceSlowHold              // held past the threshold, still working
	EvidenceIdleHeld              // and nothing asked of the server for the threshold
	EvidenceOrphaned              // and the context it was acquired with is done
)

// String returns "", "slow_hold", "idle_held" or "orphaned".
func (e LeakEvidence) String() string {
	switch e {
	case EvidenceSlowHold:
		return "slow_hold"
	case EvidenceIdleHeld:
		return "idle_held"
	case EvidenceOrphaned:
		return "orphaned"
	}
	return ""
}

// MarshalText makes LeakEvidence its name in JSON.
func (e LeakEvidence) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// newSuspect reports whether there is more to report of the hold than was, unless its connection was hijacked.
func (t *Tracer) newSuspect(h heldSlot, now, since int64) bool {
	idle, querying := h.idle(now)
	evidence := t.evidence(h.hold, time.Duration(now-h.since), time.Duration(idle), querying, now-since)
	return evidence >= EvidenceIdleHeld && evidence > LeakEvidence(h.hold.reported.Load())
}

// evidence weighs what speaks against one hold, of whose idleness at most grace counts.
func (t *Tracer) evidence(a *acquire, age, idle time.Duration, querying bool, grace int64) LeakEvidence {
	threshold := t.opts.Load().LeakThreshold
	switch {
	case threshold <= 0 || age < threshold || a.expected != nil:
		return EvidenceNone
	case querying || min(idle, time.Duration(grace)) < threshold:
		return EvidenceSlowHold
	case a.contextErr() != "":
		return EvidenceOrphaned
	}
	return EvidenceIdleHeld
}
