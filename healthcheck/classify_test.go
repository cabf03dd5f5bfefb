package healthcheck

import (
	"strings"
	"testing"
	"time"
)

func TestClassify_NamesTheCauseOfEachErrorType(t *testing.T) {
	for kind, want := range map[string]Cause{
		"": "", "canceled": "", "pool_closed": "",
		"connection_refused": CauseUnreachable, "connection_reset": CauseUnreachable, "timeout": CauseUnreachable,
		"dns": CauseUnreachable, "tls": CauseUnreachable, "network": CauseUnreachable,
		"08000": CauseUnreachable, "08001": CauseUnreachable, "08006": CauseUnreachable, "08P01": CauseUnreachable,
		"28P01": CauseRejectedCredentials, "28000": CauseRejectedCredentials, "3D000": CauseRejectedCredentials,
		"42501": CauseRejectedCredentials, "57P04": CauseRejectedCredentials,
		"53300": CauseTooManyConnections, "53400": CauseTooManyConnections,
		"57P01": CauseServerShutdown, "57P02": CauseServerShutdown, "57P05": CauseServerShutdown, "57P03": CauseServerStarting,
		"25006": CauseReadOnly, "25P03": CauseHeldIdle, "25P04": CauseHeldIdle,
		"_OTHER": CauseInsufficientData, "XX000": CauseInsufficientData, "0800": CauseInsufficientData,
	} {
		if got := Classify(kind); got != want {
			t.Errorf("%q: %q, want %q", kind, got, want)
		}
		if retry := !strings.HasPrefix(kind, "28"); ShouldRetry(kind) != retry {
			t.Errorf("%q: retry is %t", kind, !retry)
		}
	}
}

func TestSchedule_WaitsLongerUpToSixteenSeconds(t *testing.T) {
	var s Schedule
	for range 2 {
		for i, want := range []time.Duration{1, 2, 4, 8, 16, 16, 16, 16} {
			want *= time.Second
			got := s.Next()
			if off := (got - want).Abs(); off > want/10+time.Millisecond {
				t.Errorf("delay %d is %v, want %v give or take a tenth", i+1, got, want)
			}
		}
		if s.Attempts() != 8 {
			t.Errorf("%d attempts", s.Attempts())
		}
		s.Reset()
	}
}
