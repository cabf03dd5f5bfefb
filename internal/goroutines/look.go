package goroutines

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
	"weak"
)

const (
	// MaxGoroutines is how many there may be for a look: docs/performance.md has what stopping them costs.
	MaxGoroutines = 500

	textEach  = 3 << 10  // room for the trace of one goroutine: about twenty frames
	textSpare = 64 << 10 // for those that need more

	// sharedFor is how old a look may be for another pool: whoever has waited for that long was there.
	sharedFor = 100 * time.Millisecond
)

// ErrTooMany says that there were more goroutines than may be stopped. To find that out stops nobody.
var ErrTooMany = errors.New("too many goroutines")

// errDoesNotFit says that the traces were longer than they usually are.
var errDoesNotFit = errors.New("the stacks of the goroutines are too long")

// last is the last look in this process. Several pools that are in trouble at once share it: nobody stops the world for each.
var last struct {
	mu    sync.Mutex // guards the rest; held while the world is stopped
	began time.Time
	dump  weak.Pointer[Dump]
}

// Look looks at all goroutines, or says why it does not. It stops the world.
func Look() (*Dump, error) {
	last.mu.Lock()
	defer last.mu.Unlock()
	if age := time.Since(last.began); 0 <= age && age < sharedFor { // in a test's bubble another clock may run
		if d := last.dump.Value(); d != nil {
			return d, nil
		}
	}
	n := runtime.NumGoroutine()
	if n > MaxGoroutines {
		return nil, fmt.Errorf("%w: %d, more than %d", ErrTooMany, n, MaxGoroutines)
	}
	d, err := look(n)
	if err != nil {
		return nil, err
	}
	last.began, last.dump = d.Began, weak.Make(d)
	return d, nil
}

// look looks at about n goroutines.
func look(n int) (*Dump, error) {
	text := make([]byte, n*textEach+textSpare)
	began := time.Now()
	written := runtime.Stack(text, true)
	took := time.Since(began)
	if written == len(text) {
		return nil, errDoesNotFit
	}
	d := Parse(text[:written])
	d.Began, d.Took = began, took
	return d, nil
}
