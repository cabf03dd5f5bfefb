package redact

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestText_MasksSecrets(t *testing.T) {
	for _, test := range []struct{ name, in, want string }{
		{"nothing to hide", `password authentication failed for user "app"`, `password authentication failed for user "app"`},
		{"empty", "", ""},
		{"URL", "postgres://app:hunter2@db:5432/app", "postgres://app:***@db:5432/app"},
		{"URL without user", "postgres://:hunter2@db/app", "postgres://:***@db/app"},
		{"URL with an @ in the password", "postgres://app:hun@ter2@db/app", "postgres://app:***@db/app"},
		{"URL with a slash in the password", "postgres://app:hun/ter2@db/app", "postgres://app:***@db/app"},
		{"URL percent-encoded", "postgres://app:hun%40ter%2F2@db/app", "postgres://app:***@db/app"},
		{"URL without a password", "postgres://app@db:5432/app?sslmode=disable", "postgres://app@db:5432/app?sslmode=disable"},
		{"URL with a port only", "see http://db:5432/ for more", "see http://db:5432/ for more"},
		{"URL in an error", `parse "postgres://app:hunter2@db:x/": invalid port`, `parse "postgres://app:***@db:x/": invalid port`},
		{"URL with a parameter", "postgres://db/app?user=app&password=hunter2", "postgres://db/app?user=app&password=***"},
		{"nested URL", "https://x/?dsn=postgres%3A%2F%2Fdb%2F%3Fpassword%3Dhunter2", "https://x/?dsn=postgres%3A%2F%2Fdb%2F%3Fpassword%3D***"},
		{"key=value", "host=db password=hunter2 dbname=app", "host=db password=*** dbname=app"},
		{"key = value", "host=db password = hunter2 dbname=app", "host=db password = *** dbname=app"},
		{"upper case", "PGPASSWORD=hunter2 psql", "PGPASSWORD=*** psql"},
		{"quoted", "password='hun ter2' dbname=app", "password=*** dbname=app"},
		{"quoted, with a quote", `password='hun\' ter2' dbname=app`, "password=*** dbname=app"},
		{"quote not closed", "password='hun ter2 dbname=app", "password=***"},
		{"escaped space", `password=hun\ ter2 dbname=app`, "password=*** dbname=app"},
		{"unquoted with commas", "password=hun,ter;2&x dbname=app", "password=*** dbname=app"},
		{"double quotes", `password="hun ter2" x`, "password=*** x"},
		{"JSON", `{"user":"app","password":"hunt\"er 2"}`, `{"user":"app","password":***`},
		{"JSON in JSON", `{\"password\":\"hun ter2\"}`, `{\"password\":***`},
		{"YAML", "user: app\npassword: hunter2\nhost: db", "user: app\npassword: ***\nhost: db"},
		{"many lines in quotes", "password='hun\nter2' x", "password=*** x"},
		{"passfile", "passfile=/home/app/.pgpass", "passfile=***"},
		{"sslpassword", "sslpassword=hunter2", "sslpassword=***"},
		{"bearer", "Authorization: Bearer abc.def.ghi", "Authorization: ***"},
		{"bearer alone", "got 403 with bearer abc.def.ghi", "got 403 with bearer ***"},
		{"token", "token=abc", "token=***"},
		{"signed URL", "db:5432/?Action=connect&X-Amz-Signature=abcdef", "db:5432/?Action=connect&X-Amz-Signature=***"},
		{"URL with a space in the password", "postgres://u:pa hunter2@host/db", "postgres://u:***@host/db"},
		{"URL with spaces and an @ in the password", "postgres://u:1 hun@ter 2@host/db is bad", "postgres://u:***@host/db is bad"},
		{"URL with a line in the password", "postgres://u:hun\nter2@host/db", "postgres://u:***@host/db"},
		{"URL with a port, and an address", "see http://db:5432/ or ask ops@example.com", "see http://db:5432/ or ask ops@example.com"},
		{"URL with a port only, and an address", "dial http://db:5432 failed, ask ops@example.com", "dial http://db:5432 failed, ask ops@example.com"},
		{"URL with a token for a user", "https://hunter2@example.com/x", "https://***@example.com/x"},
		{"pw", "host=db pw=hunter2", "host=db pw=***"},
		{"quoted, with a quote doubled", "password = 'a''b hunter2' dbname=app", "password = *** dbname=app"},
		{"not UTF-8", "bad \xff\xfe text", "bad \uFFFD text"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Text(test.in); got != test.want {
				t.Errorf("%q became\n%q, want\n%q", test.in, got, test.want)
			}
			if got := Error(errors.New(test.in)); got != test.want {
				t.Errorf("as an error it became %q", got)
			}
		})
	}
}

