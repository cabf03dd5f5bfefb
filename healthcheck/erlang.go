package healthcheck

import "math"

// erlangCServers is the smallest number of servers for which at most 1 % of arrivals wait longer than target, in units of the
// mean service time, under an offered load in Erlangs: M/M/c queues. It is 0 if not even limit servers do.
//
// It goes by Erlang B, the share that would be lost if nobody could wait, whose recursion adds and divides positive numbers
// only and so keeps its precision where the textbook's factorials and powers overflow.
func erlangCServers(load, target float64, limit int) int {
	blocked := 1.0 // Erlang B
	for c := 1; c <= limit; c++ {
		n := float64(c)
		blocked = load * blocked / (n + load*blocked)
		if load >= n {
			continue // they cannot keep up
		}
		waits := blocked / (1 - load/n*(1-blocked)) // Erlang C
		if waits*math.Exp(-(n-load)*target) <= 0.01 {
			return c
		}
	}
	return 0
}
