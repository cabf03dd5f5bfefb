package healthcheck

import (
	"testing"
	"time"
)

func TestWindow_IsBoundedAndReachesFarEnough(t *testing.T) {
	for _, interval := range []time.Duration{10 * ms, 100 * ms, time.Second, 10 * time.Second} {
		var w window
		for i := range 20000 {
			w.add(Sample{At: epoch.Add(time.Duration(i) * interval), Holders: make([]HeldConn, 3)})
			if len(w) > windowSize {
				t.Fatalf("%v: %d samples", interval, len(w))
			}
		}
		if span := w[len(w)-1].At.Sub(w[0].At); span < time.Minute {
			t.Errorf("%v: reaches back %v only", interval, span)
		}
		for i := range len(w) - 1 {
			if w[i].Holders != nil || !w[i+1].At.After(w[i].At) {
				t.Fatalf("%v: sample %d", interval, i)
			}
		}
	}
}
