package otelpool_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/otelpool"
)

// handlerFunc is a log handler that is a function.
type handlerFunc func(slog.Record)

func (handlerFunc) Enabled(context.Context, slog.Level) bool        { return true }
func (h handlerFunc) Handle(_ context.Context, r slog.Record) error { h(r); return nil }
func (h handlerFunc) WithAttrs([]slog.Attr) slog.Handler            { return h }
func (h handlerFunc) WithGroup(string) slog.Handler                 { return h }
func withHandler(h func(slog.Record)) otelpool.Option {
	return otelpool.WithLogger(slog.New(handlerFunc(h)))
}
func causes(m *otelpool.Monitor) (all []healthcheck.Cause) {
	for _, f := range m.Health().Findings {
		all = append(all, f.Cause)
	}
	return all
}

func TestLogHandler_ThatBlocksChangesNoJudgement(t *testing.T) {
	for name, block := range map[string]time.Duration{"for 2 s": 2 * time.Second, "for a day": 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			reader := sdkmetric.NewManualReader()
			bubble(t, func(t *testing.T, b *bubbled) {
				conn := take(t, b.pool)
				for second := range 60 {
					time.Sleep(time.Second)
					if names(b.monitor, healthcheck.CauseProcessStarved) {
						t.Fatalf("after %d s the process is called starved", second)
					}
				}
				if got := causes(b.monitor); len(got) != 1 || got[0] != healthcheck.CauseLeak {
					t.Errorf("the causes are %v", got)
				}
				if age := time.Since(b.monitor.Health().At); age > time.Second {
					t.Errorf("the last judgement is %v old", age)
				}
				if level := sum(t, collect(t, reader), "otelpool.health.level"); level != 1 {
					t.Errorf("the level exported is %v", level)
				}
				conn.Release()
				if err := b.monitor.Close(); err != nil {
					t.Error(err)
				}
				time.Sleep(100 * block) // a bubble must not end before its goroutines
			}, withHandler(func(slog.Record) { time.Sleep(block) }),
				otelpool.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))))
		})
	}
}

// It deadlocked the loop: the probe logged with its lock held, and Stats wanted the same lock.
func TestLogHandler_MayAskTheMonitor(t *testing.T) {
	var monitor *otelpool.Monitor
	asked := make(map[string]bool)
	bubble(t, func(t *testing.T, b *bubbled) {
		monitor = b.monitor
		b.lose(t, func() { b.server.RefuseDial(refused()) })
		b.server.Accept()
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, message := range []string{"server probe could not connect", "pool is served again"} {
			if !asked[message] {
				t.Errorf("nothing was asked at %q", message)
			}
		}
	}, withHandler(func(r slog.Record) {
		if monitor != nil {
			useAll(t, monitor)
			asked[r.Message] = true
		}
	}))
}

func TestClose_WaitsTwoSecondsForALogHandlerThatBlocks(t *testing.T) {
	let := make(chan struct{})
	bubble(t, func(t *testing.T, b *bubbled) {
		let = make(chan struct{})
		take(t, b.pool).Release()
		time.Sleep(1500 * time.Millisecond)
		began := time.Now()
		if err := b.monitor.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("it took %v", took)
		}
		close(let)
	}, withHandler(func(slog.Record) { <-let }))
}

// One collection mixed counters of this moment with figures of the pool up to a tick old.
func TestCollection_IsOfOneMoment(t *testing.T) {
	m := measure(t, []*sdkmetric.ManualReader{sdkmetric.NewManualReader()}, "moment", otelpool.WithHealthInterval(time.Minute))
	for held := 1; held <= 2; held++ {
		acquire(t, t.Context(), m.Pool)
		c := collect(t, m.readers[0])
		used := sum(t, c, "db.client.connection.count", "db.client.connection.state", "used")
		if acquires := sum(t, c, "otelpool.acquires"); used != float64(held) || acquires != used || sum(t, c, "otelpool.usage") != used/2 {
			t.Errorf("%d are held: %v used, %v acquires, usage %v", held, used, acquires, sum(t, c, "otelpool.usage"))
		}
	}
}

func TestLeakThreshold_OfZeroLooksForNoLeaks(t *testing.T) {
	bubble(t, func(t *testing.T, b *bubbled) {
		conn := take(t, b.pool)
		time.Sleep(time.Hour)
		if n := len(b.log.of(t, "leak.suspected")); n != 0 || b.monitor.Health().Status != healthcheck.Healthy {
			t.Errorf("%d leaks are suspected, %+v", n, b.monitor.Health().Findings)
		}
		conn.Release()
	}, otelpool.WithLeakThreshold(0))
}

func TestLastError_IsALostConnectionTooAndGoesAwayWithItsWindow(t *testing.T) {
	bubble(t, func(t *testing.T, b *bubbled) {
		conn := take(t, b.pool)
		b.server.CloseAll()
		if _, err := conn.Exec(t.Context(), "SELECT 7"); err == nil {
			t.Fatal("the server is still there")
		}
		conn.Release()
		time.Sleep(2 * time.Second)
		text, at := lastError(t, b.monitor)
		if !strings.Contains(text, "a connection was lost") || at.IsZero() {
			t.Errorf("the last error is %q, of %v", text, at)
		}
		if s := b.monitor.Stats(); s.LastError != text || s.LastErrorTime.IsZero() {
			t.Errorf("in the statistics it is %q, of %v", s.LastError, s.LastErrorTime)
		}
		time.Sleep(2 * time.Minute)
		if text, _ := lastError(t, b.monitor); text != "" {
			t.Errorf("two minutes later it is %q", text)
		}
	})
}

// lastError is that of /health/database; "" is null.
func lastError(t *testing.T, m *otelpool.Monitor) (string, time.Time) {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/health/database", nil))
	var body struct {
		Database struct {
			LastError   *string   `json:"last_error"`
			LastErrorAt time.Time `json:"last_error_at"`
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	if body.Database.LastError == nil {
		return "", time.Time{}
	}
	return *body.Database.LastError, body.Database.LastErrorAt
}

func TestAverageWait_IsOfTheLastMinute(t *testing.T) {
	bubble(t, func(t *testing.T, b *bubbled) {
		b.server.SetConnectDelay(4 * time.Second)
		take(t, b.pool).Release()
		time.Sleep(2 * time.Second)
		if ms := b.monitor.Stats().AvgAcquisitionTimeMS; ms != 4000 {
			t.Errorf("after an acquire of 4 s the average is %v ms", ms)
		}
		time.Sleep(2 * time.Minute)
		take(t, b.pool).Release()
		time.Sleep(2 * time.Second)
		if ms := b.monitor.Stats().AvgAcquisitionTimeMS; ms > 1 {
			t.Errorf("after a minute of better ones the average is %v ms", ms)
		}
	})
}
