package callstack

import (
	"bytes"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
)

// descriptorSize is how much of a goroutine's descriptor may be read: much less than it has had in any version of Go that
// this module builds with, and enough to hold the number of the goroutine.
const descriptorSize = 256

// numberAt is where in its descriptor a goroutine's number lies; 0 if that is not known.
var numberAt atomic.Uintptr

var prepared sync.Once

// Prepare finds out where goroutines have their numbers: until it was called, they are not known. Descriptors are reused
// when goroutines end and numbers never are, so only the number tells a goroutine from a later one.
func Prepare() { prepared.Do(func() { numberAt.Store(findNumber()) }) }

// findNumber returns the place at which several goroutines find the number that their own stack traces begin with. If that is
// not exactly one, it returns 0.
func findNumber() uintptr {
	var common map[uintptr]bool
	for range 3 {
		places := make(chan map[uintptr]bool)
		go func() { places <- numberPlaces() }()
		found := <-places
		if common == nil {
			common = found
		}
		for at := range common {
			if !found[at] {
				delete(common, at)
			}
		}
	}
	if len(common) != 1 {
		return 0
	}
	for at := range common {
		return at
	}
	return 0
}

// numberPlaces lists the places in the running goroutine's descriptor that hold its number.
func numberPlaces() map[uintptr]bool {
	places := make(map[uintptr]bool)
	number := goroutineNumber()
	for at := uintptr(8); at < descriptorSize; at += 8 { // 0 is the stack's bound, and our word for unknown
		if _, word := callers(nil, at); number != 0 && word == number {
			places[at] = true
		}
	}
	return places
}

// goroutineNumber reads the number off a stack trace, which begins with "goroutine 17 [running]:"; 0 if it does not.
func goroutineNumber() uintptr {
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
