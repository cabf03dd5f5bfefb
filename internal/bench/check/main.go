// Check counts the instructions and allocations of the hook and compares them with recorded ones: it fails where one of them
// has grown by more than 5 %, or instructions by more than 25 % where another version of Go made them. Counting is repeatable where timing is not. It needs valgrind.
//
//	go run ./internal/bench/check           compare
//	go run ./internal/bench/check -update   record
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
)

const (
	recordFile = "internal/bench/check/recorded.json"
	tolerance  = 1.05
	gross      = 1.25   // of instructions that another compiler made
	least      = 20_000 // iterations of the short run; the long one has twice as many
)

var cases = []string{"cycle", "nostacks", "query"}

// cost is what one iteration takes.
type cost struct {
	Instructions float64 `json:"instructions"`
	Allocations  float64 `json:"allocations"`
}

// record is a set of costs and the compiler that made the code: one of another minor version makes other code.
type record struct {
	Go    string          `json:"go"`
	Costs map[string]cost `json:"costs"`
}

func main() {
	update := flag.Bool("update", false, "record what is measured")
	flag.Parse()
	if err := run(*update); err != nil {
		fmt.Fprintln(os.Stderr, "bench-check:", err)
		os.Exit(1)
	}
}

func run(update bool) error {
	now, err := measure()
	if err != nil {
		return err
	}
	if update {
		text, err := json.MarshalIndent(now, "", "  ")
		if err != nil {
			return err
		}
		return os.WriteFile(recordFile, append(text, '\n'), 0o644)
	}
	text, err := os.ReadFile(recordFile)
	if err != nil {
		return err
	}
	var recorded record
	if err := json.Unmarshal(text, &recorded); err != nil {
		return fmt.Errorf("%s: %w", recordFile, err)
	}
	return compare(recorded, now)
}

func measure() (record, error) {
	r := record{Go: runtime.Version() + " " + runtime.GOARCH, Costs: make(map[string]cost)}
	dir, err := os.MkdirTemp("", "otelpool-check-")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "loop")
	if out, err := exec.Command("go", "build", "-o", binary, "./internal/bench/loop").CombinedOutput(); err != nil {
		return r, fmt.Errorf("build: %w\n%s", err, out)
	}
	for _, name := range cases {
		short, err := count(binary, dir, name, least)
		if err != nil {
			return r, err
		}
		long, err := count(binary, dir, name, 2*least)
		if err != nil {
			return r, err
		}
		r.Costs[name] = cost{
			Instructions: (long.Instructions - short.Instructions) / least,
			Allocations:  (long.Allocations - short.Allocations) / least,
		}
	}
	return r, nil
}

var (
	refs   = regexp.MustCompile(`(?m)^summary: (\d+)|^totals: (\d+)`)
	allocs = regexp.MustCompile(`(?m)^allocs (\d+)`)
)

// count runs the loop under valgrind. The difference of two runs is free of what starting and ending take.
func count(binary, dir, name string, n int) (cost, error) {
	file := filepath.Join(dir, "callgrind.out")
	cmd := exec.Command("valgrind", "--tool=callgrind", "--callgrind-out-file="+file, binary, "-n", strconv.Itoa(n), "-case", name)
	cmd.Env = append(os.Environ(), "GODEBUG=asyncpreemptoff=1", "GOMAXPROCS=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return cost{}, fmt.Errorf("count %s: %w\n%s", name, err, out)
	}
	profile, err := os.ReadFile(file)
	if err != nil {
		return cost{}, err
	}
	instructions, err := number(refs, profile)
	if err != nil {
		return cost{}, fmt.Errorf("callgrind's output of %s: %w", name, err)
	}
	allocations, err := number(allocs, out)
	return cost{instructions, allocations}, err
}

func number(pattern *regexp.Regexp, text []byte) (float64, error) {
	m := pattern.FindSubmatch(text)
	for _, group := range m[min(1, len(m)):] {
		if len(group) > 0 {
			return strconv.ParseFloat(string(group), 64)
		}
	}
	return 0, fmt.Errorf("no match of %s", pattern)
}

func compare(recorded, now record) error {
	allowed := tolerance
	if compiler(recorded.Go) != compiler(now.Go) {
		allowed = gross
		fmt.Printf("NOTE: recorded with %s, this is %s: instructions may grow by %.0f %%; record them anew\n", recorded.Go, now.Go, 100*(gross-1))
	}
	worse := 0
	for _, name := range cases {
		was, is := recorded.Costs[name], now.Costs[name]
		fmt.Printf("%-10s %7.1f instructions (recorded %7.1f, %+.1f %%), %.2f allocations (recorded %.2f)\n", name,
			is.Instructions, was.Instructions, 100*(is.Instructions/was.Instructions-1), is.Allocations, was.Allocations)
		if is.Instructions > allowed*was.Instructions || is.Allocations > tolerance*was.Allocations+0.01 {
			worse++
		}
	}
	if worse > 0 {
		return fmt.Errorf("%d of %d cases cost more than is allowed beyond what is recorded; if that is meant, make bench-check UPDATE=1", worse, len(cases))
	}
	return nil
}

var patch = regexp.MustCompile(`^(go\d+\.\d+)\S*`)

// compiler is a version of Go and an architecture, without the patch: "go1.26 amd64".
func compiler(version string) string { return patch.ReplaceAllString(version, "$1") }