func TestPgxErrors_KeepNoPassword(t *testing.T) {
	for _, dsn := range []string{
		"postgres://app:hunter2@db:port/app",
		"postgres://app:hunter2@db/app?sslmode=nonsense",
		"postgres://app:hun ter2@db/app",
		"host=db password=hunter2 sslmode=nonsense",
		"host=db password='hunter2 sslmode=nonsense",
	} {
		_, err := pgx.ParseConfig(dsn)
		if err == nil {
			t.Errorf("%q parses", dsn)
			continue
		}
		if text := Error(err); strings.Contains(text, "ter2") {
			t.Errorf("%q", text)
		}
	}
}

func TestPgxErrors_KeepNoArgumentAndNoResult(t *testing.T) {
	encode := func(oid uint32, arg any) error {
		var b pgx.ExtendedQueryBuilder
		return b.Build(pgtype.NewMap(), &pgconn.StatementDescription{ParamOIDs: []uint32{oid}}, []any{arg})
	}
	scan := func(oid uint32, value string, dest any) error {
		fields := []pgconn.FieldDescription{{Name: "card", DataTypeOID: oid, Format: pgx.TextFormatCode}}
		return pgx.ScanRow(pgtype.NewMap(), fields, [][]byte{[]byte(value)}, dest)
	}
	const rest = `987654321`
	var n int16
	var when time.Time
	for name, err := range map[string]error{
		"number too large":     encode(pgtype.Int2OID, 987654321),
		"texts for a number":   encode(pgtype.Int4OID, []string{"card: 987654321"}),
		"in a structure":       encode(pgtype.PointOID, struct{ Card string }{"987654321"}),
		"in an array":          encode(pgtype.Int4ArrayOID, []any{1, map[string]int{"card": 987654321}}),
		"in a range":           encode(pgtype.Int4rangeOID, pgtype.Range[any]{Lower: "987654321", LowerType: pgtype.Inclusive, UpperType: pgtype.Unbounded, Valid: true}),
		"result too large":     scan(pgtype.Int8OID, "987654321", &n),
		"result is no number":  scan(pgtype.Int8OID, "987654321x", &n),
		"result is no date":    scan(pgtype.TimestamptzOID, "987654321", &when),
		"as a hook returns it": fmt.Errorf("tenant: %w", encode(pgtype.Int2OID, 987654321)),
	} {
		if err == nil || !strings.Contains(err.Error(), rest) {
			t.Errorf("%s: pgx does not quote it: %v", name, err)
		}
		if text := Error(err); strings.Contains(text, rest) || !strings.Contains(text, "[0]: ***") {
			t.Errorf("%s: %q", name, text)
		}
	}
}

type silent struct{}

func (*silent) Error() string { panic("no text") }

func TestError_WithoutAMessageBreaksNothing(t *testing.T) {
	if Error(nil) != "" {
		t.Error("nil has a text")
	}
	if got := Error((*silent)(nil)); got != "(error without a message)" {
		t.Errorf("%q", got)
	}
}

func TestText_IsCutBetweenRunes(t *testing.T) {
	for shift := range 5 {
		text := Text(strings.Repeat("x", shift) + strings.Repeat("é世", 500))
		if len(text) > maxLength || len(text) < maxLength-8 || !utf8.ValidString(text) || !strings.HasSuffix(text, "…") {
			t.Errorf("shift %d: %d bytes, valid %t, ends in %q", shift, len(text), utf8.ValidString(text), text[len(text)-6:])
		}
	}
	if exact := strings.Repeat("x", maxLength); Text(exact) != exact {
		t.Error("a text of the greatest length was cut")
	}
}

