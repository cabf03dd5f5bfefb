package main

import (
	"fmt"
	"strings"
)

// figure is something that is promised, or that explains one that is. The latter has no target.
type figure struct {
	what, target string
	met          func(float64) bool
	value        float64
	known        bool
}

// atMost and atLeast are targets.
func atMost(limit float64) (string, func(float64) bool) {
	return fmt.Sprintf("≤ %v", limit), func(v float64) bool { return v <= limit }
}

func atLeast(limit float64) (string, func(float64) bool) {
	return fmt.Sprintf("≥ %v", limit), func(v float64) bool { return v >= limit }
}

// aboutTen is the target of what shall grow with its input and no faster.
func aboutTen() (string, func(float64) bool) {
	return "about 10", func(v float64) bool { return v <= 15 }
}

// explains says that there is none.
func explains() (string, func(float64) bool) { return "", nil }

// figures are collected one after the other; those that were not measured are left out.
type figures struct {
	*results
	all []figure
}

// is adds a figure; its target comes by to.
func (f *figures) is(what string, value float64, known bool) *figure {
	f.all = append(f.all, figure{what: what, value: value, known: known})
	return &f.all[len(f.all)-1]
}

func (f *figure) to(target string, met func(float64) bool) { f.target, f.met = target, met }

// ratio adds a figure that is taken within each round.
func (f *figures) ratio(what, unit string, of func([]float64) float64, names ...string) *figure {
	value, known := f.paired(unit, of, names...)
	return f.is(what, value, known)
}

// value adds what was measured in a unit.
func (f *figures) value(what, name, unit string) *figure {
	value, known := f.median(name, unit)
	return f.is(what, value, known)
}

// added is what two implementations add to bare, the first divided by the second.
func added(v []float64) float64 { return (v[1] - v[0]) / (v[2] - v[0]) }

// over is the first divided by the second: of times by operation it is the throughput that is left.
func over(v []float64) float64 { return v[0] / v[1] }

// under is the second divided by the first.
func under(v []float64) float64 { return v[1] / v[0] }

// less is the first without the second.
func less(v []float64) float64 { return v[0] - v[1] }

// figures says of each promised figure whether it is met.
func (r *results) figures() string {
	f := &figures{results: r}
	f.cycle()
	f.throughput()
	f.durations()
	f.collection()
	f.health()
	return f.String()
}

func (f *figures) cycle() {
	cycle := func(i string) string { return "Cycle/impl=" + i }
	f.ratio("added to a cycle with everything on ÷ added by otelpgx", "ns/op", added,
		cycle("bare"), cycle("everything"), cycle("otelpgx")).to(atMost(0.55))
	f.ratio("the same with stacks off", "ns/op", added, cycle("bare"), cycle("nostacks"), cycle("otelpgx")).to(atMost(0.45))
	f.value("allocations a cycle", cycle("everything"), "allocs/op").to(atMost(1))
	process := func(i string) string { return "Process/impl=" + i }
	f.ratio("added to a cycle's processor time in the whole process ÷ added by otelpgx", "cpu-ns/op", added,
		process("bare"), process("everything"), process("otelpgx")).to(atMost(1))
	f.ratio("the same with stacks off", "cpu-ns/op", added, process("bare"), process("nostacks"), process("otelpgx")).to(explains())
	f.value("one of its two values in the SDK, ns, with five attributes", "Record/attributes=5", "ns/op").to(explains())
	f.value("the same with one attribute", "Record/attributes=1", "ns/op").to(explains())
	f.value("the same without attributes", "Record/attributes=0", "ns/op").to(explains())
	f.ratio("a cycle that logs through the bridge ÷ one that logs text", "ns/op", over, "Logged/logger=bridge", "Logged/logger=text").to(atMost(1.1))
}

func (f *figures) throughput() {
	for _, work := range []string{"none", "query"} {
		name := "Contended/work=" + work + "/conns=4/impl="
		f.ratio("throughput, 32 goroutines on 4 connections, "+work, "ns/op", over, name+"bare", name+"everything").to(atLeast(0.97))
		f.ratio("the same, of a hook that only reads clocks and counts (floor)", "ns/op", over, name+"bare", name+"floor").to(explains())
		f.ratio("the same, of a hook that does nothing (noop)", "ns/op", over, name+"bare", name+"noop").to(explains())
	}
	f.ratio("throughput of SELECT 1", "ns/op", over, "Select/impl=bare", "Select/impl=everything").to(atLeast(0.99))
}

func (f *figures) durations() {
	for _, q := range []string{"p50", "p95", "p99"} {
		f.value(q+" of holds, under an exponential view: % off", "Quantiles", q+"-off-%").to(atMost(5))
	}
}

func (f *figures) collection() {
	perPool := func(v []float64) float64 { return v[0] / 100 }
	f.ratio("allocations of a collection, a pool, of 100 pools", "allocs/op", perPool, "Collect/pools=100").to(atMost(100))
	f.ratio("the least that the SDK takes for as many points", "allocs/op", perPool, "CollectSDK/pools=100").to(explains())
	f.ratio("what is ours of them", "allocs/op", func(v []float64) float64 { return less(v) / 100 }, "Collect/pools=100", "CollectSDK/pools=100").to(explains())
	f.ratio("collection, 1,000 pools ÷ 100 pools", "ns/op", under, "Collect/pools=100", "Collect/pools=1000").to(aboutTen())
	f.ratio("sweep, 10,000 holders ÷ 1,000 holders", "ns/op", under, "Sweep/holders=1000", "Sweep/holders=10000").to(aboutTen())
	f.ratio("retained for a connection beyond bare's, bytes", "B/conn", less, "Connections/impl=everything", "Connections/impl=bare").to(explains())
	f.value("retained for a pool, bytes", "Collect/pools=1000", "B/pool").to(explains())
}

func (f *figures) health() {
	f.value("reading the health, ns", "Health", "ns/op").to(atMost(1000))
	f.value("/health/database in an outage, requests a second", "Handler", "req/s").to(atLeast(1000))
	f.value("its p99, ms", "Handler", "p99-ms").to(atMost(10))
}

func (f *figures) String() string {
	var b strings.Builder
	b.WriteString("| figure | target | measured | met |\n|---|---|---|---|\n")
	for _, f := range f.all {
		if !f.known {
			continue
		}
		met := "–"
		if f.met != nil {
			met = map[bool]string{true: "yes", false: "**no**"}[f.met(f.value)]
		}
		fmt.Fprintf(&b, "| %s | %s | %.3g | %s |\n", f.what, f.target, f.value, met)
	}
	return b.String()
}
