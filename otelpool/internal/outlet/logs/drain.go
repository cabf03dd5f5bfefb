package logs

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/otelpool/pgx/internal/telemetry"
	"github.com/otelpool/pgx/otelpool/internal/view"
)

// logDrain reports how far a pool is on its way to being closed.
func (o *Outlet) logDrain(d view.Drain) {
	holders := slog.Any("holders", sentences(formatSites(d.Holders)))
	switch {
	case d.Step == view.DrainStarted && d.ByHost:
		o.info(telemetry.EventShutdownStarted, "the application closes the pool", slog.Int("used", d.Held))
	case d.Step == view.DrainStarted:
		o.info(telemetry.EventShutdownStarted, "closing the pool", slog.Int("used", d.Held))
	case d.Step == view.DrainWaiting && d.ByHost:
		o.warn(telemetry.EventShutdownWaiting, "Close waits for "+connections(d.Held), holders)
	case d.Step == view.DrainWaiting:
		message := "waiting for " + connections(d.Held)
		if d.Left > 0 {
			message += fmt.Sprintf(", %v left", d.Left.Round(time.Second))
		}
		o.info(telemetry.EventShutdownWaiting, message, holders)
	case d.TimedOut:
		o.warn(telemetry.EventShutdownCompleted, "gave up waiting for held connections", slog.Int("used", d.Held), holders)
	default:
		o.info(telemetry.EventShutdownCompleted, "pool is closed", seconds("took", d.Took))
	}
}

func connections(n int) string {
	if n == 1 {
		return "1 connection"
	}
	return fmt.Sprintf("%d connections", n)
}