func TestText_MasksASecretFarIntoAHugeTextInLittleTime(t *testing.T) {
	start := time.Now()
	for _, huge := range []string{
		strings.Repeat("a ", 1<<20) + "password=hunter2",
		"password=" + strings.Repeat("hunter2", 1<<20),
		"password='" + strings.Repeat("hunter2 ", 1<<20),
		strings.Repeat("x password=hunter2 ", 1<<16),
		strings.Repeat("://a:hunter2", 1<<17),
		"postgres://a:" + strings.Repeat("hunter2", 1<<20) + "@db",
	} {
		if got := Text(huge); strings.Contains(got, "hunter2") || len(got) > maxLength {
			t.Errorf("%.20q… became %q", huge, got)
		}
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("took %s", took)
	}
}

// FuzzText checks what holds of any text: the result is short, valid, and stays as it is.
func FuzzText(f *testing.F) {
	for _, seed := range []string{
		"", "postgres://a:b@c", "password=x", "password='", `password="\`, "password='\\", "://:@@", "bearer ", "password=password=x",
		strings.Repeat("é", 300), strings.Repeat("password=x ", 60), strings.Repeat("x", 507) + " pwd=secret",
		strings.Repeat("x", 500) + "://a:b@c@d", strings.Repeat("x", 498) + " token: a",
		"postgres://a:1 b@c", "http://a@b", "pw=''x", "failed to encode args[0]: unable to encode 1 into", strings.Repeat("x", 497) + "unable to encode",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		once := Text(text)
		if !utf8.ValidString(once) {
			t.Errorf("%q is not valid UTF-8", once)
		}
		if len(once) > maxLength {
			t.Errorf("%d bytes", len(once))
		}
		if twice := Text(once); twice != once {
			t.Errorf("%q became %q the second time", once, twice)
		}
	})
}

// FuzzPassword_NeverSurvives puts any password into every form that a connection string takes.
func FuzzPassword_NeverSurvives(f *testing.F) {
	for _, seed := range []string{"hunter2", "hun ter2", `hun'ter2`, `hun"ter2`, `hun\ter2`, "hun@ter2:/?#", "hun\nter2", "hun%40ter2", "pässwörd", "***hunter", "'", `\`, "a=b password=c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, password string) {
		if !utf8.ValidString(password) || strings.ContainsRune(password, 0) || len(password) > 400 {
			t.Skip()
		}
		quoted := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(password)
		asJSON, err := json.Marshal(map[string]string{"user": "app", "password": password})
		if err != nil {
			t.Fatal(err)
		}
		asURL := (&url.URL{Scheme: "postgres", User: url.UserPassword("app", password), Host: "db", Path: "/app"}).String()
		for _, text := range []string{
			"host=db password='" + quoted + "' dbname=app",
			"cannot parse `host=db password = '" + quoted + "'`: x",
			asURL,
			`parse "` + asURL + `": invalid`,
			"postgres://db/app?password=" + url.QueryEscape(password) + "&sslmode=disable",
			string(asJSON),
			"one\ntwo password='" + quoted + "'\nthree",
		} {
			got := Text(text)
			// A password that is a word of the text itself proves nothing.
			for _, form := range []string{password, quoted, url.QueryEscape(password), url.PathEscape(password)} {
				if rest := Text(strings.Replace(text, form, "", 1)); len(form) > 2 && strings.Contains(got, form) && !strings.Contains(rest, form) &&
					!strings.Contains("host=db password='' dbname=app cannot parse `: x` parse \"postgres://app:***@db/app\": invalid"+
						"postgres://db/app?password=&sslmode=disable{\"user\":\"app\",\"password\":}one\ntwo\nthree", form) {
					t.Errorf("%q survives in %q, made of %q", form, got, text)
				}
			}
		}
	})
}
