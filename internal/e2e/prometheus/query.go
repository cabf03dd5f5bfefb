package prometheus

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/common/model"
)

// Query evaluates an instant query whose result is a vector, now.
func (s *Server) Query(ctx context.Context, promql string) (model.Vector, error) {
	var answer struct {
		Result model.Vector `json:"result"`
	}
	if err := s.api(ctx, "/api/v1/query", url.Values{"query": {promql}}, &answer); err != nil {
		return nil, fmt.Errorf("query %q: %w", promql, err)
	}
	return answer.Result, nil
}

// Alert is an alert that is pending or firing.
type Alert struct {
	Labels      model.LabelSet `json:"labels"`
	Annotations model.LabelSet `json:"annotations"`
	State       string         `json:"state"`
	ActiveAt    time.Time      `json:"activeAt"`
}

// Name is the name of the alerting rule.
func (a Alert) Name() string { return string(a.Labels[model.AlertNameLabel]) }

// Alerts returns the alerts that are pending or firing.
func (s *Server) Alerts(ctx context.Context) ([]Alert, error) {
	var answer struct {
		Alerts []Alert `json:"alerts"`
	}
	if err := s.api(ctx, "/api/v1/alerts", nil, &answer); err != nil {
		return nil, fmt.Errorf("list the alerts: %w", err)
	}
	return answer.Alerts, nil
}

// Exemplar is a measurement that stands for its bucket.
type Exemplar struct {
	Labels model.LabelSet    `json:"labels"`
	Value  model.SampleValue `json:"value"`
}

// Exemplars returns the exemplars that a query's series got in the last hour.
func (s *Server) Exemplars(ctx context.Context, promql string) ([]Exemplar, error) {
	now := time.Now()
	var series []struct {
		Exemplars []Exemplar `json:"exemplars"`
	}
	err := s.api(ctx, "/api/v1/query_exemplars", url.Values{
		"query": {promql},
		"start": {now.Add(-time.Hour).Format(time.RFC3339)},
		"end":   {now.Add(time.Minute).Format(time.RFC3339)},
	}, &series)
	if err != nil {
		return nil, fmt.Errorf("query the exemplars of %q: %w", promql, err)
	}
	var all []Exemplar
	for _, one := range series {
		all = append(all, one.Exemplars...)
	}
	return all, nil
}

// api calls the HTTP API and decodes the data of its answer.
func (s *Server) api(ctx context.Context, path string, query url.Values, data any) error {
	body, err := s.get(ctx, path, query)
	if err != nil {
		return err
	}
	answer := struct{ Data any }{data}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("%w: %s", err, body)
	}
	return nil
}

// get returns the body of a page; anything but 200 is an error that shows it.
func (s *Server) get(ctx context.Context, path string, query url.Values) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL()+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", resp.Status, body)
	}
	return body, nil
}
