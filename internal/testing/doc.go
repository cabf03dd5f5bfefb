// Package testing holds what tests, benchmarks and the demo need and the product does not: a real PostgreSQL (postgres), one
// database for each test (pgtest), a PostgreSQL server in memory for fake time (wire), pgxpool's own tests (pgxsuite), and
// the comparison of generated documentation (docs).
//
// Of the other packages below internal, bench and e2e are entered by name from the Makefile and are no part of the product
// either. The rest is part of it. A test in otelpool fails if the product imports this folder.
package testing
