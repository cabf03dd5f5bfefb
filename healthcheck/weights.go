package healthcheck

// The weights of candidates: the heaviest is the likeliest cause. They compare across causes, and only their order matters.
const (
	// The server does not serve us. Nothing that callers do matters beside that.
	weightShutdownSaid = 105.0 // it said that it would stop: that nothing answers now is only the consequence
	weightNoWay        = 100.0 // no way through to it, and this is why
	weightSilent       = 97.0  // it has fallen silent: the holders that seem slow (at most 96) wait for the same silence

	// The process did not run, so all else looks slower than it is; only a share near all of the holders weighs more.
	weightStarved       = 90.0
	weightStarvedBefore = 88.0 // in the sample before: the waits may have begun then
	weightOftenLate     = 65.0 // a little late, several times

	// Part of the work fails for certain, for a reason that the server gave.
	weightWriteRefused   = 85.0
	weightConnectFailing = 80.0 // new connections fail for this reason; those that exist serve
	weightSessionsLost   = 75.0 // sessions ended before the connects failed: behind why these fail
	weightChurnConnects  = 76.0 // so too, and most connects replace what cancelled queries have closed
	weightSlowConnect    = 75.0 // the pool is not full, so who waits, waits for a connect

	// It happened lately and is over: the younger and the more specific first.
	weightLeak               = 60.0 // nobody suffers from it yet, but it is certain
	weightPaused             = 58.0 // an acquire failed just when the process had not run
	weightSessionsLostBefore = 56.0
	weightConnectFailed      = 55.0
	weightAcquireFailed      = 54.0

	// What the held connections are used for while callers wait: these grow with the share of the holders, see byShare. Of equal
	// shares the more certain cause comes first: a nested acquire and a lock are known, slowness is compared, size is left over.
	weightNested       = 46.0
	weightLocks        = 46.0
	weightPoolerQueue  = 46.0
	weightLeakShare    = 45.0
	weightChurn        = 44.0 // grows with the share of the holds that were cancelled: counted, so before slowness
	weightHeldIdle     = 40.0
	weightListening    = 40.0
	weightSlowDatabase = 40.0
	weightUndersized   = 38.0

	weightSlowConnectFull = 42.0 // the pool is full, so some wait for a holder: behind any use of a tenth of them
	lessIfIdleDemand      = 30.0 // of undersized: the traffic would not keep half of the pool busy

	weightUnexplained   = 1.0  // nothing weighs more: say so
	pastBesideThreshold = 0.01 // makes what happened lately lighter than that: it is not what the policy objects to
)

// byShare is the weight of a cause that explains a share of the held connections, 0 to 1.
func byShare(base, share float64) float64 { return base + 50*share }
