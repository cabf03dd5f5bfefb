package healthcheck

import (
	"slices"
	"time"
)

// The window is bounded in number, about 100 KB a pool, and reaches back far enough for every rule: of samples that come
// fast, the older ones are merged.
const (
	windowSize  = 128
	windowSpan  = 2 * time.Minute
	windowFresh = 16 // never merged
)

// window is the recent samples, oldest first. Only the newest keeps its holders and waiters: they say who holds and waits; the
// counters of the others say since when.
type window []Sample

// add appends s. If the clock was set back, earlier samples cannot be compared with it and are forgotten.
func (w *window) add(s Sample) {
	clean(&s)
	if n := len(*w); n > 0 {
		last := &(*w)[n-1]
		if s.At.Before(last.At) {
			*w = (*w)[:0]
		} else {
			last.Holders, last.Waiters, last.Canceled, last.Server = nil, nil, nil, nil
		}
	}
	if len(*w) == windowSize {
		w.makeRoom()
	}
	*w = append(*w, s)
}

func (w window) newest() *Sample { return &w[len(w)-1] }

// back returns the newest sample that is at least d old, or the oldest of all.
func (w window) back(d time.Duration) *Sample {
	for i := len(w) - 1; i >= 0; i-- {
		if w.newest().At.Sub(w[i].At) >= d {
			return &w[i]
		}
	}
	return &w[0]
}

// lateAt says whether the process was starved when sample i was due.
func (w window) lateAt(i int, p *Policy) bool { return i >= 0 && w[i].Late >= p.LateAfter }

// lasting is for how long each sample, counted back from the newest, has been in some state, with nothing to disturb it in
// between. A late sample begins anew.
func (w window) lasting(p *Policy, in func(i int) bool, still func(*delta) bool) time.Duration {
	i := len(w) - 1
	if !in(i) {
		return 0
	}
	for ; i > 0 && in(i-1) && !w.lateAt(i, p); i-- {
		if d := between(&w[i-1], &w[i]); !still(&d) {
			break
		}
	}
	return w.newest().At.Sub(w[i].At)
}

// makeRoom forgets the oldest sample if the rest reach back far enough. Otherwise it merges the two that lie closest, the
// newest ones apart: the past stays evenly covered, however fast samples come.
func (w *window) makeRoom() {
	all := *w
	if all[len(all)-1].At.Sub(all[1].At) >= windowSpan {
		*w = slices.Delete(all, 0, 1)
		return
	}
	closest := 1
	gap := func(i int) time.Duration { return all[i+1].At.Sub(all[i-1].At) }
	for i := 2; i < len(all)-windowFresh; i++ {
		if gap(i) < gap(closest) {
			closest = i
		}
	}
	all[closest+1] = merge(&all[closest], &all[closest+1])
	*w = slices.Delete(all, closest, closest+1)
}

// merge returns the sample that stands for two consecutive ones: the second, had the first not been taken.
func merge(a, b *Sample) Sample {
	m, t := *b, &a.Traffic
	m.Late = max(a.Late, b.Late)
	switch {
	case t.Ended == 0:
	case b.Traffic.Ended == 0:
		m.Traffic.MinWait, m.Traffic.PeakWait, m.Traffic.Ended = t.MinWait, t.PeakWait, t.Ended
	default:
		m.Traffic.MinWait = min(t.MinWait, b.Traffic.MinWait)
		m.Traffic.PeakWait = max(t.PeakWait, b.Traffic.PeakWait)
		m.Traffic.Ended += t.Ended
	}
	return m
}

// clean sets absurd readings to zero: a negative gauge or age is no evidence.
func clean(s *Sample) {
	p, t, c := &s.Pool, &s.Traffic, &s.Connect
	for _, n := range []*int{
		&p.Total, &p.Idle, &p.Used, &p.Constructing, &p.Max, &t.Waiting, &c.InFlight,
	} {
		*n = max(*n, 0)
	}
	for i, n := range s.Counts {
		s.Counts[i] = max(n, 0)
	}
	t.Ended = max(t.Ended, 0)
	for _, d := range []*time.Duration{&s.Late, &t.OldestWait, &t.Occupied, &t.MinWait, &t.PeakWait, &c.LastTime} {
		*d = max(*d, 0)
	}
	p.Constructing = min(p.Constructing, p.Total)
	if s.Server != nil {
		s.Probe.OKAt = latest(s.Probe.OKAt, s.Server.At) // a view is an answer; it is remembered when the view is not
	}
}
