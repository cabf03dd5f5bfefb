package healthcheck

import "time"

// viewLife is how old the server's own view may be and still tell what connections wait for.
const viewLife = 15 * time.Second

// ServerView is what the server probe saw on its own connection while a status was not healthy.
type ServerView struct {
	At          time.Time
	Backends    []Backend     // of the connections of this pool that were held, matched by PID
	Blockers    []Backend     // not among those: whom they wait for, directly or behind others
	Running     int           // sessions of other applications that have the server's CPU, or want it
	RunningMost string        // the application_name of most of them
	RoundTrip   time.Duration // how long the probe waited for the answer to nothing; 0 is unknown
	Connections int           // client backends on the server, everybody's
	MaxConns    int           // the server's max_connections
	InRecovery  bool
	ReadOnly    bool // default_transaction_read_only or in recovery
	Sessions    int  // those of our role in our database, the probe's included: what a pooler may have lent us

	// Asked for the notices.
	Reserved           int           // of MaxConns, how many are kept for superusers and others with a right of their own
	IdleSessionTimeout time.Duration // of our sessions; 0 if there is none
}

// Backend is one row of pg_stat_activity. Of other roles' sessions an ordinary role sees PID and application alone.
type Backend struct {
	PID           uint32
	Type          string // client backend, autovacuum worker, …
	Application   string // application_name, without secrets
	State         string // active, idle, idle in transaction, …
	WaitEventType string // Lock, Client, IO, …
	WaitEvent     string
	BlockedBy     []uint32 // pg_blocking_pids; 0 is a prepared transaction
	StateFor      time.Duration
	QueryFor      time.Duration // since its statement began, the last one if none runs
	XactFor       time.Duration // since its transaction began; 0 if none is open
}

func (b *Backend) waitsForLock() bool { return b.WaitEventType == "Lock" }

// serverView is what the server said lately, nil if it was not asked.
func (f *facts) serverView() *ServerView {
	if f.s.Server == nil || !f.happenedWithin(f.s.Server.At, viewLife) {
		return nil
	}
	return f.s.Server
}

// lockWaits finds our backends that wait for a lock, by PID, if the server was asked lately.
func (f *facts) lockWaits() map[uint32]*Backend {
	v := f.serverView()
	if v == nil {
		return nil
	}
	waits := make(map[uint32]*Backend)
	for i := range v.Backends {
		if b := &v.Backends[i]; b.waitsForLock() {
			waits[b.PID] = b
		}
	}
	return waits
}

// mostWaitForLocks says that most of our backends that did anything waited for a lock.
func (v *ServerView) mostWaitForLocks() bool {
	waiting, active := 0, 0
	for i := range v.Backends {
		b := &v.Backends[i]
		if b.waitsForLock() {
			waiting++
		}
		if b.waitsForLock() || b.State == "active" {
			active++
		}
	}
	return 2*waiting > active
}

// knows says whether the view has the backend.
func (v *ServerView) knows(pid uint32) bool {
	for i := range v.Backends {
		if v.Backends[i].PID == pid {
			return true
		}
	}
	return false
}
