package tracer

import (
	"cmp"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// Frame is one frame of a stack, as [runtime.Frame] names it.
type Frame struct {
	Function string `json:"function"`
	File     string `json:"file"`
	Line     int    `json:"line"`
}

// String is the frame in one line: "file.go:42 pkg.Func".
func (f Frame) String() string {
	if f.Function == "" {
		return ""
	}
	return filepath.Base(f.File) + ":" + strconv.Itoa(f.Line) + " " + f.Function[strings.LastIndexByte(f.Function, '/')+1:]
}

// place is a site put into words.
type place struct {
	frames []Frame // from the application's first frame outwards
	name   string  // of the first frame
}

// libraries are the packages between an application and the hook: a stack begins where they end.
var libraries = [...]string{
	"github.com/jackc/pgx/v5.",
	"github.com/jackc/pgx/v5/",
	"github.com/jackc/puddle/",
	"github.com/exaring/otelpgx.",
	"github.com/otelpool/pgx/tracer.",
	"github.com/otelpool/pgx/otelpool.",
	"database/sql.",
}

func inLibrary(function string) bool {
	for _, prefix := range libraries {
		if strings.HasPrefix(function, prefix) {
			return true
		}
	}
	return false
}

// where symbolises the site, once.
func (s *site) where() *place {
	if s == nil {
		return &place{}
	}
	if p := s.place.Load(); p != nil {
		return p
	}
	p := symbolise(s.pcs)
	s.place.Store(p)
	return p
}

func symbolise(pcs []uintptr) *place {
	p := &place{}
	// The zero at the end makes the runtime expand what was inlined into the last frame.
	frames := runtime.CallersFrames(append(append([]uintptr(nil), pcs...), 0))
	for more := len(pcs) > 0; more; {
		var f runtime.Frame
		f, more = frames.Next()
		if f.Function == "" || f.Function == "runtime.goexit" || f.Function == "runtime.main" {
			continue
		}
		if len(p.frames) == 0 && inLibrary(f.Function) {
			continue
		}
		p.frames = append(p.frames, Frame{f.Function, f.File, f.Line})
	}
	if len(p.frames) > 0 {
		p.name = p.frames[0].String()
	}
	return p
}

// SiteStat is what was acquired along one call path.
type SiteStat struct {
	Name         string // the application's first frame
	Holds        int64  // ended holds
	UseSeconds   float64
	QuerySeconds float64 // the part of UseSeconds with a query open
}

// Sites returns the n places that held connections longest, in sum over ended holds, longest first.
func (t *Tracer) Sites(n int) []SiteStat {
	byName := make(map[string]*SiteStat)
	for _, s := range t.sites.list() {
		name := s.where().name
		stat := byName[name]
		if stat == nil {
			stat = &SiteStat{Name: name}
			byName[name] = stat
		}
		stat.Holds += s.holds.Load()
		stat.UseSeconds += float64(s.useTime.Load()) / 1e9
		stat.QuerySeconds += float64(s.queryTime.Load()) / 1e9
	}
	return topSites(byName, n)
}

func topSites(byName map[string]*SiteStat, n int) []SiteStat {
	all := slices.SortedFunc(maps.Values(byName), func(a, b *SiteStat) int {
		return cmp.Or(cmp.Compare(b.UseSeconds, a.UseSeconds), cmp.Compare(a.Name, b.Name))
	})
	out := make([]SiteStat, 0, min(n, len(all)))
	for _, s := range all[:min(n, len(all))] {
		out = append(out, *s)
	}
	return out
}
