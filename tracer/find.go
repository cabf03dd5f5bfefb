package tracer

import (
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Find returns the first tracer of type T in an installed tracer: the tracer itself, or one that
// [multitracer.Tracer] combines, however deep. ok is false when there is none.
func Find[T pgxpool.AcquireTracer](installed any) (found T, ok bool) {
	if found, ok = installed.(T); ok {
		return found, true
	}
	if multi, isMulti := installed.(*multitracer.Tracer); isMulti && multi != nil {
		for _, inner := range multi.PoolAcquireTracers {
			if found, ok = Find[T](inner); ok {
				return found, true
			}
		}
	}
	return found, false
}

// Compose returns a tracer that passes every event to all of outer and then to last, which must see the context that pgx
// itself gets. Nil tracers are left out.
func Compose(last pgx.QueryTracer, outer ...pgx.QueryTracer) pgx.QueryTracer {
	all := make([]pgx.QueryTracer, 0, len(outer)+1)
	for _, tracer := range outer {
		if tracer != nil {
			all = append(all, tracer)
		}
	}
	if len(all) == 0 {
		return last
	}
	return multitracer.New(append(all, last)...)
}
