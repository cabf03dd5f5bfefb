package healthcheck

import (
	"slices"
	"strings"
	"testing"
)

// finding returns what is said of a cause.
func finding(t *testing.T, r *Report, c Cause) Finding {
	t.Helper()
	i := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.Cause == c })
	if i < 0 {
		t.Fatalf("%s is not among %+v", c, r.Findings)
	}
	return r.Findings[i]
}

func TestLostConnection_IsNotCalledUnmendedWhenSomethingElseFailsAfterIt(t *testing.T) {
	m := newSim(t, Evidence())
	m.warm()
	m.tick(easy, lost("57P01"))
	m.tick(easy, connected(1))
	got := finding(t, m.ticks(3, easy, once(refused("53300", "too many clients"))), CauseServerShutdown).Evidence
	if want := "the server answered again within 1.5s"; !slices.Contains(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestFailedAcquire_NamesWhyItCouldNotConnect(t *testing.T) {
	for kind, want := range map[string]Cause{
		"connection_refused": CauseUnreachable, "53300": CauseTooManyConnections, "28P01": CauseRejectedCredentials,
		"timeout": CauseInsufficientData,
	} {
		m := newSim(t, Evidence())
		m.warm()
		r := m.ticks(3, easy, once(failed(kind)))
		if r.Status != Degraded || len(r.Findings) != 1 || r.Findings[0].Cause != want {
			t.Fatalf("%s: %s %+v", kind, r.Status, r.Findings)
		}
		for _, line := range r.Findings[0].Evidence {
			if strings.Contains(line, "a connection was lost") {
				t.Errorf("%s: %q, and none was", kind, line)
			}
		}
	}
}

func TestLostConnection_IsTheCauseOfTheAcquireThatFailsAfterIt(t *testing.T) {
	m := newSim(t, Evidence())
	m.warm()
	r := m.ticks(3, easy, once(lost("57P01")), once(failed("connection_reset")))
	if r.Findings[0].Cause != CauseServerShutdown {
		t.Errorf("%+v", r.Findings)
	}
}

func TestSlowConnect_IsCountedWhereItWasTimed(t *testing.T) {
	m := newSim(t, Evidence())
	m.warm()
	usual := func(s *Sample) { s.Connect.LastTime = 800 * ms }
	got := finding(t, m.ticks(3, easy, usual, inFlight(1), waiting(1, 900*ms)), CauseSlowConnect).Evidence
	if want := []string{"1 connect in flight for 2s", "the longest wait was 900ms"}; !slices.Equal(got, want) {
		t.Errorf("none was made: %q", got)
	}

	m = newSim(t, Evidence())
	m.warm()
	m.ticks(3, easy, once(connected(8)))
	got = finding(t, m.ticks(2, slowConnect, cycles(2, 5*ms, 4*ms, 390*ms, 400*ms)), CauseSlowConnect).Evidence
	if want := "2 connections made in 1s, taking 390ms on average"; got[0] != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// Only who refuses our name or password is not asked again: nobody else may be said not to be.
func TestRemedies_SayTrulyWhetherARefusalIsTriedAgain(t *testing.T) {
	for kind, cause := range connectCauses {
		advice := remedyFor(cause, kind).advice
		if strings.Contains(advice, "not retried") && ShouldRetry(kind) {
			t.Errorf("%s is tried again, and the advice is: %s", kind, advice)
		}
	}
}
