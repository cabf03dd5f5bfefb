package healthcheck

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/otelpool/pgx/internal/counts"
)

func fail(n counts.Name, times int64) func(*Sample) {
	return func(s *Sample) { s.Counts[n] += times }
}

// noticeScenes say what raises each kind of notice from traffic, and what nearly does.
var noticeScenes = []struct {
	name string
	kind NoticeKind
	want bool
	play func(m *sim)
}{
	{"three statement timeouts in a minute", NoticeStatementTimeouts, true, func(m *sim) {
		m.tick(easy, fail(counts.StatementTimeouts, 2))
		m.ticks(30, easy)
		m.tick(easy, fail(counts.StatementTimeouts, 1))
	}},
	{"two statement timeouts in a minute", NoticeStatementTimeouts, false, func(m *sim) {
		m.tick(easy, fail(counts.StatementTimeouts, 2))
		m.ticks(90, easy)
		m.tick(easy, fail(counts.StatementTimeouts, 1))
	}},
	{"a cached plan that fails", NoticeCachedPlan, true, func(m *sim) { m.tick(easy, fail(counts.CachedPlanErrors, 1)) }},
	{"other statements that fail", NoticeCachedPlan, false, func(m *sim) { m.tick(easy, fail(counts.PreparedStatementErrors, 1)) }},
	{"a prepared statement that fails", NoticePreparedStatements, true, func(m *sim) {
		m.tick(easy, fail(counts.PreparedStatementErrors, 1))
	}},
	{"no prepared statement that fails", NoticePreparedStatements, false, func(m *sim) { m.tick(easy, fail(counts.CachedPlanErrors, 1)) }},
	{"queries ten times as slow", NoticeSlowerQueries, true, func(m *sim) {
		m.ticks(20, cycles(50, 50*time.Millisecond, 50*time.Millisecond, 0, time.Millisecond))
	}},
	{"queries three times as slow", NoticeSlowerQueries, false, func(m *sim) {
		m.ticks(20, cycles(50, 15*time.Millisecond, 15*time.Millisecond, 0, time.Millisecond))
	}},
	{"one long query among quick ones", NoticeSlowerQueries, false, func(m *sim) {
		m.tick(easy, func(s *Sample) {
			s.Counts[counts.Released]++
			s.Counts[counts.UseTime] += int64(5 * time.Minute)
			s.Counts[counts.QueryTime] += int64(5 * time.Minute)
		})
		m.ticks(20, easy)
	}},
	{"holds without a deadline", NoticeNoDeadline, true, func(m *sim) {
		m.ticks(10, easy, held(HeldConn{Site: "shop.go:3 shop.Load", NoDeadline: true}))
	}},
	{"one hold without a deadline, for long", NoticeNoDeadline, false, func(m *sim) {
		for range 100 {
			m.tick(easy, held(HeldConn{Site: "shop.go:3 shop.Load", NoDeadline: true, Age: m.s.At.Sub(epoch), Querying: true}))
		}
	}},
	{"few of many holds without a deadline", NoticeNoDeadline, false, func(m *sim) {
		for range 12 {
			m.tick(easy, held(append(times(9, HeldConn{}), times(9, HeldConn{})...)...))
			m.tick(easy, held(HeldConn{NoDeadline: true}))
		}
	}},
	{"holds that are expected to be long", NoticeNoDeadline, false, func(m *sim) {
		m.ticks(20, easy, held(HeldConn{NoDeadline: true, Expected: true}))
	}},
	{"half of the lifetimes at once", NoticeLifetimesTogether, true, func(m *sim) { m.tick(easy, fail(counts.ClosedLifetime, 5)) }},
	{"one lifetime every ten seconds", NoticeLifetimesTogether, false, func(m *sim) {
		for range 10 {
			m.ticks(9, easy)
			m.tick(easy, fail(counts.ClosedLifetime, 1))
		}
	}},
}

func TestNotices_FromTraffic(t *testing.T) {
	for _, tt := range noticeScenes {
		t.Run(tt.name, func(t *testing.T) {
			m := newSim(t, Evidence())
			m.warm()
			tt.play(m)
			r := m.last
			if r.HasNotice(tt.kind) != tt.want {
				t.Fatalf("the notices are %+v", r.Notices)
			}
			if r.Status != Healthy {
				t.Errorf("a notice changed the status: %s %v", r.State, r.Findings)
			}
			for _, n := range r.Notices {
				if n.Summary == "" || len(n.Evidence) == 0 || !strings.ContainsAny(n.Evidence[0], "0123456789") || n.Advice == "" || n.Runbook == "" {
					t.Errorf("it is not complete: %+v", n)
				}
			}
		})
	}
}

