package faults

import (
	"context"
	"encoding/json"
	"net"
	"strings"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// network is a proxy between a pool and its server, which can be made to cut, swallow or delay.
type network struct {
	t     *testing.T
	proxy *toxiproxy.Proxy
}

func newNetwork(t *testing.T, upstream string) *network {
	t.Helper()
	n := &network{t: t, proxy: toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()),
		"postgres", "127.0.0.1:0", upstream)}
	if err := n.proxy.Start(); err != nil {
		t.Fatal(err)
	}
	return n
}

// dial leads every connection through the proxy, whatever the address.
func (n *network) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", n.proxy.Listen)
}

// cut breaks every connection and refuses new ones.
func (n *network) cut() (heal func()) {
	n.proxy.Stop()
	return func() {
		if err := n.proxy.Start(); err != nil {
			n.t.Error(err)
		}
	}
}

// spoil adds a toxic to both directions, such as "timeout" or "latency".
func (n *network) spoil(kind string, attributes map[string]int) (heal func()) {
	directions := []string{"upstream", "downstream"}
	for _, direction := range directions {
		toxic, err := json.Marshal(map[string]any{"name": direction, "type": kind, "stream": direction, "attributes": attributes})
		if err != nil {
			n.t.Fatal(err)
		}
		if _, err := n.proxy.Toxics.AddToxicJson(strings.NewReader(string(toxic))); err != nil {
			n.t.Fatal(err)
		}
	}
	return func() {
		for _, direction := range directions {
			if err := n.proxy.Toxics.RemoveToxic(context.Background(), direction); err != nil {
				n.t.Error(err)
			}
		}
	}
}

func (n *network) close() { n.proxy.Stop() }
