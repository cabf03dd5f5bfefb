package stack

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

// pager stands in for Alertmanager: it keeps what Prometheus tells it of each alert.
type pager struct {
	*httptest.Server
	mu       sync.Mutex
	fired    map[string]bool
	resolved map[string]bool
}

func newPager(t *testing.T) *pager {
	t.Helper()
	p := &pager{fired: make(map[string]bool), resolved: make(map[string]bool)}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

// ServeHTTP takes alerts as Alertmanager's API does: one whose end is past is over.
func (p *pager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var alerts []struct {
		EndsAt time.Time
		Labels map[string]string
	}
	if err := json.NewDecoder(r.Body).Decode(&alerts); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range alerts {
		name := a.Labels["alertname"]
		if a.EndsAt.After(time.Now()) {
			p.fired[name] = true
		} else if p.fired[name] {
			p.resolved[name] = true
		}
	}
}

// called says what an alert has not done: fire, and resolve.
func (p *pager) called(alert string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !p.fired[alert]:
		return fmt.Errorf("%s has not fired", alert)
	case !p.resolved[alert]:
		return fmt.Errorf("%s has not resolved", alert)
	}
	return nil
}

func (p *pager) hasFired(alert string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fired[alert]
}

func (p *pager) names() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(maps.Keys(p.fired))
}
