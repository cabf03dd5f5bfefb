package tracer

import "context"

// untracked is a context that says so by its type: to ask costs an acquire one comparison.
type untracked struct{ context.Context }

// Untracked returns a context for acquires that are no work of the application's: they are neither counted nor timed, and
// who holds their connection is not listed. Their releases count as [Counters.Unpaired].
func Untracked(ctx context.Context) context.Context { return untracked{ctx} }

// untrackedAcquire is what the tracer called owner makes of an untracked acquire, for its end to know.
type untrackedAcquire struct {
	context.Context
	owner *Tracer
}

// Value says of what would be an acquire that it is none.
func (p untrackedAcquire) Value(key any) any {
	if k, ok := key.(acquireKey); ok && k.owner == p.owner {
		return p
	}
	return p.Context.Value(key)
}
