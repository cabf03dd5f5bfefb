package tracer

import (
	"reflect"
	"unsafe"

	"github.com/jackc/pgx/v5/pgproto3"
)

// readerAt and positionAt are where a Frontend keeps its reader, and where that keeps how far it has been read. pgproto3 does not
// tell. Should it change these fields, positionKnown is false, and only what is read from the network counts as progress.
var readerAt, positionAt, positionKnown = findPosition()

func findPosition() (reader, position uintptr, ok bool) {
	outer, ok := reflect.TypeFor[pgproto3.Frontend]().FieldByName("cr")
	if !ok || outer.Type.Kind() != reflect.Pointer || outer.Type.Elem().Kind() != reflect.Struct {
		return 0, 0, false
	}
	inner, ok := outer.Type.Elem().FieldByName("rp")
	return outer.Offset, inner.Offset, ok && inner.Type.Kind() == reflect.Int
}

// readPosition is how far f has been read in its buffer. Who reads is not held up: the word may be of a moment ago, which only
// makes a hold look idle for that moment more. So the race detector is told to look away.
//
//go:norace
func readPosition(f *pgproto3.Frontend) (position int64, known bool) {
	if f == nil || !positionKnown {
		return 0, false
	}
	reader := *(*unsafe.Pointer)(unsafe.Add(unsafe.Pointer(f), readerAt))
	if reader == nil {
		return 0, false
	}
	return int64(*(*int)(unsafe.Add(reader, positionAt))), true
}
