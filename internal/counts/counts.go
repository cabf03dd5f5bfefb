// Package counts names everything that is counted about a pool, once. The hook adds, the sampler copies, the judge
// subtracts: to count one thing more, add a name here, add to it in the hook, and read it where it is wanted.
package counts

import "time"

// Name is one count. A count only grows. Those that end in Time are in nanoseconds.
type Name int

// What is counted. Acquirers and releasers write to different cache lines: the first eight are the acquirers'.
const (
	Started  Name = iota // acquires begun
	Acquired             // acquires that got a connection
	_
	_
	_
	_
	_
	_

	Released        // connections that came back
	QueryTime       // part of UseTime in which a query was open
	ExcludedUseTime // part of UseTime that says nothing about demand: expected to be long, or suspected of being leaked

	TimedOut // acquires whose deadline passed first
	Canceled // acquires that their caller cancelled
	Failed   // acquires that failed for another reason

	WaitTime // of acquires that ended
	UseTime  // of holds that ended

	Unpaired // releases without an acquire: AcquireAllIdle, or a second release
	Hijacked // connections taken out of the pool for good

	Opened          // connections established
	CreateTime      // time that took, BeforeConnect included
	ConnectFailures // connects that failed; siblings that pgxpool cancelled are none
	Lost            // connections that broke under a query
	ReadOnly        // statements refused with SQLSTATE 25006

	// Statements that failed, by why. The hook keeps the last of each.
	StatementTimeouts       // 57014, and the client had not asked for it
	CachedPlanErrors        // 0A000 of a plan that was prepared before its columns changed
	PreparedStatementErrors // 26000, 42P05, and 08P01 about a prepared statement

	// ReleasedClean is the other releases: Released less those that follow. It is worked out when the counts are read.
	ReleasedClean
	// Releases whose connection pgxpool destroys for the state in which it came back. It may destroy others as well: those
	// past their lifetime, and those that AfterRelease refuses.
	DestroyedBroken
	DestroyedBusy
	DestroyedInTransaction
	DestroyedCanceled

	// Connections closed, by reason.
	ClosedBroken
	ClosedBusy
	ClosedInTransaction
	ClosedCanceled
	ClosedLifetime
	ClosedIdle
	ClosedDiscarded

	Len // how many names there are
)

// Set is every count at one moment. The zero Set has counted nothing.
type Set [Len]int64

// Since is what was added to s after earlier. A count that went back counts as nothing: it began anew.
func (s *Set) Since(earlier *Set) (added Set) {
	for i := range s {
		added[i] = max(0, s[i]-earlier[i])
	}
	return added
}

// Time is a count that is a time.
func (s *Set) Time(n Name) time.Duration { return time.Duration(s[n]) }
