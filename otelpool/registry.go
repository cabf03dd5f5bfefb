package otelpool

import (
	"cmp"
	"fmt"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// live is what this process observes. Telemetry of two pools with one name would be added up by the SDK without a word, so
// names are claimed here before anything is registered.
var live = registry{names: make(map[string]bool), pools: make(map[*pgxpool.Pool]bool)}

type registry struct {
	mu    sync.Mutex // guards names and pools
	names map[string]bool
	pools map[*pgxpool.Pool]bool
}

// claim takes a name for pool. A chosen name must be free; a derived one is numbered until it is, and renamed says so.
func (r *registry) claim(pool *pgxpool.Pool, chosen, derived string) (name string, renamed bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pools[pool] {
		return "", false, fmt.Errorf("otelpool: Instrument: %w: close its Monitor first", ErrInstrumented)
	}
	name = chosen
	if chosen != "" && r.names[chosen] {
		return "", false, fmt.Errorf("otelpool: Instrument: %w: %q, chosen by WithPoolName or %s", ErrNameTaken, chosen, EnvPoolName)
	}
	if chosen == "" {
		name = derived
		for n := 2; r.names[name]; n++ {
			name, renamed = fmt.Sprintf("%s-%d", derived, n), true
		}
	}
	r.names[name], r.pools[pool] = true, true
	return name, renamed, nil
}

func (r *registry) release(pool *pgxpool.Pool, name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.names, name)
	delete(r.pools, pool)
}

// derivedName is the first non-empty of database, server and "postgresql".
func derivedName(c *pgconn.Config) string {
	name := cmp.Or(plausible(c, c.Database), plausible(c, c.Host), "postgresql")
	return text(name[:min(len(name), maxPoolName)])
}

// plausible is the text of s, a part of c, or nothing where c looks like a URL in which nobody encoded the / or @ of a
// password: what follows the one is parsed as the database, what follows the other as the server, and digits before a / as a
// port that no PostgreSQL has.
func plausible(c *pgconn.Config, s string) string {
	if s = text(s); strings.TrimSpace(s) == "" || strings.ContainsAny(c.Database, "@/") || strings.Contains(c.Host, "@") || 0 < c.Port && c.Port < 1024 {
		return ""
	}
	return s
}

// text is what can be sent of s: OTLP refuses a whole batch for one string that is not UTF-8.
func text(s string) string { return strings.ToValidUTF8(s, "") }
