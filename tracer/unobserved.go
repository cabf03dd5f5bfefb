package tracer

import "context"

// unobserved is a context that says so by its type: to ask costs an acquire one comparison.
type unobserved struct{ context.Context }

// Unobserved returns a context for acquires that are no work of the application's: they are neither counted nor timed, and
// who holds their connection is not listed. Their releases count as [Counters.Unpaired].
func Unobserved(ctx context.Context) context.Context { return unobserved{ctx} }

// passed is what the tracer called owner makes of an unobserved acquire, for its end to know.
type passed struct {
	context.Context
	owner *Tracer
}

// Value says of what would be an acquire that it is none.
func (p passed) Value(key any) any {
	if k, ok := key.(acquireKey); ok && k.owner == p.owner {
		return p
	}
	return p.Context.Value(key)
}
