package tracer

import (
	"sync/atomic"
	"time"
)

// counters are what the hooks count. Durations are counted apart, in durations.
type counters struct {
	started atomic.Int64 // also the ticket of the ring of waiters
	ok      atomic.Int64
	maxHeld atomic.Int64 // most connections held at once
	_       [40]byte     // acquirers and releasers use different cache lines

	releases                   atomic.Int64
	queryTime                  atomic.Int64
	asideTime                  atomic.Int64
	doomed                     [len(Reasons)]atomic.Int64 // releases by foretold reason
	timeouts, canceled, errors atomic.Int64
	unpaired                   atomic.Int64
	hijacked                   atomic.Int64

	maxWait atomic.Int64 // as of the last flush or sweep

	opened, connecting     atomic.Int64
	createTime, lastCreate atomic.Int64
	lastOpenedAt           atomic.Int64
	closed                 [len(Reasons)]atomic.Int64
}

func (c *counters) acquired() {
	held := c.ok.Add(1) - c.releases.Load() - c.hijacked.Load()
	raise(&c.maxHeld, held)
}

// lost accounts for a hold that was overwritten: the connection left the pool's books without a release.
func (c *counters) lost(a *acquire) {
	if !a.suspect.hijacked.Load() {
		c.hijacked.Add(1)
	}
}

func raise(peak *atomic.Int64, v int64) {
	for old := peak.Load(); v > old; old = peak.Load() {
		if peak.CompareAndSwap(old, v) {
			return
		}
	}
}

func lower(least *atomic.Int64, v int64) {
	for old := least.Load(); v < old; old = least.Load() {
		if least.CompareAndSwap(old, v) {
			return
		}
	}
}

// Counters are what happened since the tracer was made. Acquires = Releases + held + Hijacked whenever the pool is at
// rest; Started = OK + Timeouts + Canceled + Errors + Waiting always.
type Counters struct {
	Started, OK, Timeouts, Canceled, Errors int64
	Waiting                                 int64 // acquires in flight

	Releases int64
	Doomed   [len(Reasons)]int64 // releases that destroyed their connection, by reason
	Unpaired int64               // releases without an acquire: AcquireAllIdle, or a second release
	Hijacked int64               // connections taken out of the pool for good

	WaitTime, UseTime, QueryTime time.Duration // totals of ended acquires and holds
	AsideTime                    time.Duration // the part of UseTime that is no measure of demand: expected to be long, or suspected
	MaxWait                      time.Duration // longest wait of all
	MaxHeld                      int64         // most connections held at once, as far as hijacks were known

	Opened, Connecting int64
	CreateTime         time.Duration // total of successful connects, and of the BeforeConnect hooks ahead of them
	LastCreate         time.Duration
	LastOpenedAt       time.Time
	Closed             [len(Reasons)]int64 // by reason, in the order of Reasons
}

// Counters reads all counters. What has ended is read before what has started, so Waiting is never negative.
func (t *Tracer) Counters() Counters {
	c := &t.counters
	out := Counters{
		Timeouts: c.timeouts.Load(), Canceled: c.canceled.Load(), Errors: c.errors.Load(),
		Releases: c.releases.Load(), Unpaired: c.unpaired.Load(), Hijacked: c.hijacked.Load(),
		QueryTime: time.Duration(c.queryTime.Load()), AsideTime: time.Duration(c.asideTime.Load()), MaxHeld: c.maxHeld.Load(),
		MaxWait: time.Duration(max(c.maxWait.Load(), t.waits.most.Load())),
		Opened:  c.opened.Load(), Connecting: c.connecting.Load(),
		CreateTime: time.Duration(c.createTime.Load()), LastCreate: time.Duration(c.lastCreate.Load()),
		LastOpenedAt: t.wall(c.lastOpenedAt.Load()),
	}
	if pool := t.pool.Load(); pool != nil { // who was hijacked since the last sweep was taken for held
		out.MaxHeld = min(out.MaxHeld, int64(pool.Stat().MaxConns()))
	}
	out.OK = c.ok.Load()
	_, out.WaitTime = t.waits.total()
	_, out.UseTime = t.uses.total()
	for i := range Reasons {
		out.Doomed[i] = c.doomed[i].Load()
		out.Closed[i] = c.closed[i].Load()
	}
	out.Started = c.started.Load()
	out.Waiting = out.Started - out.OK - out.Timeouts - out.Canceled - out.Errors
	return out
}
