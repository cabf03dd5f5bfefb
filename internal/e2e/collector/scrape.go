package collector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// openMetrics is what Prometheus asks for, and the only text format with exemplars.
const openMetrics = "application/openmetrics-text; version=1.0.0"

// PrometheusText returns the Prometheus endpoint's answer as Prometheus gets it.
func (c *Collector) PrometheusText(ctx context.Context) (string, error) {
	body, _, err := get(ctx, "http://"+c.ports.prometheus+"/metrics", openMetrics)
	return string(body), err
}

// Prometheus returns the metric families of the Prometheus endpoint by name. Counters have their suffix _total;
// histograms are one family, without _bucket.
func (c *Collector) Prometheus(ctx context.Context) (map[string]*dto.MetricFamily, error) {
	format := expfmt.NewFormat(expfmt.TypeProtoDelim)
	body, contentType, err := get(ctx, "http://"+c.ports.prometheus+"/metrics", string(format))
	if err != nil {
		return nil, err
	}
	decoder := expfmt.NewDecoder(bytes.NewReader(body), expfmt.Format(contentType))
	families := map[string]*dto.MetricFamily{}
	for {
		var family dto.MetricFamily
		if err := decoder.Decode(&family); errors.Is(err, io.EOF) {
			return families, nil
		} else if err != nil {
			return nil, fmt.Errorf("read the Prometheus endpoint: %w", err)
		}
		families[family.GetName()] = &family
	}
}

// Labels returns a series' labels by name.
func Labels(m *dto.Metric) map[string]string {
	labels := make(map[string]string, len(m.GetLabel()))
	for _, pair := range m.GetLabel() {
		labels[pair.GetName()] = pair.GetValue()
	}
	return labels
}

// get returns the body and content type of a page; anything but 200 is an error.
func get(ctx context.Context, url, accept string) (body []byte, contentType string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, "", err
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	if err != nil {
		return nil, "", fmt.Errorf("get %s: %w", url, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, "", fmt.Errorf("get %s: %s: %s", url, resp.Status, body)
	}
	return body, resp.Header.Get("Content-Type"), nil
}
