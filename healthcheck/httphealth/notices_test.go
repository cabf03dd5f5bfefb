package httphealth

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/otelpool/pgx/healthcheck"
)

func TestNotices_AreInBothFormatsUnlessTheReportIsStale(t *testing.T) {
	source := pool("orders", healthcheck.StateHealthy)
	notice := healthcheck.NewNotice(healthcheck.NoticeNoConnectTimeout, "None is set.", []string{"it is 0s"}, "Set one.")
	source().Report.Notices = []healthcheck.Notice{notice}
	e := endpoints(source)
	for age, want := range map[time.Duration]int{time.Second: 1, time.Minute: 0} {
		e.now = func() time.Time { return epoch.Add(age) }
		var doc struct {
			Status  string
			Notices []healthcheck.Notice
		}
		if err := json.Unmarshal(get(e, "/health/database").Body.Bytes(), &doc); err != nil {
			t.Fatal(err)
		}
		if len(doc.Notices) != want || want > 0 && (doc.Status != "healthy" || doc.Notices[0].Kind != notice.Kind || doc.Notices[0].Runbook != notice.Runbook) {
			t.Errorf("after %v: %+v", age, doc)
		}
		var draft draftDocument
		if err := json.Unmarshal(get(e, "/health", healthJSON).Body.Bytes(), &draft); err != nil {
			t.Fatal(err)
		}
		if said := slices.Equal(draft.Notes, []string{"orders: None is set. Set one."}); said != (want > 0) || want > 0 && draft.Status != "pass" {
			t.Errorf("after %v: %+v", age, draft)
		}
	}
}
