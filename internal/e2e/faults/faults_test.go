package faults

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"go.uber.org/goleak"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/postgres"
	"github.com/otelpool/pgx/tracer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newServer is a server with a role and a database that may be broken.
func newServer(t *testing.T) (*postgres.Server, string) {
	t.Helper()
	server, err := postgres.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, sql := range []string{"CREATE ROLE app LOGIN PASSWORD 'app'", "CREATE DATABASE faults OWNER app",
		"GRANT CREATE ON SCHEMA public TO app"} {
		if err := server.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	// The owner of a database may always connect.
	if err := server.Exec(t.Context(), "ALTER DATABASE faults OWNER TO postgres"); err != nil {
		t.Fatal(err)
	}
	own := server.DSNForDatabase("faults")
	if err := execAt(t.Context(), own, "GRANT ALL ON SCHEMA public TO app"); err != nil {
		t.Fatal(err)
	}
	return server, server.DSNFor("app", "app", "faults") + "&application_name=faults"
}

// outcome is what one run of a scenario showed.
type outcome struct {
	name            string
	size            size
	truth, said     healthcheck.Cause
	detect, recover time.Duration
}

func TestEveryFaultIsNamedRightly(t *testing.T) {
	server, dsn := newServer(t)
	var outcomes []outcome
	for _, s := range scenarios {
		for _, size := range s.sizes {
			t.Run(fmt.Sprintf("%s/max=%d,min=%d", s.name, size.max, size.min), func(t *testing.T) {
				b := open(t, server, dsn, size, s.tweak)
				defer b.close()
				if o, ok := b.suffer(s); ok {
					o.size = size
					outcomes = append(outcomes, o)
				}
			})
		}
	}
	print(outcomes)
}

// suffer plays one scenario: health, fault, its name, mending, health.
func (b *bench) suffer(s scenario) (outcome, bool) {
	if !s.quiet {
		b.traffic()
	} else if s.tweak == nil || len(s.truth) > 1 {
		b.must(b.pool.Ping(b.ctx))
	}
	if len(s.truth) > 0 && s.truth[0] != healthcheck.CauseSlowConnect {
		if _, r, ok := b.await(healthy); !ok {
			b.t.Fatalf("not healthy at the start: %s, %+v", r.State, r.Findings)
		}
	}
	o := outcome{name: s.name, truth: s.truth[0]}
	heal := s.fault(b)
	var named bool
	var r healthcheck.Report
	var first healthcheck.Cause
	o.detect, r, named = b.await(func(r healthcheck.Report) bool {
		if c := said(r); first == "" && c != healthcheck.CauseInsufficientData {
			first = c
		}
		return slices.Contains(s.truth, said(r))
	})
	o.said = said(r)
	heal()
	if !named {
		b.t.Errorf("want %v, got %q: %+v", s.truth, o.said, r.Findings)
	} else {
		o.truth = o.said
		if first != o.said {
			b.t.Logf("%q was said before", first)
		}
	}
	if s.truth[0] == healthcheck.CauseSlowConnect {
		return o, true // its connects stay slow
	}
	var well bool
	if o.recover, r, well = b.await(healthy); !well {
		b.t.Errorf("not healthy after the fault: %s, %+v", r.State, r.Findings)
	}
	return o, true
}

func TestHealthyWorkloadsRaiseNothing(t *testing.T) {
	server, dsn := newServer(t)
	for _, w := range workloads {
		for _, size := range w.sizes {
			t.Run(fmt.Sprintf("%s/max=%d,min=%d", w.name, size.max, size.min), func(t *testing.T) {
				t.Parallel()
				b := open(t, server, dsn, size, w.tweak)
				defer b.close()
				end := w.run(b)
				b.watch(calm)
				end()
			})
		}
	}
}

// TestHealthyWorkloadsTogetherRaiseNothingForTwoMinutes has each of them in a pool of its own, all on one server.
func TestHealthyWorkloadsTogetherRaiseNothingForTwoMinutes(t *testing.T) {
	server, dsn := newServer(t)
	var wg sync.WaitGroup
	for _, w := range workloads {
		b := open(t, server, dsn, w.sizes[0], w.tweak)
		defer b.close()
		end := w.run(b)
		wg.Go(func() {
			b.watch(2 * time.Minute)
			end()
		})
	}
	wg.Wait()
}

// watch expects no finding and no suspected leak for so long.
func (b *bench) watch(d time.Duration) {
	for start := time.Now(); time.Since(start) < d; time.Sleep(tick / 2) {
		if r := b.monitor.Health(); r.Status > healthcheck.Healthy {
			b.t.Errorf("%s: %s: %+v", b.monitor.Name(), r.Status, r.Findings)
			return
		}
		for _, h := range b.monitor.Holders() {
			if h.Tier >= tracer.TierIdleHeld {
				b.t.Errorf("%s: suspected of a leak: %+v", b.monitor.Name(), h)
				return
			}
		}
	}
}

// print writes the confusion matrix and the times.
func print(outcomes []outcome) {
	matrix := make(map[healthcheck.Cause]map[healthcheck.Cause]int)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "scenario\tmax\tmin\tsaid\tdetected in\thealthy again in")
	var recoveries []time.Duration
	for _, o := range outcomes {
		if matrix[o.truth] == nil {
			matrix[o.truth] = make(map[healthcheck.Cause]int)
		}
		matrix[o.truth][o.said]++
		recoveries = append(recoveries, o.recover)
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%v\t%v\n", o.name, o.size.max, o.size.min, o.said,
			o.detect.Round(10*time.Millisecond), o.recover.Round(10*time.Millisecond))
	}
	w.Flush()
	fmt.Println("\nconfusion matrix: true cause, and how often each was said")
	for _, truth := range slices.Sorted(maps.Keys(matrix)) {
		var row []string
		for _, said := range slices.Sorted(maps.Keys(matrix[truth])) {
			row = append(row, fmt.Sprintf("%s %d", said, matrix[truth][said]))
		}
		fmt.Printf("  %-22s %s\n", truth, strings.Join(row, ", "))
	}
	slices.Sort(recoveries)
	if n := len(recoveries); n > 0 {
		fmt.Printf("healthy again within %v (p95 of %d)\n", recoveries[n*95/100].Round(10*time.Millisecond), n)
	}
}
