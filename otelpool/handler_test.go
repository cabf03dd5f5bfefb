package otelpool_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/pprof/profile"

	"github.com/otelpool/pgx/internal/testing/pgtest"
	"github.com/otelpool/pgx/otelpool"
)

// serve opens a pool, holds one connection of it, and serves its handler.
func serve(t *testing.T) (url string) {
	t.Helper()
	pool, monitor, err := otelpool.Open(t.Context(), pgtest.DSN(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { monitor.Close(); pool.Close() })
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Release)
	server := httptest.NewServer(monitor.Handler())
	t.Cleanup(server.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return server.URL
}

func TestHoldersProfile_IsReadByGoToolPprof(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "tool", "pprof", "-top", "-sample_index=held", serve(t)+"/debug/pool/holders.pb.gz")
	cmd.Env = append(os.Environ(), "PPROF_TMPDIR="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "otelpool_test.serve") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestHandler_ServesHoldersWithTheirCallSite(t *testing.T) {
	resp, err := http.Get(serve(t) + "/debug/pool/holders")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body struct {
		Holders []struct{ Site string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	if len(body.Holders) != 1 || !strings.HasPrefix(body.Holders[0].Site, "handler_test.go:") {
		t.Errorf("got %+v", body)
	}
}

func TestHandler_OfANilMonitorServesThatNothingIsKnown(t *testing.T) {
	var m *otelpool.Monitor
	for path, want := range map[string]int{
		"/livez": 200, "/readyz": 503, "/health/database": 200, "/debug/pool/holders": 200, "/debug/pool/holders.pb.gz": 200,
	} {
		w := httptest.NewRecorder()
		m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
	var buf bytes.Buffer
	if err := m.WriteHoldersProfile(&buf); err != nil {
		t.Fatal(err)
	}
	if p, err := profile.Parse(&buf); err != nil || len(p.Sample) != 0 {
		t.Errorf("got %v, %v", p, err)
	}
}

// gone is a client that has disconnected: every write to it fails.
type gone struct{ *httptest.ResponseRecorder }

func (gone) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestHandler_SurvivesAClientThatGoesAway(t *testing.T) {
	for _, m := range []*otelpool.Monitor{nil, {}} {
		for _, path := range []string{"/debug/pool/holders", "/debug/pool/holders.pb.gz", "/health/database", "/readyz"} {
			m.Handler().ServeHTTP(gone{httptest.NewRecorder()}, httptest.NewRequest(http.MethodGet, path, nil))
		}
	}
}

func TestHandler_ServesHoldersReadOnly(t *testing.T) {
	monitor := instrument(t, newPool(t, configured(t, quiet()...)))
	for _, path := range []string{"/debug/pool/holders", "/debug/pool/holders.pb.gz"} {
		for method, want := range map[string]int{http.MethodGet: 200, http.MethodHead: 200, http.MethodPost: 405, http.MethodOptions: 405} {
			recorder := httptest.NewRecorder()
			monitor.Handler().ServeHTTP(recorder, httptest.NewRequest(method, path, nil))
			if recorder.Code != want || want == 200 && recorder.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s %s: %d, %v", method, path, recorder.Code, recorder.Header())
			}
		}
	}
}
