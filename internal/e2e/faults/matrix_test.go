package faults

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/otelpool/pgx/healthcheck"
)

// outcome is what one run of a scenario showed.
type outcome struct {
	name          string
	size          size
	truth, said   healthcheck.Cause
	missing       []string // of which it did not contain all
	detect, limit time.Duration
	recover       time.Duration // from the end of the fault to healthy
	starved       bool          // the process was called starved at some time
}

// wrong says what should have been different.
func (o outcome) wrong() error {
	var err error
	if o.said != o.truth {
		err = fmt.Errorf("%q was said first, the truth is %q", o.said, o.truth)
	}
	if o.missing != nil {
		err = errors.Join(err, fmt.Errorf("the first finding does not contain all of %q", o.missing))
	}
	if o.detect > o.limit {
		err = errors.Join(err, fmt.Errorf("said after %v, want %v", o.detect, o.limit))
	}
	if o.starved && o.truth != healthcheck.CauseProcessStarved {
		err = errors.Join(err, errors.New("the process was called starved"))
	}
	return err
}

// matrix collects outcomes. The zero value is ready.
type matrix struct {
	mu  sync.Mutex // guards all
	all []outcome
}

func (m *matrix) add(o outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = append(m.all, o)
}

// check fails the test for every run that should have been different.
func (m *matrix) check(t *testing.T) {
	t.Helper()
	for _, o := range m.all {
		if err := o.wrong(); err != nil {
			t.Errorf("%s, %v: %v", o.name, o.size, err)
		}
	}
}

// recovery is the 95th percentile of how long it took to be healthy after the fault.
func (m *matrix) recovery() (p95 time.Duration) {
	if len(m.all) == 0 {
		return 0
	}
	var took []time.Duration
	for _, o := range m.all {
		took = append(took, o.recover)
	}
	slices.Sort(took)
	return took[(len(took)*95+99)/100-1]
}

// print writes every run, and how often each true cause was called what.
func (m *matrix) print(out io.Writer) {
	slices.SortStableFunc(m.all, func(a, b outcome) int { return strings.Compare(a.name, b.name) })
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "scenario\tmax\tmin\tsaid first\tdetected in\tat most\thealthy again in")
	counts := make(map[healthcheck.Cause]map[healthcheck.Cause]int)
	for _, o := range m.all {
		if counts[o.truth] == nil {
			counts[o.truth] = make(map[healthcheck.Cause]int)
		}
		counts[o.truth][o.said]++
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%v\t%v\t%v\n", o.name, o.size.max, o.size.min, o.said,
			o.detect.Round(10*time.Millisecond), o.limit, o.recover.Round(10*time.Millisecond))
	}
	w.Flush()
	fmt.Fprintln(out, "\nconfusion matrix: true cause, and how often each was said first")
	for _, truth := range slices.Sorted(maps.Keys(counts)) {
		var row []string
		for _, said := range slices.Sorted(maps.Keys(counts[truth])) {
			row = append(row, fmt.Sprintf("%s %d", said, counts[truth][said]))
		}
		fmt.Fprintf(out, "  %-22s %s\n", truth, strings.Join(row, ", "))
	}
	fmt.Fprintf(out, "healthy again within %v of the end of the fault (p95)\n", m.recovery().Round(10*time.Millisecond))
}
