package healthcheck

import "testing"

func TestOutage_LastsAsLongAsThePoolIsUnhealthyForIt(t *testing.T) {
	for _, p := range []Policy{Evidence(), IdleRatio(), Usage()} {
		m := newSim(t, p)
		m.tick(connected(10))
		m.ticks(10, easy)
		if r := m.tick(gone("connection_reset"), refused("connection_refused", "")); r.Outage {
			t.Errorf("%s: an outage by one sample", p.Rules)
		}
		for range 10 {
			if r := m.tick(refused("connection_refused", "")); r.Status != Unhealthy || !r.Outage {
				t.Fatalf("%s: %s, outage %t", p.Rules, r.Status, r.Outage)
			}
		}
		for back := once(connected(10)); ; {
			r := m.tick(back, easy)
			if r.Outage != (r.Status == Unhealthy) {
				t.Errorf("%s: %s, outage %t", p.Rules, r.Status, r.Outage)
			}
			if r.Status == Healthy {
				break
			}
		}
	}
}

func TestOutage_EndsThoughThePoolIsBusyAfterIt(t *testing.T) {
	m := newSim(t, Usage())
	m.tick(connected(10))
	m.tick(gone("connection_reset"), refused("connection_refused", ""))
	m.ticks(10, refused("connection_refused", ""))
	busy := f(held(times(10, asking)...), cycles(100, 5*ms, 4*ms, 0, ms))
	for i, want := range []bool{true, true, false, false} {
		change := busy
		if i == 0 {
			change = append(f(connected(10)), busy...)
		}
		if r := m.tick(change...); r.Status != Unhealthy || r.Outage != want {
			t.Errorf("busy for %d samples: %s, outage %t", i+1, r.Status, r.Outage)
		}
	}
}

func TestOutage_IsOnlyALostServer(t *testing.T) {
	for name, c := range map[string]struct {
		sick []func(*Sample)
		want bool
	}{
		"a black hole":         {f(held(times(10, crawling)...), waiting(4, 1000*ms), inFlight(1)), true},
		"a wrong password":     {f(gone(""), refused("28P01", "")), true},
		"leaks":                {f(held(times(10, forgot)...), waiting(4, 1000*ms)), false},
		"a failing hook":       {f(gone(""), refused("_OTHER", "hook said no")), false},
		"queries without end":  {f(held(times(10, crawling)...), waiting(4, 1000*ms)), false},
		"a few that are ended": {f(easy, terminated), false},
	} {
		m := newSim(t, Evidence())
		m.warm()
		r := m.ticks(14, c.sick...)
		if r.Outage != c.want || r.Outage && r.Status != Unhealthy {
			t.Errorf("%s: %s, outage %t, %+v", name, r.Status, r.Outage, r.Findings)
		}
	}
}
