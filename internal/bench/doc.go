// Package bench measures what observing costs, beside what it costs others.
//
// The benchmarks are named with key=value pairs, so that benchstat can put implementations side by side. Program report runs
// them interleaved and writes docs/performance.md; program check counts instructions and allocations of a fixed loop and
// compares them with recorded ones.
package bench
