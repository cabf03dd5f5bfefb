package faults

import (
	"testing"

	"github.com/otelpool/pgx/internal/testing/postgres"
)

// servers are where scenarios happen: one for all that leave it alone, and a few for those that need one for themselves, and leave
// it as it was.
type servers struct {
	shared *postgres.Server
	free   chan *postgres.Server
}

func newServers(t *testing.T) *servers {
	const own = 6
	s := &servers{shared: newServer(t), free: make(chan *postgres.Server, own)}
	for range own {
		s.free <- newServer(t)
	}
	return s
}

// serve returns the server that a scenario asks for.
func (s *servers) serve(t *testing.T, scenario scenario) (server *postgres.Server, giveBack func()) {
	switch {
	case len(scenario.server) > 0:
		return newServer(t, scenario.server...), func() {}
	case scenario.own:
		server = <-s.free
		return server, func() { s.free <- server }
	}
	return s.shared, func() {}
}
