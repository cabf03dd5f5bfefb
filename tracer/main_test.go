package tracer_test

import (
	"testing"

	"github.com/otelpool/pgx/internal/testing/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }
