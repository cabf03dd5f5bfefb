package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/otelpool/pgx/internal/testing/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// started is a running service: its addresses, and how to stop it and wait for its end.
func started(t *testing.T, dsn string) (api, admin string, stop func(), done <-chan error) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	type addresses struct{ api, admin string }
	ready, ended := make(chan addresses, 1), make(chan error, 1)
	go func() {
		ended <- serve(ctx, dsn, "127.0.0.1:0", "127.0.0.1:0", func(api, admin string) { ready <- addresses{api, admin} })
	}()
	select {
	case at := <-ready:
		return at.api, at.admin, stop, ended
	case err := <-ended:
		t.Fatal(err)
		return
	}
}

func TestService_AnswersShowsItsHealthAndStopsInOrder(t *testing.T) {
	api, admin, stop, done := started(t, pgtest.DSN(t))
	for url, want := range map[string]string{
		"http://" + api + "/time":                  "20",
		"http://" + admin + "/livez":               "ok",
		"http://" + admin + "/health/database":     `"database"`,
		"http://" + admin + "/debug/pool/holders":  `"holders"`,
		"http://" + admin + "/debug/pool/nonsense": "not found",
	} {
		if body := get(t, url); !strings.Contains(body, want) {
			t.Errorf("%s: want %q in\n%s", url, want, body)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestReadiness_EndsBeforeTheRequestsAndThePoolDo(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // for a database
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	api, admin, stop, done := started(t, "postgres://nobody@"+silent.Addr().String()+"/db?sslmode=disable")
	answered := make(chan string, 1)
	go func() { answered <- get(t, "http://"+api+"/time") }()
	asked, err := silent.Accept() // the request is under way
	if err != nil {
		t.Fatal(err)
	}
	defer asked.Close()
	stop()
	for !strings.Contains(get(t, "http://"+admin+"/readyz"), "stopping") {
		select {
		case <-answered:
			t.Fatal("the service was ready while it finished its last request")
		case <-time.After(5 * time.Millisecond):
		}
	}
	if answer := <-answered; !strings.Contains(answer, "does not answer") {
		t.Errorf("the request got %q", answer)
	}
	http.DefaultClient.CloseIdleConnections()
	silent.Close()
	asked.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
