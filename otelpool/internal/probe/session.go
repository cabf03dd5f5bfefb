package probe

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/errtype"
	"github.com/otelpool/pgx/internal/redact"
	"github.com/otelpool/pgx/otelpool/internal/view"
)

// run is one session: connect by the schedule, and then look once a tick, until ctx is done. The judge hears of the server's
// answer only when the pool has been revived, since the session ends with the pool's recovery. Reviving ends by itself, or
// with the pool.
func (p *Probe) run(ctx context.Context) {
	var schedule healthcheck.Schedule
	for ctx.Err() == nil {
		conn, reconnected := p.connect(ctx, &schedule)
		if conn == nil {
			return
		}
		if reconnected {
			p.revive(p.life)
		}
		p.note(func(s *view.Probe) { s.OKAt = time.Now() })
		if p.watch(ctx, conn) {
			schedule.Reset()
		}
		hangUp(conn)
		pause(ctx, schedule.Next()) // a server that takes connections only to cut them must not be hammered
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func hangUp(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // whatever became of it, it is gone
}

// connect tries by the schedule until it has a connection. It returns nil when ctx is done, or when trying on is pointless
// and harmful: refused credentials lock accounts. The pool's own attempts will show when they are accepted again.
func (p *Probe) connect(ctx context.Context, schedule *healthcheck.Schedule) (conn *pgx.Conn, reconnected bool) {
	for number := 1; ctx.Err() == nil; number++ {
		conn, err := p.try(ctx)
		switch {
		case err == nil:
			return conn, p.connected(number > 1)
		case ctx.Err() != nil:
			return nil, false // we gave up, not the server
		}
		kind := errtype.Of(err)
		a := view.Attempt{At: time.Now(), Number: number, ErrorType: kind, Error: redact.Error(err),
			Delay: schedule.Next(), GaveUp: !healthcheck.ShouldRetry(kind)}
		p.failed(a)
		if a.GaveUp {
			return nil, false
		}
		pause(ctx, a.Delay)
	}
	return nil, false
}

// try connects once. Each address has its own time; together they may take as many times that.
func (p *Probe) try(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout*time.Duration(min(1+len(p.Conn.Fallbacks), maxAddresses)))
	defer cancel()
	p.note(func(s *view.Probe) { s.TryingSince = time.Now() })
	defer p.note(func(s *view.Probe) { s.TryingSince = time.Time{} })
	config := p.Conn.Copy()
	if p.BeforeConnect != nil {
		if err := p.BeforeConnect(ctx, config); err != nil {
			return nil, err
		}
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	if err := p.identify(ctx, conn); err != nil {
		hangUp(conn)
		return nil, err
	}
	return conn, nil
}

// identify asks who answers: a pooler takes connections though its server is gone, and makes up the PID that it gives away. What
// is not understood is an answer, too.
func (p *Probe) identify(ctx context.Context, conn *pgx.Conn) error {
	p.note(func(s *view.Probe) { s.AskedSince = time.Now() })
	defer p.note(func(s *view.Probe) { s.AskedSince = time.Time{} })
	var pid int32
	err := conn.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pid)
	if err != nil && (conn.IsClosed() || ctx.Err() != nil) {
		return err
	}
	if err == nil {
		p.note(func(s *view.Probe) { s.Asked, s.Pooled = true, uint32(pid) != conn.PgConn().PID() })
	}
	return nil
}

func (p *Probe) pooled() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state.Pooled
}

// Looks at the server. Where callers give up in less time than lies between two ticks, a look may come when all of them have just
// begun anew: then another one follows soon.
const (
	lookAgainAfter = 150 * time.Millisecond
	looksPerTick   = 4
)

// watch looks at our backends once a tick until ctx is done or the connection breaks. It says whether the server ever
// answered.
func (p *Probe) watch(ctx context.Context, conn *pgx.Conn) (answered bool) {
	interval := max(time.Second, p.Interval)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		for range looksPerTick {
			seen, err := p.look(ctx, conn)
			if err != nil && conn.IsClosed() {
				return answered // anything else is an answer, if not one that we understand
			}
			answered = true
			p.saw(ctx, seen, 2*interval)
			if p.pooled() {
				return answered // a pooler may have few sessions, and lend each for as long as it is connected: leave it to others meanwhile
			}
			if !p.sawNothing(seen) {
				break
			}
			pause(ctx, lookAgainAfter)
		}
		select {
		case <-ctx.Done():
			return answered
		case <-tick.C:
		}
	}
}

// saw notes a look. One that tells nothing does not replace, for a while, one that does.
func (p *Probe) saw(ctx context.Context, seen *healthcheck.ServerView, keep time.Duration) {
	p.note(func(s *view.Probe) {
		if ctx.Err() != nil {
			return
		}
		s.OKAt = time.Now()
		if old := s.Server; old == nil || seen == nil || telling(seen) || !telling(old) || seen.At.Sub(old.At) > keep {
			s.Server = seen
		}
	})
}

// sawNothing says that requests wait for connections, and that a look did not tell what those in use do.
func (p *Probe) sawNothing(seen *healthcheck.ServerView) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return seen != nil && !telling(seen) && p.latest != nil && p.latest.Waiting() > 0
}

// telling says whether a look found any of ours at work, and, if that waits for a lock, for whom.
func telling(v *healthcheck.ServerView) bool {
	return slices.ContainsFunc(v.Backends, func(b healthcheck.Backend) bool {
		return b.State == "active" && (b.WaitEventType != "Lock" || len(b.BlockedBy) > 0)
	})
}
