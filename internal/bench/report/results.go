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
