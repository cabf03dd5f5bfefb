// Report runs the benchmarks of internal/bench, interleaved and repeated, prints how the figures that are promised compare
// with what was measured, and writes them with the machine's description to docs/performance.md.
//
//	go run ./internal/bench/report              everything, about twenty minutes
//	go run ./internal/bench/report -rounds 3 -time 0.3s
package main

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
)

// suites are what is run, each a package's test binary. An empty pattern is the one asked for.
var suites = []struct{ pkg, pattern string }{{"./internal/bench", ""}, {"./tracer", "^BenchmarkSweep$"}}

// benchstat compares implementations side by side. It is run and not imported: it is no business of go.mod.
const benchstat = "golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da"

func main() {
	rounds := flag.Int("rounds", 12, "how often each benchmark is run, all of them in turn")
	duration := flag.String("time", "1s", "how long each run takes")
	pattern := flag.String("bench", ".", "which benchmarks to run")
	file := flag.String("write", "docs/performance.md", "the file to write the figures to; empty for none")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *rounds, *duration, *pattern, *file); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, rounds int, duration, pattern, file string) error {
	dir, err := os.MkdirTemp("", "otelpool-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary := func(pkg string) string { return filepath.Join(dir, filepath.Base(pkg)+".test") }
	for _, s := range suites {
		if out, err := exec.CommandContext(ctx, "go", "test", "-c", "-o", binary(s.pkg), s.pkg).CombinedOutput(); err != nil {
			return fmt.Errorf("build the benchmarks: %w\n%s", err, out)
		}
	}
	var all bytes.Buffer
	results := newResults()
	for round := range rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, rounds)
		for _, s := range suites {
			cmd := exec.CommandContext(ctx, binary(s.pkg), "-test.run", "^$", "-test.bench", cmp.Or(s.pattern, pattern),
				"-test.benchtime", duration, "-test.timeout", "60m")
			cmd.Env = append(os.Environ(), fmt.Sprintf("BENCH_ROUND=%d", round))
			out, err := cmd.Output()
			if err != nil {
				return fmt.Errorf("round %d: %w\n%s", round+1, err, out)
			}
			all.Write(out)
			results.add(out)
		}
	}
	raw := filepath.Join(dir, "all.txt")
	if err := os.WriteFile(raw, all.Bytes(), 0o644); err != nil {
		return err
	}
	compared, err := exec.CommandContext(ctx, "go", "run", benchstat, "-col", "/impl", raw).Output()
	if err != nil {
		compared = fmt.Appendf(nil, "benchstat could not be run: %v\n", err)
	}
	summary := results.figures()
	fmt.Printf("%s\n%s\n%s", machine(), summary, compared)
	if file == "" {
		return nil
	}
	return write(file, machine()+"\n"+summary+"\n"+results.table()+"\nAs benchstat compares them:\n\n```\n"+string(compared)+"```\n")
}

// machine is what the figures were measured on, without its name.
func machine() string {
	model := "unknown CPU"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("Measured on %s, %d cores, %s, %s/%s.\n", model, runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// write replaces what is between the markers of file.
func write(file, content string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok1 := strings.Cut(string(old), "<!-- bench:begin -->\n")
	_, after, ok2 := strings.Cut(rest, "<!-- bench:end -->")
	if !ok1 || !ok2 {
		return fmt.Errorf("%s has no bench markers", file)
	}
	return os.WriteFile(file, []byte(before+"<!-- bench:begin -->\n"+content+"<!-- bench:end -->"+after), 0o644)
}
