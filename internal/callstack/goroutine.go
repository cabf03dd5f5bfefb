package callstack

import (
	"bytes"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
)

// descriptorSize is how much of a goroutine's descriptor may be read: less than it has had in any version of Go that this
// module builds with, and enough to hold the numbers of the goroutine and of its parent.
const descriptorSize = 384

// numberAt and parentAt are where in its descriptor a goroutine's number lies, and its parent's; 0 if that is not known.
var numberAt, parentAt atomic.Uintptr

var prepared sync.Once

// Prepare finds out where goroutines have their numbers: until it was called, they are not known. Descriptors are reused
// when goroutines end and numbers never are, so only the number tells a goroutine from a later one.
func Prepare() {
	prepared.Do(func() {
		number, parent := findPlaces()
		numberAt.Store(number)
		parentAt.Store(parent)
	})
}

// probes is how many goroutines must agree on a place.
const probes = 3

// findPlaces returns the places at which several goroutines find their own number and their parent's, as stack traces give
// them. A place that is not the only one is 0. Each probe has another parent: a number that all of them shared might lie at
// several places by chance.
func findPlaces() (number, parent uintptr) {
	var numbers, parents places
	for range probes {
		found := make(chan [2]places)
		go func() {
			expected := ownNumber()
			go func() { found <- [2]places{placesOf(ownNumber()), placesOf(expected)} }()
		}()
		probe := <-found
		numbers, parents = numbers.both(probe[0]), parents.both(probe[1])
	}
	return numbers.only(), parents.only()
}

// places are offsets in a goroutine's descriptor. Nil stands for all of them, before the first probe.
type places map[uintptr]bool

// placesOf lists the places in the running goroutine's descriptor that hold number.
func placesOf(number uintptr) places {
	found := make(places)
	for at := uintptr(8); at < descriptorSize; at += 8 { // 0 is the stack's bound, and our word for unknown
		if _, word, _ := callers(nil, at, at); number != 0 && word == number {
			found[at] = true
		}
	}
	return found
}

func (p places) both(other places) places {
	if p == nil {
		return other
	}
	for at := range p {
		if !other[at] {
			delete(p, at)
		}
	}
	return p
}

// only is the one place that is left, 0 if there is none or more than one.
func (p places) only() uintptr {
	if len(p) != 1 {
		return 0
	}
	for at := range p {
		return at
	}
	return 0
}

// ownNumber reads the number off a stack trace, which begins with "goroutine 17 [running]:"; 0 if it does not.
func ownNumber() uintptr {
	var buf [64]byte
	text, ok := bytes.CutPrefix(buf[:runtime.Stack(buf[:], false)], []byte("goroutine "))
	digits, _, found := bytes.Cut(text, []byte(" "))
	if !ok || !found {
		return 0
	}
	number, err := strconv.ParseUint(string(digits), 10, 63)
	if err != nil {
		return 0
	}
	return uintptr(number)
}
