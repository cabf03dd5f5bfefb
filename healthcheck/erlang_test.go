package healthcheck

import (
	"math"
	"testing"
)

// textbook is Erlang C, the probability that an arrival has to wait, as the books write it: by powers and factorials, of
// which the logarithms are taken lest they overflow.
func textbook(c int, a float64) float64 {
	if a >= float64(c) {
		return 1
	}
	term := func(k int) float64 { // a^k / k!, all of them divided by the last
		lk, _ := math.Lgamma(float64(k) + 1)
		lc, _ := math.Lgamma(float64(c) + 1)
		return math.Exp(float64(k-c)*math.Log(a) - lk + lc)
	}
	sum := 0.0
	for k := range c {
		sum += term(k)
	}
	waiting := float64(c) / (float64(c) - a)
	return waiting / (sum + waiting)
}

// The small systems are worked out in fractions; M/M/1 waits with probability ρ, M/M/2 with 2ρ²/(1+ρ).
func TestErlangC_TheTextbookIsCopiedRight(t *testing.T) {
	for _, c := range []struct {
		servers int
		load    float64
		want    float64
	}{
		{1, 0.5, 0.5}, {1, 0.9, 0.9},
		{2, 1, 1.0 / 3}, {2, 1.5, 9.0 / 14},
		{3, 2, 4.0 / 9},
		{4, 3, 27.0 / 53},
		{5, 4, 128.0 / 231},
		{6, 5, 0.5875}, {7, 5, 0.3241}, {8, 5, 0.1673}, {9, 5, 0.0805}, {10, 5, 0.0361},
		{10, 10, 1}, {10, 11, 1},
	} {
		if got := textbook(c.servers, c.load); math.Abs(got-c.want) > 1e-4 {
			t.Errorf("C(%d, %v) = %.5f, want %.5f", c.servers, c.load, got, c.want)
		}
	}
}

func TestErlangC_IsTheSmallestNumberThatMeetsTheTarget(t *testing.T) {
	tail := func(c int, a, target float64) float64 {
		if c < 1 {
			return 1
		}
		return textbook(c, a) * math.Exp(-(float64(c)-a)*target)
	}
	for _, a := range []float64{0.01, 0.5, 1, 4, 9.9, 50, 800, 8900} {
		for _, target := range []float64{0.01, 0.1, 2} {
			c := erlangCServers(a, target, sizingMax)
			if tail(c, a, target) > 0.01 || tail(c-1, a, target) <= 0.01 {
				t.Errorf("load %v, target %v: %d servers", a, target, c)
			}
		}
	}
	for _, a := range []float64{20, math.Inf(1), math.NaN()} {
		if c := erlangCServers(a, 1, 10); c != 0 {
			t.Errorf("10 servers cannot bear a load of %v, said %d", a, c)
		}
	}
}
