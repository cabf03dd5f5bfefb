package main

import (
	"bufio"
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// results are all measurements: by benchmark and unit, one a round.
type results struct {
	names  []string // in the order of their first appearance
	values map[string]map[string][]float64
}

func newResults() *results { return &results{values: make(map[string]map[string][]float64)} }

var procs = regexp.MustCompile(`-\d+$`)

// add parses the output of one round.
func (r *results) add(out []byte) {
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := procs.ReplaceAllString(strings.TrimPrefix(fields[0], "Benchmark"), "")
		if r.values[name] == nil {
			r.names = append(r.names, name)
			r.values[name] = make(map[string][]float64)
		}
		for i := 2; i+1 < len(fields); i += 2 {
			if v, err := strconv.ParseFloat(fields[i], 64); err == nil {
				r.values[name][fields[i+1]] = append(r.values[name][fields[i+1]], v)
			}
		}
	}
}

// median of one benchmark in one unit; ok is false if it was not run.
func (r *results) median(name, unit string) (v float64, ok bool) { return median(r.values[name][unit]) }

func median(values []float64) (float64, bool) {
	if len(values) == 0 {
		return 0, false
	}
	sorted := slices.Sorted(slices.Values(values))
	mid := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[mid], true
	}
	return (sorted[mid-1] + sorted[mid]) / 2, true
}

// paired is the median over rounds of f, applied to what each round measured: rounds differ more than their benchmarks.
func (r *results) paired(unit string, f func(v []float64) float64, names ...string) (float64, bool) {
	var all []float64
	for round := 0; ; round++ {
		var v []float64
		for _, name := range names {
			if values := r.values[name][unit]; round < len(values) {
				v = append(v, values[round])
			}
		}
		if len(v) < len(names) {
			return median(all)
		}
		all = append(all, f(v))
	}
}

// figure is something that is promised.
type figure struct {
	what, target string
	value        float64
	known        bool
	met          func(float64) bool
}

// added is what two implementations add to bare, the first divided by the second.
func added(v []float64) float64 { return (v[1] - v[0]) / (v[2] - v[0]) }

// throughput is how much of bare's is left.
func throughput(v []float64) float64 { return v[0] / v[1] }

func atMost(limit float64) func(float64) bool  { return func(v float64) bool { return v <= limit } }
func atLeast(limit float64) func(float64) bool { return func(v float64) bool { return v >= limit } }

// summary says of each promised figure whether it is met.
func (r *results) summary() string {
	var figures []figure
	add := func(what, target string, met func(float64) bool, value float64, known bool) {
		figures = append(figures, figure{what, target, value, known, met})
	}
	ratio := func(what, target string, met func(float64) bool, f func([]float64) float64, names ...string) {
		v, known := r.paired("ns/op", f, names...)
		add(what, target, met, v, known)
	}
	cycle := func(i string) string { return "Cycle/impl=" + i }
	ratio("added to a cycle with everything on ÷ added by otelpgx", "≤ 1.0", atMost(1), added, cycle("bare"), cycle("everything"), cycle("otelpgx"))
	ratio("the same with stacks off", "≤ 0.6", atMost(0.6), added, cycle("bare"), cycle("nostacks"), cycle("otelpgx"))
	allocs, known := r.median(cycle("everything"), "allocs/op")
	add("allocations a cycle", "≤ 1", atMost(1), allocs, known)
	for _, work := range []string{"none", "query"} {
		name := "Contended/work=" + work + "/conns=4/impl="
		ratio("throughput, 32 goroutines on 4 connections, "+work, "≥ 0.97", atLeast(0.97), throughput, name+"bare", name+"everything")
		ratio("the same, of a hook that only reads clocks and counts (floor)", "", nil, throughput, name+"bare", name+"floor")
		ratio("the same, of a hook that does nothing (noop)", "", nil, throughput, name+"bare", name+"noop")
	}
	ratio("throughput of SELECT 1", "≥ 0.99", atLeast(0.99), throughput, "Select/impl=bare", "Select/impl=everything")
	ratio("collection, 1,000 pools ÷ 100 pools", "about 10", atMost(15), func(v []float64) float64 { return v[1] / v[0] }, "Collect/pools=100", "Collect/pools=1000")
	ratio("sweep, 10,000 holders ÷ 1,000 holders", "about 10", atMost(15), func(v []float64) float64 { return v[1] / v[0] }, "Sweep/holders=1000", "Sweep/holders=10000")
	perConn, known := r.paired("B/conn", func(v []float64) float64 { return v[1] - v[0] }, "Connections/impl=bare", "Connections/impl=everything")
	add("retained for a connection beyond bare's, bytes", "", nil, perConn, known)
	perPool, known := r.median("Collect/pools=1000", "B/pool")
	add("retained for a pool, bytes", "", nil, perPool, known)
	health, known := r.median("Health", "ns/op")
	add("reading the health, ns", "≤ 1000", atMost(1000), health, known)
	rate, known := r.median("Handler", "req/s")
	add("/health/database in an outage, requests a second", "≥ 1000", atLeast(1000), rate, known)
	p99, known := r.median("Handler", "p99-ms")
	add("its p99, ms", "< 10", atMost(10), p99, known)

	var b strings.Builder
	b.WriteString("| figure | target | measured | met |\n|---|---|---|---|\n")
	for _, f := range figures {
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

// table is the median of every benchmark.
func (r *results) table() string {
	var b strings.Builder
	b.WriteString("| benchmark | ns/op | B/op | allocs/op | other |\n|---|---|---|---|---|\n")
	for _, name := range r.names {
		var other []string
		for unit := range r.values[name] {
			if v, _ := r.median(name, unit); unit != "ns/op" && unit != "B/op" && unit != "allocs/op" {
				other = append(other, fmt.Sprintf("%.4g %s", v, unit))
			}
		}
		slices.Sort(other)
		ns, _ := r.median(name, "ns/op")
		bytes, _ := r.median(name, "B/op")
		allocs, _ := r.median(name, "allocs/op")
		fmt.Fprintf(&b, "| %s | %.4g | %.0f | %.0f | %s |\n", name, ns, bytes, allocs, strings.Join(other, ", "))
	}
	return b.String()
}
