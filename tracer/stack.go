package tracer

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/otelpool/pgx/internal/callstack"
)

// Frame is one frame of a stack, as [runtime.Frame] names it.
type Frame = callstack.Frame

// place is a site as people read it.
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
	p := symbolise(s.pcs, s.depth)
	s.place.Store(p)
	return p
}

// symbolise names the frames of a path: depth frames from the application's first one on. A path on which there are only libraries,
// such as that of a connection which database/sql opens in the background, is shown whole.
func symbolise(pcs []uintptr, depth int) *place {
	frames := callstack.Expand(pcs)
	if app := slices.IndexFunc(frames, func(f Frame) bool { return !inLibrary(f.Function) }); app >= 0 {
		frames = frames[app:min(app+depth, len(frames))]
	}
	p := &place{frames: frames}
	if len(frames) > 0 {
		p.name = frames[0].String()
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

// Sites returns the n places that held connections longest, in sum over ended holds, longest first. A program with very many
// places has those beyond a bound in one entry, "other places".
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
	n = min(max(n, 0), len(all))
	out := make([]SiteStat, 0, n)
	for _, s := range all[:n] {
		out = append(out, *s)
	}
	return out
}
