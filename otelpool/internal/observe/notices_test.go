package observe

import (
	"testing"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/otelpool/internal/view"
)

func TestEpisodes_CountANoticeOnceForAsLongAsItStays(t *testing.T) {
	const a, b = healthcheck.NoticeCachedPlan, healthcheck.NoticeNoDeadline
	var e episodes
	for i, tt := range []struct{ notices, raised []healthcheck.NoticeKind }{
		{nil, nil},
		{[]healthcheck.NoticeKind{a}, []healthcheck.NoticeKind{a}},
		{[]healthcheck.NoticeKind{a, b}, []healthcheck.NoticeKind{b}},
		{[]healthcheck.NoticeKind{b}, nil},
		{[]healthcheck.NoticeKind{a, b}, []healthcheck.NoticeKind{a}},
	} {
		before := e.raised
		sum := before[a] + before[b]
		r := &healthcheck.Report{At: start}
		for _, kind := range tt.notices {
			r.Notices = append(r.Notices, healthcheck.Notice{Kind: kind})
		}
		got := e.follow(r)
		if len(got) != len(tt.raised) || len(got) > 0 && got[0].(view.NoticeRaised).Notice.Kind != tt.raised[0] {
			t.Errorf("report %d raises %v, want %v", i, got, tt.raised)
		}
		if before[a]+before[b] != sum {
			t.Error("what an earlier view has was changed")
		}
	}
	if e.raised[a] != 2 || e.raised[b] != 1 {
		t.Errorf("%v", e.raised)
	}
}
