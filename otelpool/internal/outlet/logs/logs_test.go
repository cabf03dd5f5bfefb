package logs

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/telemetry"
	"github.com/otelpool/pgx/otelpool/internal/guard"
	"github.com/otelpool/pgx/otelpool/internal/view"
	"github.com/otelpool/pgx/tracer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var never = make(chan struct{})

// keeper keeps records, and compares each with the catalogue of events.
type keeper struct {
	t       *testing.T
	mu      *sync.Mutex // guards records
	records *[]record
	attrs   []slog.Attr
}

type record struct {
	event, message string
	level          slog.Level
	fields         map[string]slog.Value
}

func newKeeper(t *testing.T) keeper {
	return keeper{t: t, mu: new(sync.Mutex), records: new([]record)}
}

func (k keeper) Enabled(context.Context, slog.Level) bool { return true }
func (k keeper) WithGroup(string) slog.Handler            { return k }
func (k keeper) WithAttrs(attrs []slog.Attr) slog.Handler {
	k.attrs = append(slices.Clip(k.attrs), attrs...)
	return k
}

func (k keeper) Handle(_ context.Context, r slog.Record) error {
	out := record{message: r.Message, level: r.Level, fields: make(map[string]slog.Value)}
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == telemetry.KeyEventName {
			out.event = a.Value.String()
		} else {
			out.fields[a.Key] = a.Value
		}
		return true
	})
	row := slices.IndexFunc(telemetry.LogEvents, func(e telemetry.LogEvent) bool { return e.Name == out.event })
	if row < 0 {
		k.t.Errorf("%q is not in the catalogue", out.event)
		return nil
	}
	known := telemetry.LogEvents[row]
	if !slices.Contains(known.Levels, r.Level) {
		k.t.Errorf("%s is written at %v, the catalogue says %v", out.event, r.Level, known.Levels)
	}
	for field := range out.fields {
		if !slices.Contains(known.Fields, field) {
			k.t.Errorf("%s has a field %s that is not in the catalogue", out.event, field)
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	*k.records = append(*k.records, out)
	return nil
}

func (k keeper) of(event string) (out []record) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, r := range *k.records {
		if r.event == event {
			out = append(out, r)
		}
	}
	return out
}

func open(t *testing.T) (*Outlet, keeper) {
	k := newKeeper(t)
	return New(Config{Logger: slog.New(k), Pool: "p", Interval: time.Second, UsageWarning: 0.75, Guard: new(guard.Guard)}), k
}

var minute = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func suspected(at time.Time, place int) view.Event {
	return tracer.Event{Kind: tracer.EventLeakSuspected, At: at,
		Holder: tracer.Holder{Evidence: tracer.EvidenceIdleHeld, Site: fmt.Sprintf("place-%d", place)}}
}

func TestLeakRecords_AreLimitedAndTheRestIsCounted(t *testing.T) {
	o, k := open(t)
	write := func(at time.Time, leaks int) {
		var events []view.Event
		for i := range leaks {
			events = append(events, suspected(at, i/2))
		}
		o.logEvents(events)
	}
	write(minute, 50)
	if n := len(k.of(telemetry.EventLeakSuspected)); n != 20 {
		t.Fatalf("%d records", n)
	}
	write(minute.Add(59*time.Second), 2)
	write(minute.Add(time.Minute), 2)
	got := k.of(telemetry.EventLeakSuspected)
	if len(got) != 22 || got[20].message != "more leaks than are written out" || got[20].fields["suppressed"].Int64() != 12 {
		t.Fatalf("%d records, the 21st: %v", len(got), got[20]) // 5 places of two connections, and one place again
	}
	write(minute.Add(61*time.Second), 50)
	o.Close(never)
	got = k.of(telemetry.EventLeakSuspected)
	if len(got) != 42 || got[41].fields["suppressed"].Int64() != 12 { // of 25 places 19 were written out
		t.Errorf("%d records, the last: %v", len(got), got[len(got)-1])
	}
}

func TestLeakRecords_DoNotLimitRecoveries(t *testing.T) {
	o, k := open(t)
	var events []view.Event
	for i := range 25 {
		e := suspected(minute, i).(tracer.Event)
		e.Kind = tracer.EventLeakRecovered
		events = append(events, e)
	}
	o.Post(append(events, suspected(minute, 100))...)
	o.Close(never)
	if r, s := len(k.of(telemetry.EventLeakRecovered)), len(k.of(telemetry.EventLeakSuspected)); r != 25 || s != 1 {
		t.Errorf("%d recoveries, %d suspicions", r, s)
	}
}

func TestUsageHigh_IsAWarningOnlyWhereThePolicyJudgesUsage(t *testing.T) {
	for judged, want := range map[bool]slog.Level{false: slog.LevelInfo, true: slog.LevelWarn} {
		k := newKeeper(t)
		o := New(Config{Logger: slog.New(k), UsageWarning: 0.75, UsageJudged: judged, Guard: new(guard.Guard)})
		o.Put(&view.View{
			Stat:   view.Stat{Used: 3, Max: 4},
			Report: &healthcheck.Report{UsageHigh: true}, Health: &healthcheck.Snapshot{Report: &healthcheck.Report{}},
		})
		o.Close(never)
		if got := k.of(telemetry.EventUsageHigh); len(got) != 1 || got[0].level != want {
			t.Errorf("judged %t: %v", judged, got)
		}
	}
}

func TestNotice_IsWrittenOnceItIsRaised(t *testing.T) {
	o, k := open(t)
	notice := healthcheck.NewNotice(healthcheck.NoticeNoConnectTimeout, "No connect_timeout is set.", []string{"ConnectTimeout is 0s"}, "Set one.")
	o.Post(view.NoticeRaised{At: minute, Notice: notice})
	o.Close(never)
	got := k.of(telemetry.EventNoticeRaised)
	if len(got) != 1 || got[0].message != notice.Summary || got[0].fields["otelpool.notice"].String() != "no_connect_timeout" ||
		got[0].fields["advice"].String() != "Set one." || got[0].fields["runbook"].String() != notice.Runbook {
		t.Errorf("%v", got)
	}
}

func TestDropped_IsWrittenWithTheirNumber(t *testing.T) {
	k := newKeeper(t)
	let := make(chan struct{})
	o := New(Config{Logger: slog.New(slowHandler{k, let}), Guard: new(guard.Guard)})
	for range 5000 {
		o.Post(view.StatOnly{})
	}
	close(let)
	o.Close(never)
	var dropped int64
	for _, r := range k.of(telemetry.EventDropped) {
		dropped += r.fields["dropped"].Int64()
	}
	if written := int64(len(k.of(telemetry.EventStatOnly))); dropped == 0 || written+dropped != 5000 {
		t.Errorf("%d written, %d dropped of 5000", written, dropped)
	}
}

// slowHandler blocks until the test lets it go on.
type slowHandler struct {
	slog.Handler
	let chan struct{}
}

func (h slowHandler) Handle(ctx context.Context, r slog.Record) error {
	<-h.let
	return h.Handler.Handle(ctx, r)
}

func (h slowHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return slowHandler{h.Handler.WithAttrs(attrs), h.let}
}
