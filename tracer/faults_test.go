package tracer

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestFaults_KeepOfALostConnectionOnlyWhatAPoolerSays(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{&pgconn.PgError{Code: "08P01", Message: "server login has been failing, try again later (server_login_retry) for mary"}, "server_login_retry"},
		{&pgconn.PgError{Code: "08P01", Message: "query_wait_timeout"}, "query_wait_timeout"},
		{&pgconn.PgError{Code: "57P01", Message: "terminating mary's connection"}, ""},
		{errors.New("mary, query_wait_timeout"), ""},
	} {
		tr := New(Options{})
		tr.connectionLost(&slot{}, tr.now(), test.err)
		if got := tr.Faults().Lost.Text; got != test.want {
			t.Errorf("%v: %q, want %q", test.err, got, test.want)
		}
	}
}
