package observe

import (
	"testing"
	"time"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/otelpool/internal/view"
)

// Counts are read one after the other while they grow, and by several readers at once.
func TestMonotonic_NoCountGoesBack(t *testing.T) {
	var s Sampler
	read := func(acquired, released int64) (c counts.Set) {
		c[counts.Acquired], c[counts.Released] = acquired, released
		return c
	}
	for i, tt := range []struct{ read, want counts.Set }{
		{read(10, 9), read(10, 9)},
		{read(9, 9), read(10, 9)},
		{read(11, 8), read(11, 9)},
	} {
		if got := s.monotonic(tt.read); got != tt.want {
			t.Errorf("reading %d: got %v, want %v", i, got, tt.want)
		}
	}
}

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func lost(after time.Duration) *healthcheck.Report {
	return &healthcheck.Report{
		At: start.Add(after), Status: healthcheck.Unhealthy, Outage: true,
		Findings: []healthcheck.Finding{{Cause: healthcheck.CauseUnreachable}},
	}
}

func TestOutages_AreReportedWhenTheyEnd(t *testing.T) {
	var o outages
	probe := view.Probe{Failed: 2}
	if ended := o.follow(lost(0), &probe); ended != nil || o.Count != 1 {
		t.Fatalf("%+v, %+v", ended, o.Outages)
	}
	probe.Failed, probe.Succeeded = 5, 1
	probe.ErrorAt, probe.ErrorType = start.Add(2*time.Second), "connection_refused"
	if ended := o.follow(lost(3*time.Second), &probe); ended != nil || o.Duration(start.Add(4*time.Second)) != 4*time.Second {
		t.Fatalf("%+v, %v", ended, o.Duration(start.Add(4*time.Second)))
	}
	ended := o.follow(&healthcheck.Report{At: start.Add(10 * time.Second), Status: healthcheck.Degraded}, &probe)
	want := view.OutageEnded{
		Outage: view.Outage{Since: start, Cause: healthcheck.CauseUnreachable, Attempts: 4, ErrorType: "connection_refused"},
		At:     start.Add(10 * time.Second), Served: true, Status: healthcheck.Degraded,
	}
	if ended == nil || *ended != want || o.Past != 10*time.Second || !o.Now.Since.IsZero() {
		t.Errorf("got %+v, want %+v; %+v", ended, want, o.Outages)
	}
}

func TestOutages_EndUnservedWithTheObserver(t *testing.T) {
	var o outages
	probe := view.Probe{}
	o.follow(lost(0), &probe)
	if ended := o.end(lost(time.Second)); ended == nil || ended.Served || ended.Cause != healthcheck.CauseUnreachable {
		t.Errorf("got %+v", ended)
	}
	if ended := o.end(lost(time.Second)); ended != nil {
		t.Errorf("it ended twice: %+v", ended)
	}
}

func TestLastMinute_ForgetsWhatIsOlder(t *testing.T) {
	var m lastMinute
	v := func(after time.Duration, waited time.Duration, acquired int64) *view.View {
		v := &view.View{At: start.Add(after), HasHook: true}
		c := &v.Hook.Counters.Counts
		c[counts.WaitTime], c[counts.Acquired] = int64(waited), acquired
		c[counts.UseTime], c[counts.QueryTime] = int64(2*waited), int64(waited)
		m.add(v)
		return v
	}
	v(0, 0, 0)
	if got := v(time.Second, time.Second, 10); got.MeanWait != 100*time.Millisecond || got.IdleRatio != 0.5 {
		t.Errorf("mean wait %v, idle ratio %v", got.MeanWait, got.IdleRatio)
	}
	v(30*time.Second, time.Second, 10)
	if got := v(70*time.Second, time.Second+20*time.Millisecond, 12); got.MeanWait != 10*time.Millisecond {
		t.Errorf("mean wait of the last minute is %v", got.MeanWait)
	}
	if got := v(3*time.Minute, time.Second+20*time.Millisecond, 12); got.MeanWait != 0 || got.IdleRatioKnown {
		t.Errorf("nothing happened for a minute: mean wait %v, idle ratio known %v", got.MeanWait, got.IdleRatioKnown)
	}
}
