package faults

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/testing/postgres"
)

// pause is how long the victim does not run at a time. Only when a pause is over can it see that there was one.
const pause = 1700 * time.Millisecond

// starvation is the truth of this fault, which has a function of its own: it needs a process of its own.
const starvation = healthcheck.CauseProcessStarved

// starvedDSN makes of this program a victim of starve.
const starvedDSN = "FAULTS_STARVED_DSN"

// starve runs a service as a process of its own and lets it run for a fraction of the time only, as a CPU limit would.
func starve(t *testing.T, server *postgres.Server) outcome {
	o := outcome{name: "process starved", size: usual[0], truth: starvation, limit: 3*interval + pause}
	b := newBench(t, server)
	victim := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestVictimOfStarvation$")
	victim.Env = append(os.Environ(), starvedDSN+"="+b.dsn)
	victim.Stderr = os.Stderr
	stdin, err := victim.StdinPipe()
	b.must(err)
	out, err := victim.StdoutPipe()
	b.must(err)
	b.must(victim.Start())
	reports := make(chan string)
	go func() {
		defer close(reports)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			reports <- lines.Text()
		}
	}()
	await := func(want func(status string) bool) (cause string, ok bool) {
		for deadline := time.After(patience); ; {
			select {
			case line, open := <-reports:
				var status string
				if n, _ := fmt.Sscanf(line, "report %s %s", &status, &cause); n > 0 && want(status) || !open {
					return cause, open
				}
			case <-deadline:
				return cause, false
			}
		}
	}
	well := func(status string) bool { return status == "healthy" }
	if _, ok := await(well); !ok {
		t.Fatal("not healthy at the start")
	}
	begun, fed := time.Now(), make(chan struct{})
	go func() {
		for {
			_ = victim.Process.Signal(syscall.SIGSTOP)
			time.Sleep(pause)
			_ = victim.Process.Signal(syscall.SIGCONT)
			select {
			case <-fed:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	cause, _ := await(func(status string) bool { return !well(status) })
	o.detect, o.said = time.Since(begun), healthcheck.Cause(cause)
	fed <- struct{}{}
	healed := time.Now()
	if _, ok := await(well); !ok {
		t.Error("not healthy afterwards")
	}
	o.recover = time.Since(healed)
	b.must(stdin.Close())
	for range reports { // until it ends
	}
	b.must(victim.Wait())
	return o
}

// TestVictimOfStarvation is no test unless starve runs it: it prints its health until its input ends.
func TestVictimOfStarvation(t *testing.T) {
	dsn := os.Getenv(starvedDSN)
	if dsn == "" {
		return
	}
	b := &bench{t: t, dsn: dsn, log: slog.DiscardHandler}
	b.ctx, b.stop = context.WithCancel(context.Background())
	b.open(usual[0], nil)
	defer b.close()
	b.traffic()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = os.Stdin.Read(make([]byte, 1))
	}()
	for {
		r := b.monitor.Health()
		fmt.Printf("report %s %s\n", r.Status, said(r))
		select {
		case <-ended:
			return
		case <-time.After(interval / 20):
		}
	}
}
