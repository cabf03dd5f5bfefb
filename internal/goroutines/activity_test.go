package goroutines

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/otelpool/pgx/internal/callstack"
)

// doing starts f on a goroutine and says what it does as soon as that is want, or after a while.
func doing(t *testing.T, want Activity, f func()) (d Doing) {
	t.Helper()
	callstack.Prepare()
	origin := make(chan callstack.Origin, 1)
	go func() { origin <- callstack.Running(); f() }()
	id := (<-origin).Goroutine
	for range 500 {
		dump, err := look(runtime.NumGoroutine())
		if err != nil {
			t.Fatal(err)
		}
		g, _ := dump.Find(id)
		if d = g.Doing(); d.Activity == want {
			return d
		}
		time.Sleep(time.Millisecond)
	}
	return d
}

func TestDoing_NamesTheCallAndTheApplicationsFrame(t *testing.T) {
	until := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-until }))
	defer server.Close()
	defer close(until)
	var locked sync.Mutex
	locked.Lock()
	defer locked.Unlock()
	var group sync.WaitGroup
	group.Add(1)
	defer group.Done()
	for want, c := range map[Activity]struct {
		call string
		f    func()
	}{
		HTTPCall: {"waits in net/http.Get, activity_test.go:", func() { _, _ = http.Get(server.URL) }},
		Lock:     {"waits in sync.(*Mutex).Lock, activity_test.go:", func() { locked.Lock(); defer locked.Unlock() }},
		Wait:     {"waits in sync.(*WaitGroup).Wait, activity_test.go:", func() { group.Wait() }},
		Sleep:    {"waits in time.Sleep, activity_test.go:", func() { time.Sleep(2 * time.Second) }},
		Channel:  {"waits (chan receive), activity_test.go:", func() { <-until }},
	} {
		if d := doing(t, want, c.f); d.Activity != want || !strings.HasPrefix(d.String(), c.call) {
			t.Errorf("%s: got %s, %q", want, d.Activity, d)
		}
	}
}

func TestActivity_KnowsWhoMayWaitForAnother(t *testing.T) {
	for a, want := range map[Activity]bool{Channel: true, Wait: true, Lock: true, Ended: true, HTTPCall: false, Sleep: false, Running: false} {
		if got := a.MayWaitForOthers(); got != want {
			t.Errorf("%s: %t", a, got)
		}
	}
}
