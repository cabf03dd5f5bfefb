// Package pooler knows what connection poolers such as PgBouncer say where a server would speak: their SQLSTATE, 08P01, has none of
// it, so only the words tell a full pooler from one that has lost its server.
package pooler

import "strings"

// Complaint is what a pooler complains of.
type Complaint int

// What is told apart. The zero Complaint is none.
const (
	Full     Complaint = iota + 1 // it takes no more clients
	NoServer                      // it cannot reach the server
	Queued                        // a query waited for one of the server's connections until the pooler gave up
)

// phrases are parts of the messages. They quote nothing of the application's.
var phrases = []struct {
	text  string
	means Complaint
}{
	{"no more connections allowed", Full}, // PgBouncer, with (max_client_conn) since 1.11
	{"max clients reached", Full},         // Supavisor
	{"server_login_retry", NoServer},
	{"cannot connect to server", NoServer},
	{"server conn crashed", NoServer},
	{"client_login_timeout (server down)", NoServer},
	{"query_wait_timeout", Queued},
}

// Read finds a complaint in the text of an error, and the words that tell it.
func Read(text string) (means Complaint, words string) {
	for _, p := range phrases {
		if strings.Contains(text, p.text) {
			return p.means, p.text
		}
	}
	return 0, ""
}

// maxPID is the greatest process ID that a server can have on Linux, and more than any other system gives.
const maxPID = 1 << 22

// IsKey says whether what came as a backend's process ID cannot be one: poolers make theirs up, at random from 32 bits.
func IsKey(pid uint32) bool { return pid > maxPID }
