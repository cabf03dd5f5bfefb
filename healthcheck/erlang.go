package healthcheck

import "math"

// erlangC is the probability that an arrival has to wait, with c servers and an offered load of a Erlangs: M/M/c queues.
// It is 1 if the servers cannot keep up (a ≥ c), and NaN for a negative or undefined load.
//
// It goes by Erlang B, whose recursion adds and divides positive numbers only and so keeps its precision where the
// textbook's factorials and powers overflow.
func erlangC(c int, a float64) float64 {
	switch {
	case math.IsNaN(a) || a < 0:
		return math.NaN()
	case a == 0:
		return 0
	case a >= float64(c):
		return 1
	}
	b := 1.0
	for n := 1; n <= c; n++ {
		b = a * b / (float64(n) + a*b)
	}
	return waitProbability(c, a, b)
}

// waitProbability turns Erlang B, the share that would be lost, into Erlang C, the share that waits.
func waitProbability(c int, a, b float64) float64 {
	rho := a / float64(c)
	return b / (1 - rho*(1-b))
}

// servers is the smallest c for which at most 1 % of arrivals wait longer than target, in units of the mean service time;
// 0 if not even limit servers do.
func servers(a, target float64, limit int) int {
	b := 1.0
	for c := 1; c <= limit; c++ {
		b = a * b / (float64(c) + a*b)
		if a >= float64(c) {
			continue
		}
		if waitProbability(c, a, b)*math.Exp(-(float64(c)-a)*target) <= 0.01 {
			return c
		}
	}
	return 0
}
