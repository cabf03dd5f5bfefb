package postgres

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// DefaultMaxConnections is max_connections unless WithMaxConnections says otherwise.
const DefaultMaxConnections = 100

// Option changes how Start sets the server up.
type Option func(*options)

type setting struct{ name, value string }

type options struct {
	binDir   string
	password string
	tls      bool
	settings []setting
}

func newOptions(opts []Option) options {
	o := options{
		password: rand.Text(),
		settings: []setting{
			{"listen_addresses", host},
			{"unix_socket_directories", ""},
			{"max_connections", strconv.Itoa(DefaultMaxConnections)},
			{"timezone", "UTC"},
			// The data is thrown away, so nothing needs to survive a power cut. It shall survive Kill, though: with fsync off
			// synchronous_commit costs a write to the page cache, and without it a crash would lose the last commits.
			{"fsync", "off"},
			{"full_page_writes", "off"},
			{"checkpoint_timeout", "1h"},
			{"max_wal_size", "256MB"}, // the directory may be in memory
			// Shared memory lies in the data directory, so that a crash leaves nothing in /dev/shm.
			{"dynamic_shared_memory_type", "mmap"},
		},
	}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// WithSetting sets one parameter of postgresql.conf, such as "statement_timeout", "5s". The last one given wins.
func WithSetting(name, value string) Option {
	return func(o *options) { o.settings = append(o.settings, setting{name, value}) }
}

// WithMaxConnections sets max_connections. PostgreSQL keeps three of them for superusers (superuser_reserved_connections).
func WithMaxConnections(n int) Option { return WithSetting("max_connections", strconv.Itoa(n)) }

// WithPassword sets the superuser's password, which is random by default. Every user authenticates by SCRAM-SHA-256 in any
// case: a server that trusts everyone could not refuse a wrong password, and would serve anyone on the machine.
func WithPassword(password string) Option { return func(o *options) { o.password = password } }

// WithTLS makes the server offer TLS with a fresh certificate for 127.0.0.1 and localhost; RootCert names the file to trust.
// DSN keeps asking for sslmode=disable, which the server goes on accepting.
func WithTLS() Option { return func(o *options) { o.tls = true } }

// WithBinDir takes initdb and postgres from this directory only, to choose a release among several.
func WithBinDir(dir string) Option { return func(o *options) { o.binDir = dir } }

// conf renders the settings as lines for postgresql.conf, where the last of several values counts.
func (o options) conf() string {
	var b strings.Builder
	settings := slices.Clone(o.settings)
	if o.tls {
		settings = append(settings, setting{"ssl", "on"}, setting{"ssl_cert_file", certFile}, setting{"ssl_key_file", keyFile})
	}
	for _, s := range settings {
		fmt.Fprintf(&b, "%s = '%s'\n", s.name, confEscaper.Replace(s.value))
	}
	return b.String()
}

var confEscaper = strings.NewReplacer(`'`, `''`, `\`, `\\`)
