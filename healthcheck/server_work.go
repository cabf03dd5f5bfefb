package healthcheck

// serverWait is what the server makes one of our connections wait for.
type serverWait int

const (
	waitOther    serverWait = iota
	waitNothing             // it works, or wants to
	waitClient              // for us: its answer is given, or it waits until we have read it
	waitStandby             // a commit, for a synchronous standby
	waitIO                  // for storage
	waitInternal            // for another session, inside the server
	numServerWaits
)

func waitOf(b *Backend) serverWait {
	switch {
	case b.State == "idle", b.inTransaction(), b.State == "active" && b.WaitEventType == "Client":
		return waitClient
	case b.State != "active":
		return waitOther // not visible, or of a kind of its own
	case b.WaitEventType == "":
		return waitNothing
	case b.WaitEvent == "SyncRep":
		return waitStandby
	case b.WaitEventType == "IO":
		return waitIO
	case b.WaitEventType == "LWLock", b.WaitEventType == "BufferPin":
		return waitInternal
	}
	return waitOther
}

// serverWork counts, by what they waited for when the server was asked, our connections that were at work there, or on which
// somebody waits for an answer.
type serverWork struct {
	engaged int
	count   [numServerWaits]int
	event   [numServerWaits]string // one of those seen
}

func (f *facts) serverWork() (w serverWork) {
	v := f.serverView()
	if v == nil {
		return w
	}
	asking := make(map[uint32]bool)
	for i := range f.s.Holders {
		asking[f.s.Holders[i].PID] = f.holders.of[i] == querying
	}
	for i := range v.Backends {
		b := &v.Backends[i]
		if b.State != "active" && !asking[b.PID] {
			continue
		}
		wait := waitOf(b)
		w.engaged++
		w.count[wait]++
		w.event[wait] = b.WaitEventType + "/" + b.WaitEvent
	}
	return w
}

// most is what more than half of them wait for.
func (w *serverWork) most() serverWait {
	for wait, n := range w.count {
		if 2*n > w.engaged {
			return serverWait(wait)
		}
	}
	return waitOther
}

// crowd is how many sessions of others make a server busy, at least. How many processors it has cannot be asked.
const crowd = 4

// crowdedOut says that ours wait for nothing but the server's CPU, and as many sessions of others at least have it, or want it. Of
// ours some look as if they waited for us: their next query is there, and they do not get to read it.
func (w *serverWork) crowdedOut(v *ServerView) bool {
	return v != nil && v.Running >= max(crowd, w.engaged) && 2*(w.count[waitNothing]+w.count[waitClient]) > w.engaged
}
