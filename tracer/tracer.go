package tracer

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Every interface that pgx asserts on a tracer: forgetting one silently drops its events.
var (
	_ pgx.QueryTracer       = (*Tracer)(nil)
	_ pgx.BatchTracer       = (*Tracer)(nil)
	_ pgx.CopyFromTracer    = (*Tracer)(nil)
	_ pgx.PrepareTracer     = (*Tracer)(nil)
	_ pgx.ConnectTracer     = (*Tracer)(nil)
	_ pgxpool.AcquireTracer = (*Tracer)(nil)
	_ pgxpool.ReleaseTracer = (*Tracer)(nil)
)

// Options configure a [Tracer]. The zero value keeps counters and holders, without stacks and without suspicion.
type Options struct {
	// StackDepth is how many application frames of each acquirer are kept, at most [MaxStackDepth]; 0 keeps none.
	StackDepth int
	// LeakThreshold is how long a connection may be held without working before it is suspected; 0 never suspects.
	LeakThreshold time.Duration
	// SQLText keeps the text of the last statement of each hold. Off, only its first keyword is kept.
	SQLText bool
	// GoroutineLook has sweeps look at all goroutines while somebody waits for a full pool or is about to be suspected: who
	// of the holders still lives, what each does, and whom each waits for. It stops the process for a few milliseconds, at most
	// once in ten seconds, and is left out where there are more goroutines than that allows.
	GoroutineLook bool
}

// Tracer observes one pool. Install it as [pgx.ConnConfig.Tracer] before the pool is built; it serves exactly one pool.
// All methods are safe for concurrent use.
type Tracer struct {
	counters counters // first: an object of this size begins at a cache line

	opts atomic.Pointer[Options]
	base time.Time // all instants are nanoseconds since base: one clock read, no wall clock

	slotKey string // see newSlotKey

	pool     atomic.Pointer[pgxpool.Pool] // the one pool observed, once it is known
	maxConns atomic.Int64                 // of pool, 0 until it is known

	marks  sync.Map    // *pgx.ConnConfig → nothing: the pool's connects that are under way
	hooked atomic.Bool // the pool's connects are marked

	waiters waiterRing
	sites   sites
	slots   slotTable
	conns   connCache
	faults  faults
	events  eventQueue

	canceled canceledHolds

	waits    durations // of acquires
	uses     durations // of holds
	creates  backlog[create]
	failures backlog[failure]
	recorder atomic.Pointer[Recorder]
	flushMu  sync.Mutex // serialises flushes: foreign code runs under it, so nobody else may wait for it

	connectionEvents atomic.Pointer[func(ConnectionEvent)]

	maxLifetime, maxIdleTime atomic.Int64 // of the pool, in nanoseconds; they tell why a connection was closed
	expiries, idlings        atomic.Int64 // closes for these reasons

	looked atomic.Pointer[looked] // the last look at the goroutines, while it matters

	sweepMu sync.Mutex // serialises sweeps; guards sweep
	sweep   sweepState
}

// New returns a Tracer with its clock at zero.
func New(opts Options) *Tracer {
	t := &Tracer{base: time.Now(), slotKey: newSlotKey()}
	t.sites.init()
	t.Adjust(opts)
	t.waits.init()
	t.uses.init()
	return t
}

// Adjust replaces the options: acquires from now on, and judgements from the next sweep on, go by the new ones.
func (t *Tracer) Adjust(opts Options) {
	opts.StackDepth = min(max(opts.StackDepth, 0), MaxStackDepth)
	t.opts.Store(&opts)
}

// Bind makes pool the one that t observes and returns it, or returns the pool that t already observes. Two pools built
// from one configuration share its tracer; the events of the second are ignored. The first acquire binds too.
func (t *Tracer) Bind(pool *pgxpool.Pool) *pgxpool.Pool {
	if t.pool.CompareAndSwap(nil, pool) {
		t.maxConns.Store(int64(pool.Stat().MaxConns()))
		return pool
	}
	return t.pool.Load()
}

// observes reports whether an event of pool is ours. It is small enough to be inlined.
func (t *Tracer) observes(pool *pgxpool.Pool) bool {
	return t.pool.Load() == pool || t.Bind(pool) == pool
}

// now is the time since the tracer was made. It is never 0, so that 0 can mean "not yet".
func (t *Tracer) now() int64 { return int64(time.Since(t.base)) + 1 }

// wall turns an instant of now into a time of day.
func (t *Tracer) wall(at int64) time.Time {
	if at == 0 {
		return time.Time{}
	}
	return t.base.Add(time.Duration(at))
}
