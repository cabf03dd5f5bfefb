// Package poolstate tells whether a pgxpool was closed. The pool itself only tells those who acquire, and acquiring from an
// open one would connect, wait, or change its statistics.
package poolstate

import (
	"reflect"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Closed reports whether Close was called on pool. It reads a private field of puddle and, should that ever change its
// name, answers false; a test of this package fails then. Not to be used while others may be closing the pool.
func Closed(pool *pgxpool.Pool) bool {
	inner := reflect.ValueOf(pool).Elem().FieldByName("p")
	if !inner.IsValid() || inner.Kind() != reflect.Pointer || inner.IsNil() {
		return false
	}
	closed := inner.Elem().FieldByName("closed")
	return closed.IsValid() && closed.Kind() == reflect.Bool && closed.Bool()
}
