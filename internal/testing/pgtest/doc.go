// Package pgtest gives tests a real PostgreSQL: one server for a test binary, one database for a test.
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
//
//	func TestSomething(t *testing.T) {
//		pool, err := pgxpool.NewWithConfig(t.Context(), pgtest.Config(t))
//		…
//
// Databases isolate tests that run in parallel. What happens to the server happens to all of them, so a test that stops,
// kills or pauses one starts its own, with Start.
//
// Without PostgreSQL the run fails and says how to install it. It never skips: a green run that tested nothing is the one
// outcome nobody notices. OTELPOOL_TEST_DATABASE_URL names a server to use instead, as a user who may create databases.
package pgtest
