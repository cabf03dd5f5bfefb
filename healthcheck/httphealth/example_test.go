package httphealth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/healthcheck/httphealth"
)

// Probes read one pointer.
func ExampleHandler() {
	var current atomic.Pointer[healthcheck.Snapshot]
	current.Store(&healthcheck.Snapshot{Report: &healthcheck.Report{
		Pool: "orders", State: healthcheck.StateHealthy, Status: healthcheck.Healthy, At: time.Now(), Started: true,
	}})
	server := httptest.NewServer(httphealth.Handler(current.Load))
	defer server.Close()

	resp, err := http.Get(server.URL + "/readyz")
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status)
	// Output: 200 OK
}
