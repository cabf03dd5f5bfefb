package healthcheck

import "math"

// servers is the smallest number of servers for which at most 1 % of arrivals wait longer than target, in units of the mean
// service time, under an offered load of a Erlangs: M/M/c queues. It is 0 if not even limit servers do.
//
// It goes by Erlang B, the share that would be lost if nobody could wait, whose recursion adds and divides positive numbers
// only and so keeps its precision where the textbook's factorials and powers overflow.
func servers(a, target float64, limit int) int {
	lost := 1.0
	for c := 1; c <= limit; c++ {
		n := float64(c)
		lost = a * lost / (n + a*lost)
		if a >= n {
			continue // they cannot keep up
		}
		waits := lost / (1 - a/n*(1-lost)) // Erlang C
		if waits*math.Exp(-(n-a)*target) <= 0.01 {
			return c
		}
	}
	return 0
}
