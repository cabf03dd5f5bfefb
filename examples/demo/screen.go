package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/otelpool"
)

// screen is the terminal: a table that is redrawn in place, with messages scrolling by above it. Where the output is no
// terminal, one line now and then does.
type screen struct {
	mu    sync.Mutex // serialises writes; guards drawn
	out   io.Writer
	live  bool // redraw in place
	width int
	drawn int // lines of the table on the terminal
}

func newScreen(out io.Writer) *screen {
	s := &screen{out: out, width: 120}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		s.live = true
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 20 {
			s.width = w
		}
	}
	return s
}

// say prints one message.
func (s *screen) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	fmt.Fprintf(s.out, format+"\n", args...)
}

// erase removes the table, so that something else can take its place.
func (s *screen) erase() {
	if s.live && s.drawn > 0 {
		fmt.Fprintf(s.out, "\x1b[%dA\x1b[J", s.drawn)
		s.drawn = 0
	}
}

// watch shows the pool until ctx is done.
func (s *screen) watch(ctx context.Context, m *otelpool.Monitor) {
	interval := 2 * time.Second
	if s.live {
		interval = 250 * time.Millisecond
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		if s.live {
			s.draw(m)
		} else {
			s.say("%s", line(m))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// line is the pool in one line.
func line(m *otelpool.Monitor) string {
	st, r := m.Stats(), m.Health()
	text := fmt.Sprintf("%s  %-10s held %2d  idle %2d  max %2d  waiting %2d  acquires %6d  avg wait %6.2f ms  longest %6.1f ms",
		time.Now().Format("15:04:05"), r.Status, st.ActiveConnections, st.IdleConnections, st.MaxConnections,
		st.WaitingRequests, st.TotalAcquisitions, st.AvgAcquisitionTimeMS, st.PeakWaitTimeMS)
	if len(r.Findings) > 0 {
		text += "  " + string(r.Findings[0].Cause)
	}
	return text
}

func (s *screen) draw(m *otelpool.Monitor) {
	var b strings.Builder
	st, r := m.Stats(), m.Health()
	fmt.Fprintf(&b, "\npool %s is %s   %s\n", m.Name(), paint(r.Status), bar(int(st.ActiveConnections), int(st.MaxConnections)))
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	fmt.Fprintf(w, "held\t%d of %d\twaiting\t%d\tacquired\t%d\n", st.ActiveConnections, st.MaxConnections, st.WaitingRequests, st.TotalAcquisitions)
	fmt.Fprintf(w, "idle\t%d\tavg wait\t%.2f ms\treleased\t%d\n", st.IdleConnections, st.AvgAcquisitionTimeMS, st.TotalReleases)
	fmt.Fprintf(w, "peak\t%d\tlongest\t%.1f ms\tconnects\t%d\n", st.PeakActiveConnections, st.PeakWaitTimeMS, st.ConnectionsCreated)
	w.Flush()
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "\n%s: %s\n  → %s\n", f.Cause, f.Summary, f.Advice)
	}
	fmt.Fprintln(&b, "\nheld longest in sum, since the start")
	w = tabwriter.NewWriter(&b, 0, 0, 3, ' ', tabwriter.AlignRight)
	for _, site := range m.Sites(5) {
		idle := 0.0
		if site.UseSeconds > 0 {
			idle = 100 * (1 - site.QuerySeconds/site.UseSeconds)
		}
		fmt.Fprintf(w, "%.1f s\t%d holds\t%.0f %% idle\t  %s\n", site.UseSeconds, site.Holds, idle, site.Name)
	}
	w.Flush()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	table := clip(b.String(), s.width)
	io.WriteString(s.out, table)
	s.drawn = strings.Count(table, "\n")
}

// clip cuts lines to the terminal's width: a wrapped one could not be erased.
func clip(text string, width int) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if r := []rune(l); len(r) > width && !strings.Contains(l, "\x1b") {
			lines[i] = string(r[:width-1]) + "…"
		}
	}
	return strings.Join(lines, "\n")
}

func bar(used, most int) string {
	const width = 20
	filled := width * used / max(1, most)
	return "[" + strings.Repeat("#", min(width, filled)) + strings.Repeat(".", max(0, width-filled)) + "]"
}

// paint colours a status for a terminal; its name says the same to those who see no colours.
func paint(status healthcheck.Status) string {
	colour := map[healthcheck.Status]int{healthcheck.Healthy: 32, healthcheck.Degraded: 33, healthcheck.Unhealthy: 31}[status]
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", colour, status)
}

// summary is the last word.
func (s *screen) summary(m *otelpool.Monitor) {
	st := m.Stats()
	s.say("\n%d acquires, %d releases, %d connections made, longest wait %.1f ms, at most %d of %d held",
		st.TotalAcquisitions, st.TotalReleases, st.ConnectionsCreated, st.PeakWaitTimeMS, st.PeakActiveConnections, st.MaxConnections)
	for _, site := range m.Sites(5) {
		s.say("  %7.1f s held in %5d holds at %s", site.UseSeconds, site.Holds, site.Name)
	}
}

// handler prints log records as messages.
func (s *screen) handler(level slog.Level) slog.Handler {
	return slog.NewTextHandler(sayer{s}, &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == "code.stacktrace" || a.Key == "db.client.connection.pool.name" {
			return slog.Attr{} // too long for a table, and there is one pool
		}
		return a
	}})
}

type sayer struct{ *screen }

func (w sayer) Write(p []byte) (int, error) {
	w.say("%s", strings.TrimRight(string(p), "\n"))
	return len(p), nil
}
