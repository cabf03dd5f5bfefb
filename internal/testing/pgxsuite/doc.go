// Package pgxsuite runs pgxpool's own tests with every pool of theirs watched by our hook. An application that adds the hook
// must behave as before, and nobody says better what "as before" means than the authors of the pool.
//
// The tests are not ours and not in this repository: they are copied out of the module cache when ours run, at the version
// that go.mod names.
package pgxsuite
