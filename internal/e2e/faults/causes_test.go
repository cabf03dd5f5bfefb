package faults

import (
	"testing"

	"github.com/otelpool/pgx/healthcheck"
)

// unstaged are the causes that no fault proves, and why.
var unstaged = map[healthcheck.Cause]string{
	healthcheck.CauseInsufficientData: "it is said where nothing explains the trouble; every fault here has an explanation",
}

func TestCauses_EachHasAFaultThatProvesIt(t *testing.T) {
	proved := map[healthcheck.Cause]bool{starvation: true}
	for _, s := range allFaults() {
		proved[s.truth[0]] = true
	}
	for _, c := range healthcheck.Causes {
		if _, excused := unstaged[c]; proved[c] == excused {
			t.Errorf("%s: proved %t, excused %t", c, proved[c], excused)
		}
	}
}
