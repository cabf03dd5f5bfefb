package otelpool_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelpool/pgx/otelpool"
)

func TestStats_ReusedAreTheAcquisitionsLessTheConnectionsCreated(t *testing.T) {
	bubble(t, func(t *testing.T, b *bubbled) {
		both := []interface{ Release() }{take(t, b.pool), take(t, b.pool)}
		for _, conn := range both {
			conn.Release()
		}
		synctest.Wait()
		for range 3 {
			take(t, b.pool).Release()
			synctest.Wait()
		}
		if s := b.monitor.Stats(); s.TotalAcquisitions != 5 || s.ConnectionsCreated != 2 || s.ConnectionsReused != 3 {
			t.Errorf("%d acquisitions, %d created, %d reused", s.TotalAcquisitions, s.ConnectionsCreated, s.ConnectionsReused)
		}
	})
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
			t.Errorf("two minutes after a slow acquire the average is %v ms", ms)
		}
	})
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

// lastError returns the last error in /health/database and its time. For null it returns "".
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
