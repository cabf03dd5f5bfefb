package healthcheck

import "testing"

func TestTransitions_EveryStateAnswersEveryEvent(t *testing.T) {
	if len(transitions) != len(states) {
		t.Fatalf("%d states have transitions, want %d", len(transitions), len(states))
	}
	edges := make(map[[2]State]bool)
	for _, from := range states {
		for e, to := range transitions[from] {
			if _, ok := transitions[to]; !ok {
				t.Errorf("%s, event %d: leads to %q, which is no state", from, e, to)
			}
			edges[[2]State{from, to}] = true
		}
		if from != Terminated && transitions[from][terminate] != Terminated {
			t.Errorf("%s cannot be terminated", from)
		}
		if from != Terminated && transitions[from][shutdown] != ShuttingDown {
			t.Errorf("%s cannot be shut down", from)
		}
		if transitions[from][nothing] != from {
			t.Errorf("%s changes for no reason", from)
		}
	}
	for _, want := range [][2]State{
		{Initializing, StateHealthy}, {StateHealthy, StateDegraded}, {StateDegraded, StateHealthy},
		{StateDegraded, StateUnhealthy}, {StateUnhealthy, StateDegraded}, {StateUnhealthy, Recovering},
		{Recovering, StateHealthy}, {ShuttingDown, Terminated},
	} {
		if !edges[want] {
			t.Errorf("no way from %s to %s", want[0], want[1])
		}
	}
}

func TestTransitions_NoStateGoesWhereItMustNot(t *testing.T) {
	for _, from := range states {
		for _, to := range transitions[from] {
			switch {
			case from == StateUnhealthy && to == StateHealthy:
				t.Error("unhealthy becomes healthy without recovering")
			case to == Recovering && from != StateUnhealthy && from != Recovering:
				t.Errorf("%s recovers from nothing", from)
			case to == Initializing && from != Initializing:
				t.Errorf("%s becomes initializing again", from)
			case from == ShuttingDown && to != ShuttingDown && to != Terminated:
				t.Errorf("shutting down becomes %s", to)
			case from == Terminated && to != Terminated:
				t.Errorf("terminated becomes %s", to)
			}
		}
	}
}

func TestState_EachHasItsStatus(t *testing.T) {
	want := map[State]Status{Initializing: Unknown, StateHealthy: Healthy, StateDegraded: Degraded,
		StateUnhealthy: Unhealthy, Recovering: Degraded, ShuttingDown: Unknown, Terminated: Unknown}
	for _, s := range states {
		if s.Status() != want[s] {
			t.Errorf("%s is %s, want %s", s, s.Status(), want[s])
		}
	}
}
