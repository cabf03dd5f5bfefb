package goroutines

import (
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/otelpool/pgx/internal/callstack"
)

// Activity is the kind of thing that a goroutine does.
type Activity string

// The activities that call for different advice.
const (
	Ended      Activity = "ended"      // it is no more, or has left the code in question
	HTTPCall   Activity = "http_call"  // waits for an answer over HTTP
	Network    Activity = "network"    // waits for another connection's data
	Lock       Activity = "lock"       // waits for a lock of this process
	Channel    Activity = "channel"    // waits for another goroutine to send or receive
	Wait       Activity = "goroutines" // waits for other goroutines to end
	Sleep      Activity = "sleep"
	Connection Activity = "connection" // waits for a connection of a pool
	Running    Activity = "running"    // runs, or is about to
	Other      Activity = "other"
)

// MayWaitForOthers says whether a goroutine that does a may be waiting for one that it has started.
func (a Activity) MayWaitForOthers() bool {
	return a == Lock || a == Channel || a == Wait || a == Ended
}

// Doing is what a goroutine does.
type Doing struct {
	Activity Activity
	Call     string          // the library's function that the application called; "" if it is in none
	At       callstack.Frame // the application's innermost frame; zero if it has none
	For      time.Duration   // for how long it has been blocked, in whole minutes
	state    string
}

// String is the rest of a sentence: "waits in net/http.(*Client).Do, charge.go:88 shop.Charge, for 12 minutes".
func (d Doing) String() string {
	var text string
	switch {
	case d.Activity == Ended:
		return "has ended"
	case d.Activity == Running:
		text = "runs"
	case d.Call != "":
		text = "waits in " + d.Call
	default:
		text = "waits (" + d.state + ")"
	}
	if at := d.At.String(); at != "" {
		text += ", " + at
	}
	if d.For > 0 {
		text += fmt.Sprintf(", for %d min", int(d.For.Minutes()))
	}
	return text
}

// Doing says what g does.
func (g Goroutine) Doing() Doing {
	frames := g.Frames()
	d := Doing{For: g.Blocked, state: g.State}
	app := 0
	for app < len(frames) && Library(frames[app]) {
		app++
	}
	if app < len(frames) {
		d.At = frames[app]
		if app > 0 {
			d.Call = frames[app-1].Function
		}
	}
	d.Activity = activity(g.State, frames[:app])
	return d
}

// calls are functions of libraries that tell what somebody waits for, wherever they stand on the stack.
var calls = []struct {
	prefix   string
	activity Activity
}{
	{"net/http.(*Client).", HTTPCall},
	{"net/http.(*Transport).", HTTPCall},
	{"net/http.(*persistConn).", HTTPCall},
	{"github.com/jackc/puddle/", Connection},
	{"time.Sleep", Sleep},
	{"sync.(*WaitGroup).Wait", Wait},
	{"sync.(*Mutex).", Lock},
	{"sync.(*RWMutex).", Lock},
	{"sync.(*Cond).", Lock},
	{"internal/poll.", Network},
}

// activity sorts what a goroutine in that state does; frames are those of the libraries that the application called.
func activity(state string, frames []callstack.Frame) Activity {
	for _, c := range calls {
		for _, f := range frames {
			if strings.HasPrefix(f.Function, c.prefix) {
				return c.activity
			}
		}
	}
	switch {
	case state == "running", state == "runnable", strings.HasPrefix(state, "preempted"):
		return Running
	case strings.HasPrefix(state, "chan "), strings.HasPrefix(state, "select"):
		return Channel
	case state == "IO wait":
		return Network
	case state == "sleep":
		return Sleep
	case strings.HasPrefix(state, "sync.WaitGroup"):
		return Wait
	case strings.HasPrefix(state, "sync."), strings.HasPrefix(state, "sema"):
		return Lock
	}
	return Other
}

// mainModule is the path of the module that the program is built from, "" where that is not known.
var mainModule = sync.OnceValue(func() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Path
	}
	return ""
})

// Library says whether f is code that the application's authors did not write: the standard library or another module.
func Library(f callstack.Frame) bool {
	if module := mainModule(); module != "" && strings.HasPrefix(f.Function, module) || strings.HasPrefix(f.Function, "main.") {
		return false
	}
	if strings.Contains(f.File, "@v") || strings.Contains(f.File, "/vendor/") {
		return true
	}
	host, _, nested := strings.Cut(f.Function, "/")
	return !nested || !strings.Contains(host, ".")
}
