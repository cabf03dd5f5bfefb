package faults

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/otelpool/pgx/healthcheck"
)

// loggedScenarios are scenarios of every kind: each is judged by other rules, and logs other events.
var loggedScenarios = []string{
	"leak: acquire", "nested acquire", "sleeping in a transaction", "slow queries", "table locked by an outsider", "too small a pool",
	"server stopped", "network cut",
}

// TestLogHandler_ChangesNoVerdict has each scenario with each hostile handler: the same is said first, and as soon.
func TestLogHandler_ChangesNoVerdict(t *testing.T) {
	t.Parallel()
	var seen matrix
	t.Run("scenarios", func(t *testing.T) {
		servers := newServers(t)
		for _, name := range loggedScenarios {
			s := scenarioNamed(t, name)
			for _, h := range hostileHandlers {
				t.Run(name+"/"+h.name, func(t *testing.T) {
					t.Parallel()
					server, giveBack := servers.serve(t, s)
					defer giveBack()
					seen.add(fairly(t, func() outcome {
						b := newBench(t, server)
						h := h.of(b)
						defer h.relent()
						defer b.close() // while the handler still blocks
						o := b.suffer(s, s.sizes[0])
						if h.called.Load() == 0 {
							t.Error("the handler was never called")
						}
						o.name += ", handler " + h.name
						return o
					}))
				})
			}
		}
	})
	seen.print(os.Stdout)
	seen.check(t)
}

func scenarioNamed(t *testing.T, name string) scenario {
	t.Helper()
	all := allFaults()
	i := slices.IndexFunc(all, func(s scenario) bool { return s.name == name })
	if i < 0 {
		t.Fatalf("there is no scenario %q", name)
	}
	return all[i]
}

// TestLogHandler_DelaysNoEnd has the pool's monitor ended while a leak is being logged.
func TestLogHandler_DelaysNoEnd(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	ends := map[string]func(*bench){
		"Close": func(b *bench) { b.must(b.monitor.Close()) },
		"Shutdown that cannot end": func(b *bench) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			if err := b.monitor.Shutdown(ctx); err == nil || !strings.Contains(err.Error(), "TestLogHandler_DelaysNoEnd") {
				b.t.Errorf("the error names no holder: %v", err)
			}
		},
	}
	for how, end := range ends {
		for _, h := range hostileHandlers {
			t.Run(how+"/"+h.name, func(t *testing.T) {
				t.Parallel()
				b := newBench(t, server)
				h := h.of(b)
				defer h.relent()
				b.open(usual[0], nil)
				defer b.stop()
				leaked, err := b.pool.Acquire(b.ctx)
				b.must(err)
				if r, ok := b.await(func(r healthcheck.Report) bool { return said(r) == healthcheck.CauseLeak }); !ok {
					t.Errorf("the leak is not seen: %+v", r)
				}
				b.within(prompt, how, func() { end(b) })
				b.within(prompt, "an answer after the end", func() { b.monitor.Stats(); b.monitor.Health() })
				leaked.Release()
				b.within(prompt, "the end of the pool", b.pool.Close)
			})
		}
	}
}
