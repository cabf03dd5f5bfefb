package healthcheck

import (
	"cmp"
	"maps"
	"slices"
)

// rootBlocker is a session that keeps others waiting for a lock, and waits for none itself.
type rootBlocker struct {
	pid    uint32
	seen   *Backend // nil if the server did not say anything about it
	behind int      // how many of our connections wait for it, directly or behind others
}

// rootBlockers climbs from our waiting backends to those that hold everybody up, the one with most of ours behind it first. It
// says as well whether some wait for each other in a circle.
func (v *ServerView) rootBlockers() (roots []rootBlocker, circle bool) {
	known := make(map[uint32]*Backend, len(v.Backends)+len(v.Blockers))
	for _, list := range [...][]Backend{v.Backends, v.Blockers} {
		for i := range list {
			known[list[i].PID] = &list[i]
		}
	}
	behind := make(map[uint32]int)
	for i := range v.Backends {
		b := &v.Backends[i]
		if !b.waitsForLock() || len(b.BlockedBy) == 0 {
			continue // it was let through before it could be asked for whom it waits
		}
		found := climb(b, known)
		circle = circle || len(found) == 0
		for pid := range found {
			behind[pid]++
		}
	}
	for pid, n := range behind {
		roots = append(roots, rootBlocker{pid, known[pid], n})
	}
	slices.SortFunc(roots, func(a, b rootBlocker) int {
		return cmp.Or(cmp.Compare(b.behind, a.behind), cmp.Compare(a.pid, b.pid))
	})
	return roots, circle
}

// climb returns the ends of all chains that begin at b. A chain without an end is a circle.
func climb(b *Backend, known map[uint32]*Backend) map[uint32]bool {
	roots, passed := make(map[uint32]bool), map[uint32]bool{b.PID: true}
	for next := slices.Clone(b.BlockedBy); len(next) > 0; {
		pid := next[len(next)-1]
		next = next[:len(next)-1]
		if passed[pid] {
			continue
		}
		passed[pid] = true
		if up := known[pid]; up != nil && up.waitsForLock() && len(up.BlockedBy) > 0 {
			next = append(next, up.BlockedBy...)
		} else {
			roots[pid] = true
		}
	}
	maps.DeleteFunc(roots, func(pid uint32, _ bool) bool { return pid == b.PID })
	return roots
}
