package tracer

import "time"

// use is what a held connection is being used for, as seen on the wire. Whether the server works for a hold shows there: somebody
// is blocked reading its answer.
type use struct {
	idle      int64 // for how long the server has not worked for it, and nobody has read its answers
	reading   bool  // somebody is blocked in a read
	open      bool  // a query, a batch or a copy has not ended
	listening bool  // somebody reads, although nothing was asked
	producing bool  // a COPY is under way, and for a while the application has had no rows for it
}

func (u use) querying() bool { return u.reading && !u.listening && !u.producing }

// producingAfter is how long nothing must have been written of a COPY before it is the application that takes its time.
const producingAfter = int64(100 * time.Millisecond)

// use says what the connection is used for now. Without a watched wire an open query counts as work.
func (h heldSlot) use(now int64) use {
	u := use{open: h.hold.activity.open.Load() > 0}
	w := h.slot.wire
	if w == nil {
		u.reading = u.open
	} else {
		if u.reading = w.reading.Load(); !u.reading && u.open {
			w.noteProgress(now, h.hold.activity.last.Load())
		}
		u.listening = u.reading && !u.open
		if u.reading && h.hold.activity.operation.Load() == &copyFrom && u.open && !w.writing.Load() {
			u.producing = now-max(h.hold.activity.last.Load(), w.lastWriteAt.Load()) >= producingAfter
		}
	}
	if !u.reading {
		u.idle = max(0, now-h.lastUse())
	}
	return u
}

// lastUse is when the connection was last used: a query began or ended, the server answered, or somebody read on in the rows
// that it had sent before.
func (h heldSlot) lastUse() int64 {
	last := max(h.hold.held, h.hold.activity.last.Load())
	if w := h.slot.wire; w != nil {
		last = max(last, w.lastReadAt.Load(), w.progressAt.Load())
	}
	return last
}
