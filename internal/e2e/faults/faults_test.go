package faults

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/testing/postgres"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// A link of toxiproxy that is closed while it carries something leaves its goroutine behind.
	goleak.VerifyTestMain(suite{m}, goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run"))
}

// suite runs the tests, more at once than there are processors, since a scenario mostly waits; and a witness beside them.
type suite struct{ *testing.M }

func (s suite) Run() int {
	if err := errors.Join(flag.Set("test.parallel", "8"), machine.start()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	defer machine.stop()
	return s.M.Run()
}

// newServer is a server with a role and a database that may be broken.
func newServer(t *testing.T, opts ...postgres.Option) *postgres.Server {
	t.Helper()
	server, err := postgres.Start(t.Context(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, sql := range []string{"CREATE ROLE app LOGIN PASSWORD 'app'", "CREATE DATABASE faults"} {
		if err := server.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := execAt(t.Context(), server.DSNForDatabase("faults"), "GRANT ALL ON SCHEMA public TO app"); err != nil {
		t.Fatal(err)
	}
	return server
}

func allFaults() []scenario {
	return slices.Concat(applicationFaults, goroutineFaults, lockFaults, slowFaults, serverFaults, networkFaults, poolerFaults)
}

func TestFaults_AreNamedRightlyAndInTime(t *testing.T) {
	t.Parallel()
	var seen matrix
	t.Run("scenarios", func(t *testing.T) {
		servers := newServers(t)
		for _, s := range allFaults() {
			for _, size := range s.sizes {
				t.Run(fmt.Sprintf("%s/max=%d,min=%d", s.name, size.max, size.min), func(t *testing.T) {
					t.Parallel()
					server, giveBack := servers.serve(t, s)
					defer giveBack()
					seen.add(fairly(t, func() outcome {
						b := newBench(t, server)
						defer b.close()
						return b.suffer(s, size)
					}))
				})
			}
		}
		t.Run("process starved", func(t *testing.T) {
			t.Parallel()
			seen.add(fairly(t, func() outcome { return starve(t, servers.shared) }))
		})
	})
	seen.print(os.Stdout)
	seen.check(t)
	if p95 := seen.recovery(); p95 > 15*time.Second {
		t.Errorf("healthy again after %v (p95)", p95)
	}
}

// suffer plays one scenario: health, fault, its name, mending, health.
func (b *bench) suffer(s scenario, size size) (o outcome) {
	o = outcome{name: s.name, size: size, truth: s.truth[0], limit: 3*interval + s.shows}
	if s.proxied {
		b.network = newNetwork(b.t, fmt.Sprintf("%s:%d", b.server.Host(), b.server.Port()))
	}
	if s.pooler != nil {
		defer b.behindPooler(s.pooler)()
	}
	var heal func()
	var begun time.Time
	if s.cold {
		heal = s.fault(b)
		begun = time.Now()
		b.open(size, s.tweak)
		if !s.quiet {
			b.traffic()
		}
	} else {
		b.open(size, s.tweak)
		b.begin(s)
		begun = time.Now()
		heal = s.fault(b)
	}
	r, _ := b.await(unwell)
	o.detect, o.said = time.Since(begun), said(r)
	if slices.Contains(s.truth, o.said) {
		o.truth = o.said
	} else {
		b.t.Logf("said: %+v", r.Findings)
		b.await(func(r healthcheck.Report) bool { return slices.Contains(s.truth, said(r)) })
	}
	if len(r.Findings) > 0 && !mentions(r.Findings[0], s.says) {
		o.missing = s.says
		b.t.Logf("said: %+v", r.Findings)
	}
	b.t.Logf("%s after %v", o.said, o.detect.Round(10*time.Millisecond))
	b.answers()
	heal()
	healed := time.Now()
	if r, ok := b.await(healthy); !ok {
		b.t.Errorf("not healthy after the fault: %s, %+v", r.State, r.Findings)
	}
	o.recover, o.starved = time.Since(healed), b.starved
	b.answers()
	return o
}

// fairly plays a scenario again if what was said was wrong or late while the machine did not keep up: that would be a fault of
// its own, and rightly named.
func fairly(t *testing.T, play func() outcome) outcome {
	for attempt := 1; ; attempt++ {
		begun := time.Now()
		o := play()
		err, delay := o.wrong(), machine.delay(begun)
		if err == nil || delay < overloaded || attempt == 3 {
			return o
		}
		t.Logf("again: %v, while the machine was %v behind", err, delay)
	}
}

// begin has the pool healthy and in use.
func (b *bench) begin(s scenario) {
	if s.quiet {
		b.must(b.pool.Ping(b.ctx))
	} else {
		b.traffic()
	}
	if r, ok := b.await(healthy); !ok {
		b.t.Fatalf("not healthy at the start: %s, %+v", r.State, r.Findings)
	}
}
