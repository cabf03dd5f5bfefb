package e2e

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// registry lists the gateways. The tests cannot change DNS, and DNS has no ports. The load balancer can ask AWS Cloud Map
// instead, by plain HTTP, and gets addresses with ports. After that nothing differs.
type registry struct {
	*httptest.Server
	mu    sync.Mutex
	addrs []string
}

func newRegistry(t *testing.T, addrs ...string) *registry {
	t.Helper()
	r := &registry{addrs: addrs}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *registry) set(addrs ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addrs = addrs
}

// ServeHTTP answers DiscoverInstances.
func (r *registry) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	type instance struct{ Attributes map[string]string }
	answer := struct{ Instances []instance }{Instances: []instance{}}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, addr := range r.addrs {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answer.Instances = append(answer.Instances, instance{map[string]string{"AWS_INSTANCE_IPV4": host, "AWS_INSTANCE_PORT": port}})
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_ = json.NewEncoder(w).Encode(answer)
}

// fromRegistry makes agent.yaml ask it.
const fromRegistry = `exporters: {load_balancing/gateway: {resolver: {
  dns: null, aws_cloud_map: {namespace: e2e, service_name: gateway, interval: 200ms}}}}`

// env leads the AWS SDK here. It puts a prefix before the host it is given, so it is given one that needs no address: this
// server is its proxy. What goes to the gateways uses no proxy: they are on this host.
func (r *registry) env() map[string]string {
	return map[string]string{
		"AWS_ENDPOINT_URL": "http://cloudmap.test", "HTTP_PROXY": r.URL, "NO_PROXY": "127.0.0.1,localhost",
		"AWS_ACCESS_KEY_ID": "e2e", "AWS_SECRET_ACCESS_KEY": "e2e", "AWS_EC2_METADATA_DISABLED": "true",
		"GATEWAY_INSECURE": "true",
	}
}
