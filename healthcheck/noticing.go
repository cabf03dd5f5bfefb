package healthcheck

import (
	"slices"
	"time"
)

// noticeLife is how long a notice from traffic stays after what raised it was last seen. What comes back within that time is the
// same episode.
const noticeLife = 5 * time.Minute

// noticer finds the notices of one pool. The configuration's come with each sample and end with it; those from traffic stay for
// noticeLife.
type noticer struct {
	config    []Notice
	seen      []seenNotice // one a kind
	deadlines deadlines
	usual     usualQueries
}

// seenNotice is a notice as of when it was last true.
type seenNotice struct {
	Notice
	at time.Time
}

// watches are all that traffic is watched for. Each finds its own kind, or nothing.
var watches = [...]func(*facts, *noticer, Status) (Notice, bool){
	watchCachedPlans,
	watchPreparedStatements,
	watchStatementTimeouts,
	watchSlowerQueries,
	watchDeadlines,
	watchLifetimes,
}

// observe looks at the newest sample, which the rules have judged.
func (n *noticer) observe(f *facts, tier Status) {
	n.config = f.s.Config
	n.seen = slices.DeleteFunc(n.seen, func(s seenNotice) bool {
		age := f.s.At.Sub(s.at)
		return age < 0 || age > noticeLife
	})
	for _, watch := range watches {
		if notice, found := watch(f, n, tier); found {
			n.note(notice, f.s.At)
		}
	}
}

// note raises a notice, or brings the one of its kind up to date.
func (n *noticer) note(notice Notice, at time.Time) {
	for i := range n.seen {
		if n.seen[i].Kind == notice.Kind {
			n.seen[i] = seenNotice{notice, at}
			return
		}
	}
	n.seen = append(n.seen, seenNotice{notice, at})
}

// list is every notice as it reads at that time, the most important first. One that is not true any more says since when.
func (n *noticer) list(at time.Time) []Notice {
	all := slices.Clone(n.config)
	for _, s := range n.seen {
		if age := at.Sub(s.at); age > 0 {
			s.Evidence = append([]string{"what follows was seen " + short(age) + " ago"}, s.Evidence...)
		}
		all = append(all, s.Notice)
	}
	return sortNotices(all)
}
