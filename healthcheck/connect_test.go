package healthcheck

import (
	"slices"
	"testing"
)

// evidenceFor returns what is said for a cause.
func evidenceFor(t *testing.T, r *Report, c Cause) []string {
	t.Helper()
	i := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.Cause == c })
	if i < 0 {
		t.Fatalf("%s is not among %+v", c, r.Findings)
	}
	return r.Findings[i].Evidence
}

func TestALossIsNotCalledUnmendedWhenSomethingElseFailsAfterIt(t *testing.T) {
	m := newSim(t, Evidence())
	m.warm()
	m.tick(easy, lost("57P01"))
	m.tick(easy, connected(1))
	got := evidenceFor(t, m.ticks(3, easy, once(refused("53300", "too many clients"))), CauseServerShutdown)
	if want := "the server answered again within 1.5s"; !slices.Contains(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
