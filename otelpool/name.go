package otelpool

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
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

// server is one configured server.
type server struct {
	host string
	port uint16
}

// servers are the configured servers, each once: pgconn repeats one to try it without TLS.
func servers(conn *pgx.ConnConfig) (all []server) {
	seen := make(map[server]bool)
	add := func(s server) {
		if s.host = safeForTelemetry(&conn.Config, s.host); s.host != "" && !seen[s] {
			seen[s] = true
			all = append(all, s)
		}
	}
	add(server{conn.Host, conn.Port})
	for _, f := range conn.Fallbacks {
		add(server{f.Host, f.Port})
	}
	return all
}

// derivedName is what the semantic conventions call a pool without a name: server.address:server.port/db.namespace. It stays
// the same whichever pool of a program is made first.
func derivedName(conn *pgx.ConnConfig) string {
	var at []string
	for _, s := range servers(conn) {
		at = append(at, net.JoinHostPort(s.host, strconv.Itoa(int(s.port))))
	}
	name := strings.Join(at, ",")
	if database := safeForTelemetry(&conn.Config, conn.Database); database != "" {
		name += "/" + database
	}
	if name == "" {
		name = "postgresql"
	}
	return validText(name[:min(len(name), maxPoolName)])
}

// commonAttributes are on every series: the pool, and the server that it leads to. Where several are configured nobody knows
// which one it is, so none is named.
func commonAttributes(name string, conn *pgx.ConnConfig) []attribute.KeyValue {
	attrs := []attribute.KeyValue{semconv.DBClientConnectionPoolName(name), semconv.DBSystemNamePostgreSQL}
	if database := safeForTelemetry(&conn.Config, conn.Database); database != "" {
		attrs = append(attrs, semconv.DBNamespace(database))
	}
	if all := servers(conn); len(all) == 1 {
		attrs = append(attrs, semconv.ServerAddress(all[0].host))
		if port := all[0].port; port != 0 && port != 5432 {
			attrs = append(attrs, semconv.ServerPort(int(port)))
		}
	}
	return attrs
}

// safeForTelemetry is the text of s, a part of c, or nothing where c looks like a URL in which nobody encoded the / or @ of a
// password: what follows the one is parsed as the database, what follows the other as the server.
func safeForTelemetry(c *pgconn.Config, s string) string {
	if s = validText(s); strings.TrimSpace(s) == "" || strings.ContainsAny(c.Database, "@/") || strings.Contains(c.Host, "@") {
		return ""
	}
	return s
}

// validText is what can be sent of s: OTLP refuses a whole batch for one string that is not UTF-8.
func validText(s string) string { return strings.ToValidUTF8(s, "") }
