package main

import (
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"

	"github.com/otelpool/pgx/internal/testing/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// asIs leaves messages in the form they come in, in which names can be found all the same, and answers with empty ones.
type asIs struct{}

func (asIs) Name() string { return "proto" }

func (asIs) Marshal(any) (mem.BufferSlice, error) { return nil, nil }

func (asIs) Unmarshal(data mem.BufferSlice, to any) error {
	*to.(*string) = string(data.Materialize())
	return nil
}

func TestQuickstart_DeliversItsMetricsAlthoughItEndsAtOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	exports, done := make(chan string, 16), make(chan error, 1)
	server := grpc.NewServer(grpc.ForceServerCodecV2(asIs{}), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		var export string
		if err := stream.RecvMsg(&export); err != nil {
			return err
		}
		exports <- export
		return stream.SendMsg(nil)
	}))
	go func() { done <- server.Serve(l) }()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+l.Addr().String())
	t.Setenv("DATABASE_URL", pgtest.DSN(t))
	if err := run(t.Context()); err != nil {
		t.Error(err)
	}
	server.Stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	close(exports)
	found := false
	for export := range exports {
		found = found || strings.Contains(export, "otelpool.acquires") && strings.Contains(export, "service.instance.id")
	}
	if !found {
		t.Error("no export has an asynchronous metric and an instance ID")
	}
}
