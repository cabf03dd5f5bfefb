// Package poolstate tells of a pgxpool what it does not tell: whether it was closed, which connections are its own, and which
// tracer it asks. The first it only tells those who acquire, and acquiring from an open pool would connect, wait, or change its
// statistics. The second nobody is told: a connection that was hijacked leaves without a word. Of the third its configuration
// says what it would be if the pool were built now: a tracer that came too late is in it and is never called.
//
// It reads private fields of pgxpool and puddle, of the latter under its own lock, as long as [pgxpool.Pool.Stat] would take.
// Should they ever change their names or types, all functions answer that they do not know, and a test of this package fails.
package poolstate

import (
	"reflect"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Closed reports whether Close was called on pool; false if that is not known.
func Closed(pool *pgxpool.Pool) bool {
	inner, unlock, ok := lock(pool)
	if !ok {
		return false
	}
	defer unlock()
	closed := inner.FieldByName("closed")
	return closed.IsValid() && closed.Kind() == reflect.Bool && closed.Bool()
}

// Members returns the connections that belong to pool now, idle or acquired; ok is false if that is not known.
func Members(pool *pgxpool.Pool) (members map[*pgx.Conn]struct{}, ok bool) {
	inner, unlock, ok := lock(pool)
	if !ok {
		return nil, false
	}
	defer unlock()
	all := inner.FieldByName("allResources")
	if !all.IsValid() || all.Kind() != reflect.Slice {
		return nil, false
	}
	members = make(map[*pgx.Conn]struct{}, all.Len())
	for i := range all.Len() {
		value, ok := pointee(all.Index(i), "value")
		if !ok {
			return nil, false
		}
		if value.IsNil() {
			continue // it is still connecting
		}
		conn, ok := pointee(value, "conn")
		if !ok || conn.Type() != reflect.TypeFor[*pgx.Conn]() {
			return nil, false
		}
		members[(*pgx.Conn)(conn.UnsafePointer())] = struct{}{}
	}
	return members, true
}

// Tracer returns what pool tells of acquires, nil if nothing was there when it was built; ok is false if that is not known.
func Tracer(pool *pgxpool.Pool) (tracer pgxpool.AcquireTracer, ok bool) {
	if pool == nil {
		return nil, false
	}
	field := reflect.ValueOf(pool).Elem().FieldByName("acquireTracer")
	if !field.IsValid() || field.Type() != reflect.TypeFor[pgxpool.AcquireTracer]() {
		return nil, false
	}
	return *(*pgxpool.AcquireTracer)(field.Addr().UnsafePointer()), true // set once, before anybody had the pool
}

// pointee returns the field of that name, a pointer itself, of what v points to.
func pointee(v reflect.Value, field string) (reflect.Value, bool) {
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Type().Elem().Kind() != reflect.Struct {
		return reflect.Value{}, false
	}
	v = v.Elem().FieldByName(field)
	return v, v.IsValid() && v.Kind() == reflect.Pointer
}

// lock locks the puddle inside pool and returns it.
func lock(pool *pgxpool.Pool) (inner reflect.Value, unlock func(), ok bool) {
	if pool == nil {
		return inner, nil, false
	}
	p, ok := pointee(reflect.ValueOf(pool), "p")
	if !ok || p.IsNil() {
		return inner, nil, false
	}
	inner = p.Elem()
	mux := inner.FieldByName("mux")
	if !mux.IsValid() || mux.Type() != reflect.TypeFor[sync.Mutex]() {
		return inner, nil, false
	}
	mutex := (*sync.Mutex)(mux.Addr().UnsafePointer())
	mutex.Lock()
	return inner, mutex.Unlock, true
}
