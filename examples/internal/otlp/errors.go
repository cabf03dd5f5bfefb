package otlp

import (
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// errorHandler is where the SDK leaves its errors. A collector that is away fails every export of every signal: it warns of
// the first and then once a minute, with how many there were since. It must not log over OTLP: each failure would make another.
type errorHandler struct {
	logger *slog.Logger
	often  rate.Sometimes
	count  atomic.Int64 // errors not yet spoken of
}

func newErrorHandler(logger *slog.Logger) *errorHandler {
	return &errorHandler{logger: logger, often: rate.Sometimes{First: 1, Interval: time.Minute}}
}

// Handle implements otel.ErrorHandler.
func (h *errorHandler) Handle(err error) {
	h.count.Add(1)
	h.often.Do(func() { h.logger.Warn("telemetry is not delivered", "error", err, "errors", h.count.Swap(0)) })
}
