package web

import (
	"net/http"
	"time"

	"github.com/google/pprof/profile"

	"github.com/otelpool/pgx/tracer"
)

// HoldersProfile is the connections that are held, as a pprof profile: for each stack how many it holds, and for how long they
// have been held, in nanoseconds.
func HoldersProfile(pool string, held []tracer.Holder, at time.Time) *profile.Profile {
	p := &profile.Profile{
		SampleType: []*profile.ValueType{
			{Type: "connections", Unit: "count"},
			{Type: "held", Unit: "nanoseconds"},
		},
		DefaultSampleType: "connections",
		TimeNanos:         at.UnixNano(),
		Comments:          []string{"connections held of pool " + pool},
	}
	b := profileBuilder{profile: p, functions: make(map[string]*profile.Function), locations: make(map[tracer.Frame]*profile.Location)}
	for _, h := range held {
		p.Sample = append(p.Sample, b.sample(h))
	}
	return p
}

// profileBuilder shares the functions and locations of a profile among its samples, as the format wants.
type profileBuilder struct {
	profile   *profile.Profile
	functions map[string]*profile.Function
	locations map[tracer.Frame]*profile.Location
}

func (b *profileBuilder) sample(h tracer.Holder) *profile.Sample {
	s := &profile.Sample{
		Value: []int64{1, int64(h.Age)},
		Label: map[string][]string{"status": {status(h)}},
		NumLabel: map[string][]int64{
			"backend_pid": {int64(h.PID)},
		},
	}
	stack := h.Stack
	if len(stack) == 0 {
		stack = []tracer.Frame{{Function: "unknown place (stacks are off)"}}
	}
	for _, f := range stack {
		s.Location = append(s.Location, b.location(f))
	}
	return s
}

// status is what a holder does, in one word to filter by.
func status(h tracer.Holder) string {
	switch {
	case h.Evidence >= tracer.EvidenceIdleHeld:
		return "leaking"
	case h.Querying:
		return "querying"
	case h.Listening:
		return "listening"
	case h.InTx:
		return "idle_in_transaction"
	}
	return "idle"
}

func (b *profileBuilder) location(f tracer.Frame) *profile.Location {
	if l, ok := b.locations[f]; ok {
		return l
	}
	fn, ok := b.functions[f.Function]
	if !ok {
		fn = &profile.Function{ID: uint64(len(b.functions) + 1), Name: f.Function, SystemName: f.Function, Filename: f.File}
		b.functions[f.Function] = fn
		b.profile.Function = append(b.profile.Function, fn)
	}
	l := &profile.Location{ID: uint64(len(b.locations) + 1), Line: []profile.Line{{Function: fn, Line: int64(f.Line)}}}
	b.locations[f] = l
	b.profile.Location = append(b.profile.Location, l)
	return l
}

func (c Config) serveProfile(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="holders.pb.gz"`)
	_ = HoldersProfile(c.Pool, c.Holders(), time.Now()).Write(w) // the client is gone: nobody to tell
}
