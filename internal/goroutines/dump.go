package goroutines

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/otelpool/pgx/internal/callstack"
)

// Dump is what one look at all goroutines saw. It is immutable.
type Dump struct {
	Began time.Time     // nothing in it is older
	Took  time.Duration // the world stood still for about as long

	all map[uintptr]Goroutine
}

// Goroutine is one goroutine of a [Dump].
type Goroutine struct {
	ID, Parent uintptr       // Parent is 0 where the runtime started it
	State      string        // "running", "chan receive", "IO wait", …
	Blocked    time.Duration // for how long, in whole minutes

	stack []byte // the text below its header
}

// Len is how many goroutines were seen.
func (d *Dump) Len() int { return len(d.all) }

// Find returns the goroutine of that number, ok false if there was none.
func (d *Dump) Find(id uintptr) (g Goroutine, ok bool) {
	g, ok = d.all[id]
	return g, ok
}

// HasChild says whether a goroutine was seen that the given one has started.
func (d *Dump) HasChild(id uintptr) bool {
	for _, g := range d.all {
		if g.Parent == id {
			return true
		}
	}
	return false
}

// Parse reads what [runtime.Stack] writes of all goroutines. It ignores what it does not know, and keeps text.
func Parse(text []byte) *Dump {
	d := &Dump{all: make(map[uintptr]Goroutine)}
	for len(text) > 0 {
		var block []byte
		block, text, _ = bytes.Cut(text, []byte("\n\n"))
		if g, ok := parseGoroutine(bytes.TrimLeft(block, "\n")); ok {
			d.all[g.ID] = g
		}
	}
	return d
}

var (
	goroutineWord = []byte("goroutine ")
	createdBy     = []byte("created by ")
	inGoroutine   = []byte(" in goroutine ")
)

func parseGoroutine(block []byte) (g Goroutine, ok bool) {
	header, stack, _ := bytes.Cut(block, []byte("\n"))
	header, ok = bytes.CutPrefix(header, goroutineWord)
	if !ok {
		return g, false
	}
	// More may stand between number and state: "goroutine 7 gp=0xc000007 m=nil [select, 5 minutes]:".
	digits, rest, _ := bytes.Cut(header, []byte(" "))
	if g.ID, ok = number(digits); !ok {
		return g, false
	}
	_, status, _ := bytes.Cut(rest, []byte("["))
	status, _, ok = bytes.Cut(status, []byte("]"))
	// Behind the state may stand "(scan)", "(durable)" and profiling labels.
	status, _, _ = bytes.Cut(status, []byte(" labels:"))
	state, more, _ := bytes.Cut(status, []byte(", "))
	state, _, _ = bytes.Cut(state, []byte(" ("))
	if !ok || len(state) == 0 {
		return g, false
	}
	g.State, g.Blocked, g.stack = string(state), minutes(more), stack
	if at := bytes.LastIndex(stack, createdBy); at >= 0 && (at == 0 || stack[at-1] == '\n') {
		line, _, _ := bytes.Cut(stack[at:], []byte("\n"))
		if at := bytes.LastIndex(line, inGoroutine); at >= 0 {
			g.Parent, _ = number(line[at+len(inGoroutine):])
		}
	}
	return g, true
}

// number reads a goroutine's number.
func number(digits []byte) (uintptr, bool) {
	n, err := strconv.ParseUint(string(digits), 10, strconv.IntSize-1)
	return uintptr(n), err == nil && n > 0
}

// minutes finds "5 minutes" among what follows the state.
func minutes(more []byte) time.Duration {
	const longest = 1 << 20 // two years
	for len(more) > 0 {
		var part []byte
		part, more, _ = bytes.Cut(more, []byte(", "))
		if digits, ok := bytes.CutSuffix(part, []byte(" minutes")); ok {
			if n, known := number(digits); known && n <= longest {
				return time.Duration(n) * time.Minute
			}
		}
	}
	return 0
}

// Frames lists the calls that the goroutine is in, innermost first. Who started it is none of them.
func (g Goroutine) Frames() (frames []callstack.Frame) {
	rest := g.stack
	for len(rest) > 0 {
		var call, place []byte
		call, rest, _ = bytes.Cut(rest, []byte("\n"))
		if bytes.HasPrefix(call, createdBy) {
			break
		}
		if len(rest) == 0 || rest[0] != '\t' {
			continue // "...additional frames elided..."
		}
		place, rest, _ = bytes.Cut(rest[1:], []byte("\n"))
		if f, ok := parseFrame(string(call), string(place)); ok {
			frames = append(frames, f)
		}
	}
	return frames
}

// parseFrame reads "pkg.Func(0x1, {0x2, 0x3})" and "/src/file.go:42 +0x1d".
func parseFrame(call, place string) (f callstack.Frame, ok bool) {
	arguments := strings.LastIndexByte(call, '(')
	if arguments <= 0 {
		return f, false
	}
	place, _, _ = strings.Cut(place, " +0x")
	colon := strings.LastIndexByte(place, ':')
	if colon < 0 {
		return f, false
	}
	line, err := strconv.Atoi(place[colon+1:])
	if err != nil {
		return f, false
	}
	return callstack.Frame{Function: call[:arguments], File: place[:colon], Line: line}, true
}
