package probe

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/tracer"
)

// answerTime is how long a connection may take to answer when the server is known to be back, and how long the good ones
// are kept from the application while others are built.
const answerTime = time.Second

// revive has the pool notice that its server is back, which pgxpool would do only when somebody asks, or within a minute:
// idle connections are asked for a sign of life, broken ones closed, and what is missing of MinConns, at least one, is
// built. The application sees none of it in its counts. Pool.Reset, which pgx advises, would give back the places of
// connections over which nothing comes back only when pgx has waited for their server to say goodbye: five seconds later.
func (p *Probe) revive(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	idle := p.Pool.AcquireAllIdle(ctx)
	others := p.inUse(len(idle))
	good := p.answering(ctx, idle)
	p.build(ctx, max(1, p.MinConns)-others-len(good), good)
}

// build has the pool make n connections. Until they are there, those that it has are kept, or whoever asks would be given
// one of them; but not for longer than answerTime.
func (p *Probe) build(ctx context.Context, n int, kept []*pgxpool.Conn) {
	built, ctx := make(chan *pgxpool.Conn), tracer.Untracked(ctx)
	for range n {
		go func() {
			var conn *pgxpool.Conn
			defer func() { built <- conn }()
			p.Guard.Do("reviving the pool", func() { conn, _ = p.Pool.Acquire(ctx) })
		}()
	}
	giveBack := func() {
		for _, conn := range kept {
			conn.Release()
		}
		kept = nil
	}
	defer giveBack()
	for enough := time.After(answerTime); n > 0; {
		select {
		case <-enough:
			giveBack()
		case conn := <-built:
			n--
			if conn != nil {
				kept = append(kept, conn)
			}
		}
	}
}

// answering closes and gives back those that do not answer, and returns the others.
func (p *Probe) answering(ctx context.Context, idle []*pgxpool.Conn) (good []*pgxpool.Conn) {
	alive := make([]bool, len(idle))
	var asking sync.WaitGroup
	for i, conn := range idle {
		asking.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, answerTime)
			defer cancel()
			p.Guard.Do("reviving the pool", func() { alive[i] = conn.Ping(ctx) == nil })
		})
	}
	asking.Wait()
	for i, conn := range idle {
		if alive[i] {
			good = append(good, conn)
			continue
		}
		// Pgx takes leave of a server in the background, and a connection has its place in the pool until then. This one
		// cannot be heard any more.
		_ = conn.Conn().PgConn().Conn().Close()
		_ = conn.Conn().Close(ctx)
		conn.Release()
	}
	return good
}
