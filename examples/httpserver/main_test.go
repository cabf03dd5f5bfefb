package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/otelpool/pgx/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestTheServiceAnswersShowsItsHealthAndStopsInOrder(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	type addresses struct{ api, admin string }
	ready, done := make(chan addresses, 1), make(chan error, 1)
	go func() {
		done <- serve(ctx, pgtest.DSN(t), "127.0.0.1:0", "127.0.0.1:0", func(api, admin string) { ready <- addresses{api, admin} })
	}()
	var at addresses
	select {
	case at = <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	for url, want := range map[string]string{
		"http://" + at.api + "/time":                  "20",
		"http://" + at.admin + "/livez":               "ok",
		"http://" + at.admin + "/health/database":     `"database"`,
		"http://" + at.admin + "/debug/pool/holders":  `"holders"`,
		"http://" + at.admin + "/debug/pool/nonsense": "not found",
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