func TestNotices_NameWhereItHappens(t *testing.T) {
	m := newSim(t, Evidence())
	m.warm()
	m.s.Errors.CachedPlan = QueryError{Type: "0A000", Site: "shop.go:9 shop.List"}
	r := m.ticks(10, easy, fail(counts.CachedPlanErrors, 1), held(HeldConn{Site: "shop.go:3 shop.Load", NoDeadline: true}))
	if len(r.Notices) != 2 {
		t.Fatalf("the notices are %+v", r.Notices)
	}
	plan, deadline := r.Notices[0], r.Notices[1]
	if !slices.Equal(plan.Evidence, []string{"10 statements failed so in the last minute, the last with SQLSTATE 0A000",
		"its connection was taken at shop.go:9 shop.List"}) {
		t.Errorf("%q", plan.Evidence)
	}
	if !slices.Equal(deadline.Evidence, []string{"10 of the 70 holds that were seen to begin in the last two minutes had none",
		"taken: 10 at shop.go:3 shop.Load"}) {
		t.Errorf("%q", deadline.Evidence)
	}
}

func TestNotices_StayForFiveMinutesAndSaySinceWhen(t *testing.T) {
	m := newSim(t, Evidence())
	m.warm()
	m.tick(easy, fail(counts.ClosedLifetime, 5))
	r := m.ticks(4*60, easy)
	if !r.HasNotice(NoticeLifetimesTogether) || !strings.HasPrefix(r.Notices[0].Evidence[0], "what follows was seen 3m5") {
		t.Errorf("after 4 minutes: %+v", r.Notices)
	}
	if r := m.ticks(2*60, easy); len(r.Notices) > 0 {
		t.Errorf("after 6 minutes: %+v", r.Notices)
	}
}

var (
	noJitter = NewNotice(NoticeNoLifetimeJitter, "s", []string{"e"}, "a")
	noName   = NewNotice(NoticeNoApplicationName, "s", []string{"e"}, "a")
)

func TestNotices_OfTheConfigurationAreThereFromTheFirstReportToTheLast(t *testing.T) {
	m := newSim(t, Evidence())
	m.s.Config = []Notice{noName, noJitter, noName, {Kind: "unheard_of"}}
	r := m.tick()
	if got := kinds(r); !slices.Equal(got, []NoticeKind{NoticeNoLifetimeJitter, NoticeNoApplicationName}) {
		t.Errorf("in their order, known ones only and once each: %v", got)
	}
	m.s.Config = nil
	if r := m.tick(); len(r.Notices) > 0 {
		t.Errorf("it was mended: %v", r.Notices)
	}
	m.s.Config = []Notice{noName}
	m.tick()
	if r := m.judge.ShuttingDown(m.s.At); len(r.Notices) > 0 {
		t.Errorf("of a pool that is closing: %v", r.Notices)
	}
}

func TestReportAsOf_WhenStaleCarriesNoNotice(t *testing.T) {
	m := newSim(t, Evidence())
	m.s.Config = []Notice{noName}
	m.warm()
	if r := m.last.AsOf(m.s.At.Add(time.Minute), time.Second); len(r.Notices) > 0 || len(m.last.Notices) != 1 {
		t.Errorf("stale: %v, before: %v", r.Notices, m.last.Notices)
	}
}

func kinds(r *Report) (out []NoticeKind) {
	for _, n := range r.Notices {
		out = append(out, n.Kind)
	}
	return out
}

func TestNoticeKinds_EveryConstantIsInTheTable(t *testing.T) {
	source, err := os.ReadFile("notices.go")
	if err != nil {
		t.Fatal(err)
	}
	constants := regexp.MustCompile(`(?m)^\tNotice\w+ +NoticeKind = "(\w+)"$`).FindAllSubmatch(source, -1)
	if len(constants) != len(NoticeKinds) {
		t.Errorf("%d constants, %d rows", len(constants), len(NoticeKinds))
	}
	for _, c := range constants {
		if NoticeKind(c[1]).Meaning() == "" {
			t.Errorf("%s has no row", c[1])
		}
	}
}

func TestNoticeKinds_EachHasASectionThatBeginsWithItsMeaning(t *testing.T) {
	page, err := os.ReadFile("../docs/runbooks/notices.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range NoticeKinds {
		_, text, _ := strings.Cut(string(page), "\n## "+string(k)+"\n\n")
		if text = strings.ReplaceAll(text, "\n", " "); !strings.HasPrefix(text, k.Meaning()+" ") {
			t.Errorf("the section of %s does not begin with %q", k, k.Meaning())
		}
	}
}
