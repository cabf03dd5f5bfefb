package tracer

// LeakEvidence says how strong the evidence is that a held connection has leaked. Evidence grows from left to right.
type LeakEvidence int32

// The grades of evidence. Only the last two are reported, and a running query is never a leak.
const (
	EvidenceNone     LeakEvidence = iota
	EvidenceSlowHold              // held past the threshold, still working
	EvidenceIdleHeld              // and nothing asked of the server for the threshold
	EvidenceOrphaned              // and the context it was acquired with is done, or its goroutine has ended
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

// nearlySuspected reports whether more is about to be reported of the hold than was, unless something speaks for it.
func (s *scene) nearlySuspected(h heldSlot) bool {
	return s.old(h) && s.rawEvidence(h, h.use(s.now)) > max(EvidenceSlowHold, h.hold.reportedWith())
}

// newSuspect reports whether there is more to report of the hold than was, unless its connection was hijacked.
func (s *scene) newSuspect(h heldSlot) bool {
	return s.old(h) && s.evidence(h, h.use(s.now)) > max(EvidenceSlowHold, h.hold.reportedWith())
}

// old says whether a hold may be suspected at all. There may be thousands of others, and this follows few pointers.
func (s *scene) old(h heldSlot) bool {
	threshold := int64(s.t.opts.Load().LeakThreshold)
	return threshold > 0 && (s.now-h.since >= threshold || h.hold.abandoned())
}

// evidence weighs what speaks against one hold and for it. Whoever waits for somebody who waits for a connection does not leak,
// nor does one who is still at work where it took the connection.
func (s *scene) evidence(h heldSlot, use use) LeakEvidence {
	evidence := s.rawEvidence(h, use)
	if evidence <= EvidenceSlowHold {
		return evidence
	}
	threshold := int64(s.t.opts.Load().LeakThreshold)
	if s.nested[h.hold] || use.idle < workingThresholds*threshold && s.looked.stillInCall(h) {
		return EvidenceSlowHold
	}
	return evidence
}

// rawEvidence weighs what speaks against one hold.
func (s *scene) rawEvidence(h heldSlot, use use) LeakEvidence {
	a, threshold := h.hold, int64(s.t.opts.Load().LeakThreshold)
	age, idle := s.now-a.held, min(use.idle, s.now-s.resumed)
	switch {
	case threshold <= 0 || a.expected != nil:
		return EvidenceNone
	case a.abandoned() && idle >= abandonedAfter:
		return EvidenceOrphaned
	case age < threshold:
		return EvidenceNone
	case use.reading || idle < threshold:
		return EvidenceSlowHold
	case a.contextErr() != "":
		return EvidenceOrphaned
	}
	return EvidenceIdleHeld
}

// abandonedFlag is set in acquire.reported while a look has shown that nobody is left to end the hold.
const abandonedFlag = 1 << 8

// reportedWith is the evidence with which a sweep has reported the hold.
func (a *acquire) reportedWith() LeakEvidence {
	return LeakEvidence(a.reported.Load() &^ abandonedFlag)
}

func (a *acquire) abandoned() bool { return a.reported.Load()&abandonedFlag != 0 }

func (a *acquire) setReported(e LeakEvidence) {
	a.reported.Store(a.reported.Load()&abandonedFlag | int32(e)) // only sweeps write
}

func (a *acquire) setAbandoned(on bool) {
	switch reported := a.reported.Load(); {
	case on == (reported&abandonedFlag != 0):
	default:
		a.reported.Store(reported ^ abandonedFlag)
	}
}
