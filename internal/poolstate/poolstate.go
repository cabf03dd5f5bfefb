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
	"unsafe"

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

// Members writes the connections that belong to pool now, idle or acquired, to dst[:0] and returns it; ok is false if that is
// not known. Under the lock it only copies pointers.
func Members(pool *pgxpool.Pool, dst []*pgx.Conn) (members []*pgx.Conn, ok bool) {
	l := memberLayout()
	if pool == nil || !l.known {
		return nil, false
	}
	inner, unlock, ok := lock(pool)
	if !ok {
		return nil, false
	}
	defer unlock()
	dst = dst[:0]
	all := *(*[]unsafe.Pointer)(unsafe.Add(inner.Addr().UnsafePointer(), l.resources))
	for _, resource := range all {
		if value := pointerAt(resource, l.value); value != nil { // else it is still connecting
			dst = append(dst, (*pgx.Conn)(pointerAt(value, l.conn)))
		}
	}
	return dst, true
}

func pointerAt(object unsafe.Pointer, offset uintptr) unsafe.Pointer {
	return *(*unsafe.Pointer)(unsafe.Add(object, offset))
}

// layout is where a pool keeps its connections: in a slice of pointers to resources, each with a pointer to a value, each with
// a pointer to its connection.
type layout struct {
	resources, value, conn uintptr
	known                  bool
}

// memberLayout reads the layout off the types, once.
var memberLayout = sync.OnceValue(func() (l layout) {
	pool, ok := pointerField(reflect.TypeFor[pgxpool.Pool](), "p")
	if !ok {
		return l
	}
	resources, ok := pool.Type.Elem().FieldByName("allResources")
	if !ok || resources.Type.Kind() != reflect.Slice || resources.Type.Elem().Kind() != reflect.Pointer {
		return l
	}
	value, ok := pointerField(resources.Type.Elem().Elem(), "value")
	if !ok {
		return l
	}
	conn, ok := pointerField(value.Type.Elem(), "conn")
	if !ok || conn.Type != reflect.TypeFor[*pgx.Conn]() {
		return l
	}
	return layout{resources.Offset, value.Offset, conn.Offset, true}
})

// pointerField returns the field of that name, a pointer to a struct, of the struct t.
func pointerField(t reflect.Type, name string) (field reflect.StructField, ok bool) {
	if t.Kind() != reflect.Struct {
		return field, false
	}
	field, ok = t.FieldByName(name)
	return field, ok && field.Type.Kind() == reflect.Pointer && field.Type.Elem().Kind() == reflect.Struct
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

// lock locks the puddle inside pool and returns it.
func lock(pool *pgxpool.Pool) (inner reflect.Value, unlock func(), ok bool) {
	if pool == nil {
		return inner, nil, false
	}
	if _, ok := pointerField(reflect.TypeFor[pgxpool.Pool](), "p"); !ok {
		return inner, nil, false
	}
	inner = reflect.ValueOf(pool).Elem().FieldByName("p").Elem()
	if !inner.IsValid() {
		return inner, nil, false
	}
	mux := inner.FieldByName("mux")
	if !mux.IsValid() || mux.Type() != reflect.TypeFor[sync.Mutex]() {
		return inner, nil, false
	}
	mutex := (*sync.Mutex)(mux.Addr().UnsafePointer())
	mutex.Lock()
	return inner, mutex.Unlock, true
}
