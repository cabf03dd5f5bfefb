package healthcheck_test

import (
	"fmt"
	"time"

	"github.com/otelpool/pgx/healthcheck"
)

// A pool that never gets through to its server is unhealthy after the second sample, and says why.
func ExampleJudge() {
	judge, err := healthcheck.NewJudge("orders", healthcheck.Evidence())
	if err != nil {
		panic(err)
	}
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	sample := healthcheck.Sample{HasTracer: true, Connect: healthcheck.Connects{
		LastErrorType: "28P01", LastError: "password authentication failed", LastErrorAt: start,
	}}
	for i := range 2 {
		sample.At = start.Add(time.Duration(i) * time.Second)
		report := judge.Judge(sample)
		fmt.Println(report.State)
		for _, f := range report.Findings {
			fmt.Println(f.Cause, "-", f.Summary)
			fmt.Println(f.Evidence[0])
		}
	}
	// Output:
	// initializing
	// unhealthy
	// rejected_credentials - The server refuses our role, password or database.
	// the last attempt failed 1s ago: 28P01, password authentication failed
}

// All mistakes are told at once.
func ExamplePolicy_Validate() {
	p := healthcheck.IdleRatio()
	p.IdleHealthy, p.ErrorWindow = 0.4, 0
	fmt.Println(p.Validate())
	// Output:
	// healthcheck: Policy.IdleDegraded is 0.5: want below IdleHealthy (0.4)
	// healthcheck: Policy.ErrorWindow is 0s: want above 0s
}

// A server that refuses our password is not asked again; any other is, ever less often.
func ExampleSchedule() {
	var s healthcheck.Schedule
	for _, errorType := range []string{"connection_refused", "57P03", "28P01"} {
		if !healthcheck.ShouldRetry(errorType) {
			fmt.Println(errorType, "- give up:", healthcheck.Classify(errorType))
			continue
		}
		fmt.Println(errorType, "- try again after about", s.Next().Round(time.Second))
	}
	// Output:
	// connection_refused - try again after about 1s
	// 57P03 - try again after about 2s
	// 28P01 - give up: rejected_credentials
}
