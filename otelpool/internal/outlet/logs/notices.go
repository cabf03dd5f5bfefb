package logs

import (
	"log/slog"

	"github.com/otelpool/pgx/internal/telemetry"
	"github.com/otelpool/pgx/otelpool/internal/view"
)

// logNotice reports that a notice was raised.
func (o *Outlet) logNotice(e view.NoticeRaised) {
	n := &e.Notice
	o.info(telemetry.EventNoticeRaised, n.Summary, slog.String(string(telemetry.KeyNotice), string(n.Kind)),
		slog.Any("evidence", sentences(n.Evidence)), slog.String("advice", n.Advice), slog.String("runbook", n.Runbook))
}
