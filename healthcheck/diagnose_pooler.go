package healthcheck

import (
	"fmt"
	"time"

	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/internal/pooler"
)

var poolerRemedies = map[pooler.Complaint]remedy{
	pooler.Full: {"The pooler takes no more clients from us.",
		"Lower MaxConns over all replicas below the pooler's limit (PgBouncer: max_client_conn), or raise that; SHOW CLIENTS on its console says who has them."},
	pooler.NoServer: {"The pooler answers, and the server behind it does not.",
		"Start the server, or correct where the pooler looks for it; SHOW SERVERS and SHOW DATABASES on its console, and its log, say why it cannot log in."},
	pooler.Queued: {"The pooler has had no connection to the server for our queries until it gave up.",
		"SHOW POOLS on its console: without servers (sv_active, sv_idle) look at the server; with them, at who keeps them."},
}

// poolerAlone says that a pooler let us in and had no server for us: queries broke with words that only it has, and nothing has come
// back since. That the pool connects proves nothing then.
func poolerAlone(f *facts, r *reach) bool {
	complaint := r.lost.complaint()
	if complaint != pooler.NoServer && complaint != pooler.Queued {
		return false
	}
	if !f.happenedWithin(r.lost.at, f.p.ErrorWindow) || f.s.Probe.OKAt.After(r.lost.at) {
		return false
	}
	var lost int64
	all := f.all
	for i := len(all) - 1; i > 0; i-- {
		d := between(&all[i-1], &all[i])
		if d.added[counts.ReleasedClean] > 0 {
			break
		}
		lost += d.added[counts.Lost]
	}
	return lost >= 2
}

func (f *facts) noServerBehind(weight float64) candidate {
	r := &f.reach
	fix := poolerRemedies[r.lost.complaint()]
	return newCandidate(weight, CauseUnreachable, fix.summary, []string{
		fmt.Sprintf("the last query failed %s: %s", f.ago(r.lost.at), r.lost),
		count(f.s.Counts[counts.Lost], "connection") + " lost so far, and no query has been answered since",
		"the pooler itself takes connections: the last one " + f.ago(r.lastAnsweredAt),
	}, fix.advice)
}

// poolerQueue is what is known of queries that wait in a pooler.
type poolerQueue struct {
	waiting  int           // at least so many have no session of the server; 0 if it cannot be told
	sessions int           // that the server has of our role in our database; 0 if it was not asked
	probe    time.Duration // the probe was let in, and waits for a session
}

// inPooler looks for queries that wait in a pooler. One that has lost its server looks the same to us and to the probe, but answers
// nobody.
func (f *facts) inPooler() (q poolerQueue) {
	asking := f.holders.count[querying]
	if !f.s.Pooled || asking == 0 {
		return q
	}
	if v := f.serverView(); v != nil && v.Sessions > 0 {
		if asking > v.Sessions+1 {
			q.waiting, q.sessions = asking-v.Sessions, v.Sessions
		}
		return q
	}
	if f.last.added[counts.ReleasedClean] == 0 {
		return q
	}
	if since := f.s.Probe.AskedSince; !since.IsZero() && f.s.At.Sub(since) >= notableSilence {
		q.waiting, q.probe = 1, f.s.At.Sub(since)
	}
	return q
}

// diagnosePoolerQueue finds queries that wait in a pooler. From here they look like slow ones, and the pool like one too small.
func diagnosePoolerQueue(f *facts, v *verdict) candidate {
	q := f.inPooler()
	if q.waiting == 0 || !f.underPressure(v) || v.late {
		return candidate{}
	}
	evidence := []string{fmt.Sprintf("%d of %s waiting for an answer", f.holders.count[querying], count(f.holders.held, "held connection"))}
	if q.sessions > 0 {
		evidence = append(evidence, fmt.Sprintf("the server has %s of our role in our database: %d queries or more wait in the pooler",
			count(q.sessions, "session"), q.waiting))
	} else {
		evidence = append(evidence, fmt.Sprintf("the pooler let the probe in, and has had no session of the server for it for %s", short(q.probe)))
	}
	evidence = append(evidence, f.pressureText(), "the PIDs of our connections are the pooler's")
	return newCandidate(byShare(weightPoolerQueue, f.holders.share(querying)), CausePoolerQueue,
		"Queries wait in the connection pooler for one of its connections to the server.", f.withSites(evidence, querying),
		"SHOW POOLS on the pooler's console: cl_waiting and maxwait above 0 confirm it. Raise its pool (PgBouncer: default_pool_size, max_db_connections)"+
			" if the server has room, or lower MaxConns: connections beyond it only wait there. In session mode each of ours keeps one for good: use transaction mode.")
}
