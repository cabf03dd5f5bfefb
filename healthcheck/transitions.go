package healthcheck

// event is what happens to a pool, as far as its state is concerned.
type event int

const (
	nothing    event = iota // no evidence, or none that has lasted
	good                    // all is well
	outageOver              // serving again, after an outage whose errors still count
	poor                    // serving, but something is wrong now
	bad                     // cannot serve
	shutdown                // the pool is closing
	terminate               // the pool is closed
	numEvents
)

// states lists every state, in the order of life.
var states = [...]State{
	Initializing, StateHealthy, StateDegraded, StateUnhealthy, Recovering, ShuttingDown, Terminated,
}

// transitions is the state machine: what each event makes of each state, in the order of the events above. A pool that
// breaks does not stop at degraded on its way: an outage is unhealthy at once.
var transitions = map[State][numEvents]State{
	//               nothing         good            outageOver      poor            bad             shutdown      terminate
	Initializing:   {Initializing, StateHealthy, StateDegraded, StateDegraded, StateUnhealthy, ShuttingDown, Terminated},
	StateHealthy:   {StateHealthy, StateHealthy, StateDegraded, StateDegraded, StateUnhealthy, ShuttingDown, Terminated},
	StateDegraded:  {StateDegraded, StateHealthy, StateDegraded, StateDegraded, StateUnhealthy, ShuttingDown, Terminated},
	StateUnhealthy: {StateUnhealthy, Recovering, Recovering, StateDegraded, StateUnhealthy, ShuttingDown, Terminated},
	Recovering:     {Recovering, StateHealthy, Recovering, StateDegraded, StateUnhealthy, ShuttingDown, Terminated},
	ShuttingDown:   {ShuttingDown, ShuttingDown, ShuttingDown, ShuttingDown, ShuttingDown, ShuttingDown, Terminated},
	Terminated:     {Terminated, Terminated, Terminated, Terminated, Terminated, Terminated, Terminated},
}
