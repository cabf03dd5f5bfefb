package tracer

import (
	"context"
	"sync/atomic"
)

type longHoldKey struct{}

// longHolds says that somebody expects any: until then nobody's context is searched.
var longHolds atomic.Bool

// ExpectLongHold returns a context for acquires that are meant to last: a LISTEN worker, a batch job, a session-level
// lock. Connections acquired with it are never suspected of being leaked; why is shown wherever the holder is.
func ExpectLongHold(ctx context.Context, why string) context.Context {
	if why == "" {
		why = "expected"
	}
	longHolds.Store(true)
	return context.WithValue(ctx, longHoldKey{}, &why)
}

func expectedLongHold(ctx context.Context) *string {
	if !longHolds.Load() {
		return nil
	}
	why, _ := ctx.Value(longHoldKey{}).(*string)
	return why
}
