package pooler_test

import (
	"testing"

	"github.com/otelpool/pgx/internal/pooler"
)

func TestRead_TellsAPoolersComplaintsApart(t *testing.T) {
	for text, want := range map[string]pooler.Complaint{
		"FATAL: no more connections allowed (max_client_conn) (SQLSTATE 08P01)":                       pooler.Full,
		"FATAL: server login has been failing, try again later (server_login_retry) (SQLSTATE 08P01)": pooler.NoServer,
		"FATAL: server conn crashed? (SQLSTATE 08P01)":                                                pooler.NoServer,
		"FATAL: query_wait_timeout (SQLSTATE 08P01)":                                                  pooler.Queued,
		"FATAL: sorry, too many clients already (SQLSTATE 53300)":                                     0,
		"": 0,
	} {
		if got, _ := pooler.Read(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}
