package healthcheck

import (
	"fmt"
	"time"
)

// reason is why holders wait for the server.
type reason struct {
	summary  string
	evidence []string
	advice   string
}

// What most of our connections wait for, by the server's word.
var serverReasons = map[serverWait]reason{
	waitStandby: {summary: "Commits wait for a synchronous standby.",
		advice: "See in pg_stat_replication whether the standby is there and keeps up. If it is gone, take it out of " +
			"synchronous_standby_names and reload; a larger pool would only wait with more connections."},
	waitIO: {summary: "Queries wait for the server's storage.",
		advice: "Look for what reads or writes so much (pg_stat_io, pg_stat_statements), for missing indexes and too little cache, " +
			"and at the limits of the disk; a larger pool would slow it further."},
	waitInternal: {summary: "Queries wait for each other inside the server.",
		advice: "Run fewer of them at once: a smaller pool, or fewer replicas of it; then look up the wait event in PostgreSQL's manual."},
}

// slowReason is the most specific reason for which there is evidence.
func (f *facts) slowReason(queries queryRate) reason {
	w := f.serverWork()
	wait := w.most()
	r, named := serverReasons[wait]
	switch others := f.serverView(); {
	case named:
		r.evidence = append(r.evidence, fmt.Sprintf("%d of %d wait for %s", w.count[wait], w.engaged, w.event[wait]))
		return r
	case queries.many(f):
		return f.manyQueries(queries)
	case w.crowdedOut(others):
		return busyElsewhere(others)
	case wait == waitClient:
		return f.onTheWay(&w)
	}
	const summary = "Queries are slow, so connections come back late."
	if f.serverView() == nil {
		return reason{summary, []string{"the server was not asked what they wait for"},
			"Compare the time of SELECT 1 from here and on the server. If that is quick, find the slow statements (pg_stat_statements, EXPLAIN)."}
	}
	return reason{summary, nil,
		"Find the slow statements (pg_stat_statements, EXPLAIN) and what the server lacks; a larger pool would slow it further."}
}

// lostOnTheWay says that holders wait for answers although the server has nothing to do for them, and not only for moments.
func (f *facts) lostOnTheWay() bool {
	w := f.serverWork()
	return w.most() == waitClient && f.slowness().now >= f.p.WaitTarget
}

func (f *facts) onTheWay(w *serverWork) reason {
	r := reason{"Answers come late although the server is done: the time is lost on the way.",
		[]string{fmt.Sprintf("for %d of %d the server has nothing to do", w.count[waitClient], w.engaged)},
		"Compare the time of SELECT 1 from here and on the server; look at the network and at what lies between: proxies, poolers, distance."}
	if v := f.serverView(); v.RoundTrip > 0 {
		r.evidence = append(r.evidence, "a round trip takes the probe "+short(v.RoundTrip))
	}
	return r
}

func busyElsewhere(v *ServerView) reason {
	evidence := fmt.Sprintf("%d sessions of others run on the server", v.Running)
	if v.RunningMost != "" {
		evidence += fmt.Sprintf(", most of them of application %q", v.RunningMost)
	}
	return reason{"The server is busy with other work, so ours takes longer.", []string{evidence},
		"Compare their number with the server's processors; see in pg_stat_activity what they run, and move or limit it: another time, " +
			"another server, fewer at once. A larger pool would not help."}
}

// queryRate is how many queries the holders have sent in the holds under way, and how long each took.
type queryRate struct {
	perHold int64
	each    time.Duration
}

func (u *holderUsage) queriesPerHold() queryRate {
	if u.asking == 0 || u.queries == 0 {
		return queryRate{}
	}
	return queryRate{u.queries / int64(u.asking), u.queryTime / time.Duration(u.queries)}
}

// manyQueriesPerHold is how many it takes to say that their number costs the time. The holders are seen half-way, on average.
const manyQueriesPerHold = 10

// many says that holds take long for the number of their queries: each is short, or is little more than a round trip.
func (q queryRate) many(f *facts) bool {
	limit := f.p.WaitTarget
	if v := f.serverView(); v != nil {
		limit = max(limit, 2*v.RoundTrip)
	}
	return q.perHold >= manyQueriesPerHold && q.each <= limit
}

func (f *facts) manyQueries(q queryRate) reason {
	r := reason{"Each hold sends many short queries, one after the other.",
		[]string{fmt.Sprintf("%d queries a hold so far, each about %s", q.perHold, short(q.each))},
		"Send fewer: one statement for many rows (joins, arrays, COPY), or a pgx.Batch for one round trip; prepare what you can before acquiring."}
	if v := f.serverView(); v != nil && v.RoundTrip > 0 {
		r.evidence = append(r.evidence, "a round trip takes the probe "+short(v.RoundTrip))
		if 2*v.RoundTrip >= q.each && v.RoundTrip >= f.p.WaitTarget/10 {
			r.advice += " Most of it is the way: run nearer to the server if you can."
		}
	}
	return r
}
