package postgres

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// ownerEnv makes the test binary play an owner that dies without cleaning up: "running" or "paused" is how it leaves the
// server. It prints the server's directory and then waits for the end.
const ownerEnv = "OTELPOOL_POSTGRES_TEST_OWNER"

func TestMain(m *testing.M) {
	if state := os.Getenv(ownerEnv); state != "" {
		own(state)
		return
	}
	goleak.VerifyTestMain(m)
}

func own(state string) {
	server, err := Start(context.Background())
	if err == nil && state == "paused" {
		err = server.Pause()
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(server.dir)
	time.Sleep(time.Minute) // until the test kills us
}

// startServer starts a server for one test and checks, at its end, that nothing of it is left.
func startServer(t *testing.T, opts ...Option) *Server {
	t.Helper()
	server, err := Start(t.Context(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		assertNothingLeft(t, server.dir)
	})
	return server
}
