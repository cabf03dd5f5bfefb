// Httpserver: a service that serves requests on one port and its health on another.
//
//	DATABASE_URL=postgres://localhost/db go run ./examples/httpserver
//	curl localhost:8081/health/database
//	curl localhost:8081/debug/pool/holders
//	go tool pprof -top http://localhost:8081/debug/pool/holders.pb.gz
//
// With OTEL_EXPORTER_OTLP_ENDPOINT it sends metrics, traces and logs there; a collector that is away is warned of, and that is all.
//
// On SIGTERM it stops in order: readiness ends, requests are finished, the pool is drained, and if somebody keeps a connection
// the last log line says who and where. Where a load balancer takes time to see the first, have it wait before SIGTERM (preStop).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/examples/internal/otlp"
	"github.com/otelpool/pgx/otelpool"
)

func main() {
	api := flag.String("api", "127.0.0.1:8080", "address of the service")
	admin := flag.String("admin", "127.0.0.1:8081", "address of health and debugging: for operators and probes only")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, os.Getenv("DATABASE_URL"), *api, *admin, nil); err != nil {
		log.Fatal(err)
	}
}

// serve runs both servers until ctx is done. ready, if not nil, is told the addresses once they listen.
func serve(ctx context.Context, dsn, apiAddr, adminAddr string, ready func(api, admin string)) error {
	if dsn == "" {
		return errors.New("set DATABASE_URL=postgres://user:pass@localhost/db")
	}
	sdk, err := otlp.Setup(ctx, "httpserver")
	if err != nil {
		return err
	}
	defer flush(sdk)
	pool, monitor, err := otelpool.Open(ctx, dsn, otelpool.WithLogger(logger(sdk)), otelpool.WithQuerySpans(), otelpool.WithEnv())
	if err != nil {
		return err
	}
	api, err1 := listen(apiAddr, routes(pool))
	health := &gate{Handler: monitor.Handler()}
	admin, err2 := listen(adminAddr, health)
	if err := errors.Join(err1, err2); err != nil {
		return errors.Join(err, api.stop(), admin.stop(), drain(monitor))
	}
	if ready != nil {
		ready(api.addr, admin.addr)
	}
	<-ctx.Done()
	health.closed.Store(true) // the pool's own readiness ends with the pool, and requests still need that
	// The admin server goes last: it tells how the rest is going.
	return errors.Join(api.stop(), drain(monitor), admin.stop())
}

// patience is how long each step of stopping may take.
const patience = 10 * time.Second

// drain closes the pool, or says who keeps it from closing.
func drain(m *otelpool.Monitor) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return m.Shutdown(ctx)
}

// logger writes to standard error and, where there is a collector, to that as well: it may be away when it matters.
func logger(sdk *otlp.SDK) *slog.Logger {
	if sdk.Logger == nil {
		return slog.Default()
	}
	return slog.New(slog.NewMultiHandler(slog.Default().Handler(), sdk.Logger.Handler()))
}

// flush sends the last telemetry.
func flush(sdk *otlp.SDK) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	sdk.Shutdown(ctx)
}

func routes(pool *pgxpool.Pool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /time", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second) // a full pool must not keep requests for ever
		defer cancel()
		var now time.Time
		if err := pool.QueryRow(ctx, "SELECT now()").Scan(&now); err != nil {
			http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, now.Format(time.RFC3339Nano))
	})
	return mux
}

// gate serves the pool's health, and answers that the service is not ready once it is closed.
type gate struct {
	http.Handler
	closed atomic.Bool
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.closed.Load() && r.URL.Path == "/readyz" {
		http.Error(w, "the service is stopping", http.StatusServiceUnavailable)
		return
	}
	g.Handler.ServeHTTP(w, r)
}

// server is an HTTP server that can be stopped in order.
type server struct {
	http *http.Server
	addr string
	done chan error
}

func listen(addr string, handler http.Handler) (*server, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	s := &server{
		http: &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second},
		addr: l.Addr().String(), done: make(chan error, 1),
	}
	go func() { s.done <- s.http.Serve(l) }()
	return s, nil
}

// stop lets requests finish. Stopping a server that never listened is no error.
func (s *server) stop() error {
	if s == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
