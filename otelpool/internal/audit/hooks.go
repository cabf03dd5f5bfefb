package audit

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/otelpool/internal/view"
)

// Hooks note whether the hooks that Configure has installed are called. A program that sets its own later replaces them; one that
// wraps them does not, and no look at the configuration can tell the two apart.
type Hooks struct {
	beforeConnect func(context.Context, *pgx.ConnConfig) error
	afterConnect  func(context.Context, *pgx.Conn) error // nil if there is none
	beforeClose   func(*pgx.Conn)

	connected, prepared, closed atomic.Bool // called

	missed bool // the view before knew of closes that did not reach us
}

// Watch puts itself before the hooks of cfg. BeforeConnect and BeforeClose must be there.
func Watch(cfg *pgxpool.Config) *Hooks {
	h := &Hooks{beforeConnect: cfg.BeforeConnect, afterConnect: cfg.AfterConnect, beforeClose: cfg.BeforeClose}
	cfg.BeforeConnect, cfg.BeforeClose = h.onConnect, h.onClose
	if h.afterConnect != nil {
		cfg.AfterConnect = h.onConnected
	}
	return h
}

func (h *Hooks) onConnect(ctx context.Context, config *pgx.ConnConfig) error {
	h.connected.Store(true)
	return h.beforeConnect(ctx, config)
}

func (h *Hooks) onConnected(ctx context.Context, conn *pgx.Conn) error {
	h.prepared.Store(true)
	return h.afterConnect(ctx, conn)
}

func (h *Hooks) onClose(conn *pgx.Conn) {
	h.closed.Store(true)
	h.beforeClose(conn)
}

// notices says which hooks were replaced. A nil h is that of a configuration without our Tracer.
func (h *Hooks) notices(cfg *pgxpool.Config, v *view.View) []healthcheck.Notice {
	replaced, evidence := h.replaced(cfg, v)
	if len(replaced) == 0 {
		return nil
	}
	return []healthcheck.Notice{healthcheck.NewNotice(healthcheck.NoticeHooksReplaced,
		"A hook that Configure had installed was replaced afterwards: "+strings.Join(replaced, ", ")+".",
		evidence, "Set your own hooks first and call otelpool.Configure last: it keeps what it finds.")}
}

func (h *Hooks) replaced(cfg *pgxpool.Config, v *view.View) (names, evidence []string) {
	add := func(name, why string, args ...any) {
		names, evidence = append(names, name), append(evidence, fmt.Sprintf(why, args...))
	}
	if h == nil {
		if configured(cfg) {
			add("Tracer", "0 events reach the installed Tracer, although BeforeConnect or BeforeClose is Configure's")
		}
		return names, evidence
	}
	if !v.HasHook { // Configure came too late: none of them is used
		return nil, nil
	}
	open := v.Stat.Idle + v.Stat.Used // made, AfterConnect included
	if open > 0 && !h.connected.Load() {
		add("BeforeConnect", "the pool has %d connections and has called the installed BeforeConnect 0 times", open)
	}
	switch {
	case h.afterConnect == nil && cfg.AfterConnect != nil:
		add("AfterConnect", "Configure found 0 of them, and the pool has one")
	case h.afterConnect != nil && open > 0 && !h.prepared.Load():
		add("AfterConnect", "the pool has %d connections and has called the installed AfterConnect 0 times", open)
	}
	if unseen := h.unseenCloses(v); unseen > 0 && h.missed {
		add("BeforeClose", "the pool has closed %d connections and has called the installed BeforeClose 0 times", unseen)
	}
	h.missed = h.unseenCloses(v) > 0
	return names, evidence
}

// unseenCloses is how many connections have left the pool, if no close has reached us. One that is leaving at this moment is among
// them: two views are to agree.
func (h *Hooks) unseenCloses(v *view.View) int64 {
	if h.closed.Load() {
		return 0
	}
	c := &v.Hook.Counters.Counts
	left := c[counts.Hijacked]
	for n := counts.ClosedBroken; n <= counts.ClosedDiscarded; n++ {
		left += c[n] // AfterConnect's failures: pgxpool closes these itself
	}
	return c[counts.Opened] - left - int64(v.Stat.Total)
}

// configured says that cfg has a hook of ours, whatever became of its Tracer. Method values of one method share their code.
func configured(cfg *pgxpool.Config) bool {
	var h Hooks
	return code(cfg.BeforeConnect) == code(h.onConnect) || code(cfg.BeforeClose) == code(h.onClose)
}

func code(f any) uintptr { return reflect.ValueOf(f).Pointer() }
