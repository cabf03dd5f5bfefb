// Package spans exports what lasts: each outage of the database is a span, from its beginning to its end.
package spans

import (
	"context"

	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelpool/pgx/internal/telemetry"
	"github.com/otelpool/pgx/otelpool/internal/guard"
	"github.com/otelpool/pgx/otelpool/internal/mailbox"
	"github.com/otelpool/pgx/otelpool/internal/view"
)

// Config is where an Outlet exports to.
type Config struct {
	Provider trace.TracerProvider
	Pool     string
	Guard    *guard.Guard
}

// Outlet writes a span when an outage has ended. Give it views by Put and events by Post.
type Outlet struct {
	*mailbox.Mailbox
	config Config
}

// New starts to listen.
func New(c Config) *Outlet {
	o := &Outlet{config: c}
	o.Mailbox = mailbox.New("spans were written", c.Guard, func(b mailbox.Batch) {
		for _, e := range b.Events {
			if outage, ok := e.(view.OutageEnded); ok {
				o.write(outage)
			}
		}
	})
	return o
}

func (o *Outlet) write(e view.OutageEnded) {
	tracer := o.config.Provider.Tracer(telemetry.ScopeName,
		trace.WithInstrumentationVersion(telemetry.Version()), trace.WithSchemaURL(semconv.SchemaURL))
	_, span := tracer.Start(context.Background(), "database outage", trace.WithTimestamp(e.Since), trace.WithAttributes(
		semconv.DBClientConnectionPoolName(o.config.Pool), telemetry.KeyCause.String(string(e.Cause)),
		telemetry.KeyAttempts.Int64(e.Attempts)))
	if e.ErrorType != "" {
		span.SetAttributes(semconv.ErrorTypeKey.String(e.ErrorType))
	}
	span.SetStatus(codes.Error, string(e.Cause))
	span.End(trace.WithTimestamp(e.At))
}
