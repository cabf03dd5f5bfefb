package healthcheck

import (
	"time"

	"github.com/otelpool/pgx/internal/counts"
)

// Sample is what one tick saw of a pool: the hook's counters and holders, and one reading of [pgxpool.Pool.Stat].
// It is immutable once built. The judge compares consecutive samples: counts run since the pool was instrumented. All
// durations are monotonic-clock differences. The zero Sample is "no evidence".
//
// [pgxpool.Pool.Stat]: https://pkg.go.dev/github.com/jackc/pgx/v5/pgxpool#Pool.Stat
type Sample struct {
	At   time.Time
	Late time.Duration // how much later than planned this sample was taken: the process itself was starved

	Counts  counts.Set
	Pool    PoolCounts
	Traffic Traffic
	Connect Connects
	Errors  QueryErrors
	Holders []HeldConn       // every held connection, oldest first, at most [MaxHolders]
	Waiters []PendingAcquire // acquires that are waiting now, oldest first, at most [MaxWaiters]
	Server  *ServerView
	Probe   Probe
	Config  []Notice // of the pool's configuration; part of the report

	LookSkipped string // why nobody looked at what the holders do, where there was need; "" else

	Canceled []CanceledHold // the last whose connection was closed because its query was cancelled, oldest first, at most 64

	// HasTracer says whether a hook observes the pool. Without it (stat-only mode) only Pool and what pgxpool counts itself
	// (Acquired, Canceled) are known, and the judge must not read zeros as good news.
	HasTracer bool
	// Pooled says that a connection pooler such as PgBouncer stands between pool and server: the PIDs of holders are the pooler's.
	Pooled bool
	// Closed says that the pool was closed or is shutting down.
	Closed bool
}

// Bounds of the evidence in one [Sample]: memory stays bounded whatever the pool's size.
const (
	MaxHolders = 1024
	MaxWaiters = 64
)

// PoolCounts are gauges at the sample's instant, from [pgxpool.Stat]: AcquireAllIdle and the pool's own health check
// make Used include idle connections for moments, so one sample is never a verdict.
type PoolCounts struct {
	Total, Idle, Used, Constructing, Max int
}

// Traffic is what callers do and wait for, beyond what is counted.
type Traffic struct {
	Waiting    int           // acquires in flight now
	OldestWait time.Duration // age of the oldest of them

	// Occupied is the time connections have been held so far, by holds under way too, but for those that are expected to be
	// long or suspected of being leaked: what the traffic really asked for, whenever its holds end. It may go back.
	Occupied time.Duration

	// MinWait and PeakWait are the shortest and longest wait among the acquires that ended since the previous sample,
	// or 0 when none did (Ended = 0). A minimum above target is a standing queue: a burst always has some quick ones.
	MinWait, PeakWait time.Duration
	Ended             int64 // acquires that ended since the previous sample

	LastError     string // text of the last failed acquire, without secrets
	LastErrorType string // its error.type, see internal/errtype
	LastErrorAt   time.Time
}

// Connects is how the pool last reached the server or did not, background connects included.
type Connects struct {
	InFlight int

	LastTime time.Duration // duration of the last successful connect
	LastAt   time.Time     // when the last successful connect ended

	// The last failure; zero when there was none. It stays after a later success: compare LastErrorAt with LastAt.
	LastError     string // text without secrets
	LastErrorType string // SQLSTATE or one of the names in internal/errtype
	LastErrorAt   time.Time

	LastLostType string // error.type of the last query that lost its connection, when a query saw it
	LastLost     string // what a pooler said of it, without secrets
	LastLostAt   time.Time
	ReadOnlyAt   time.Time // when a statement was last refused by SQLSTATE 25006 (read_only_sql_transaction)
}

// QueryErrors are the last statement errors of the kinds that are counted; the zero QueryError if there was none.
type QueryErrors struct{ StatementTimeout, CachedPlan, PreparedStatement QueryError }

// QueryError is a statement that the server refused.
type QueryError struct {
	Type string // SQLSTATE
	Site string // where its connection was taken; empty without stacks
}

// HeldConn is a connection that somebody has out of the pool.
type HeldConn struct {
	Site     string        // where it was taken: "file.go:42 pkg.Func", the application's first frame
	PID      uint32        // of its server process
	Age      time.Duration // since it was acquired
	Idle     time.Duration // since the server last worked for it; 0 while it does
	Querying bool          // a query is open and the server is working on it
	InTx     bool          // inside a transaction block, as of its last query

	Queries   int64         // sent in this hold so far
	QueryTime time.Duration // for how long one of them was open

	Open      bool   // rows, a batch or a copy are not closed
	Listening bool   // somebody waits for the server although no query is open: WaitForNotification
	Producing bool   // a COPY is open, and waits for the application to make its rows
	Doing     string // what the goroutine does that took it: "waits in net/http.(*Client).Do, charge.go:88 shop.Charge"; "" if not known
	Activity  string // the kind of that, see the package internal/goroutines

	NestedAcquire bool // its request, or a goroutine that it waits for, waits for another connection of this pool
	Expected      bool // exempted by ExpectLongHold
	NoDeadline    bool // the context that it was acquired with has no deadline
	Leaked        bool // suspected: held, with nothing asked of the server, for the leak threshold
	Orphaned      bool // leaked for sure: the context it was acquired with is done as well, or its goroutine has ended
}

// PendingAcquire is an acquire that is waiting.
type PendingAcquire struct {
	Site          string
	NestedAcquire bool // its request already holds a connection of this pool
}

// CanceledHold is a hold that cost the pool its connection: pgx closes a connection whose query's context ends.
type CanceledHold struct {
	At       time.Time
	Site     string        // where the connection was taken
	After    time.Duration // how long the query had run
	Deadline bool          // its deadline had passed; otherwise its caller gave up
}

// Probe is what the facade's own connection, outside the pool, found while the pool was not healthy. The zero value says
// that nothing was tried.
type Probe struct {
	TryingSince time.Time // when the attempt in flight began; zero when none is
	AskedSince  time.Time // so too, and it is connected: it has asked, and waits for the first answer
	OKAt        time.Time // when the server last answered

	// The last failure; it stays after a later success: compare ErrorAt with OKAt.
	Error     string // text without secrets
	ErrorType string // SQLSTATE or one of the names in internal/errtype
	ErrorAt   time.Time
}
