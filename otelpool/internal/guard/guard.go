// Package guard keeps panics from ending the host. What runs on goroutines of ours, or on the host's because somebody called
// us back, may panic by our mistake or by that of a log handler, a metrics library or a hook. Nobody above could recover.
package guard

import (
	"fmt"
	"runtime/debug"
	"sync/atomic"

	"github.com/otelpool/pgx/internal/redact"
	"github.com/otelpool/pgx/otelpool/internal/view"
)

// Guard reports the first panic and swallows the others: a mistake made once a tick would fill the log. It is safe for
// concurrent use once Report is set. The zero Guard reports nothing.
type Guard struct {
	Report   func(view.Panicked) // must not block
	reported atomic.Bool
}

// Do runs f and says whether it came to its end. While says what was being done, in words that follow "while".
func (g *Guard) Do(while string, f func()) (finished bool) {
	defer func() {
		if v := recover(); v != nil && g.Report != nil && !g.reported.Swap(true) {
			g.Report(view.Panicked{While: while, Value: redact.Text(fmt.Sprint(v)), Stack: string(debug.Stack())})
		}
	}()
	f()
	return true
}
