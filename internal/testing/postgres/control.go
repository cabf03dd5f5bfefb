package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// Stop shuts the server down as an administrator would (a "fast" shutdown, SIGINT): sessions are told (SQLSTATE 57P01) and
// cut, data is kept. It returns when the server is gone, or when ctx ends, and then the shutdown goes on. Stopping a stopped
// server does nothing; a paused one is resumed first.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stop(ctx)
}

// StartAgain starts a stopped or killed server on the same port and data, and returns once it accepts connections. If it
// runs already the error is ErrRunning.
func (s *Server) StartAgain(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.startAgain(ctx)
}

// Restart is Stop and StartAgain.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.stop(ctx); err != nil {
		return err
	}
	return s.startAgain(ctx)
}

// Kill is a crash: every process of the server dies by SIGKILL at once, running, paused or shutting down. Sessions are told
// nothing, their sockets just close. When it returns the port refuses connections; StartAgain recovers. Killing a server
// that is down does nothing.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	return s.killAll()
}

// Pause is a black hole: every process of the server is stopped (SIGSTOP). Sockets stay open, the kernel goes on accepting
// connections for the server, and no byte ever comes back until Resume. Pausing twice does nothing more.
func (s *Server) Pause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mustRunLocked(); err != nil {
		return err
	}
	_, err := s.freeze()
	return err
}

// Resume ends a Pause; the server answers what it was asked meanwhile. Resuming a server that is not paused does nothing.
func (s *Server) Resume() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mustRunLocked(); err != nil {
		return err
	}
	return s.thaw()
}

// Close ends the server in whatever state it is and removes its directory. Once it returns neither a process nor a file is
// left. Closing twice is harmless, and a Close that failed may be tried again.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	if err := s.end(); err != nil {
		return fmt.Errorf("postgres: close: %w", err)
	}
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("postgres: close: %w", err)
	}
	s.closed = true
	s.unlock()
	return s.watchdog.dismiss()
}

func (s *Server) stop(ctx context.Context) error {
	if s.closed {
		return ErrClosed
	}
	if s.postmaster == nil || s.postmaster.exited() {
		return nil
	}
	if err := errors.Join(s.postmaster.signal(fastShutdown), s.thaw()); err != nil {
		return fmt.Errorf("postgres: stop: %w", err)
	}
	if err := s.postmaster.await(ctx); err != nil {
		return fmt.Errorf("postgres: waiting for the server to stop: %w", err)
	}
	return nil
}

func (s *Server) startAgain(ctx context.Context) error {
	switch {
	case s.closed:
		return ErrClosed
	case s.postmaster != nil && !s.postmaster.exited():
		return ErrRunning
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := s.launch(ctx); err != nil {
		return fmt.Errorf("postgres: start again: %w", err)
	}
	return nil
}

// end stops the server the quickest way that lets it return its shared memory, and by force if that takes too long.
func (s *Server) end() error {
	const patience = 5 * time.Second
	if s.postmaster == nil || s.postmaster.exited() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if errors.Join(s.postmaster.signal(immediateShutdown), s.thaw()) == nil && s.postmaster.await(ctx) == nil {
		return nil
	}
	return s.killAll()
}
