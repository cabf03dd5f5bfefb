package stack

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/prometheus/alertmanager/inhibit"
	"github.com/prometheus/alertmanager/provider/mem"
	prom "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
)

func alertmanager(t *testing.T) *config.Config {
	t.Helper()
	c, err := config.LoadFile(path(t, "collector-config", "prometheus", "alertmanager.yml"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// labelled are the labels with which an alert of rules.yml fires for the pool orders.
func labelled(t *testing.T, name, instance string) model.LabelSet {
	t.Helper()
	for _, a := range alerts(t) {
		if a.Alert == name {
			l := model.LabelSet{"alertname": model.LabelValue(name), "job": "shop", "db_client_connection_pool_name": "orders"}
			for k, v := range a.Labels {
				l[model.LabelName(k)] = model.LabelValue(v)
			}
			if instance != "" {
				l["instance"] = model.LabelValue(instance)
			}
			return l
		}
	}
	t.Fatalf("there is no alert %s", name)
	return nil
}

func TestAlerts_EachReachesSomebody(t *testing.T) {
	c := alertmanager(t)
	addresses := make(map[string]int)
	for _, r := range c.Receivers {
		addresses[r.Name] = len(r.WebhookConfigs)
	}
	want := map[string]string{"critical": "on-call", "warning": "team"}
	root := dispatch.NewRoute(c.Route, nil)
	for _, a := range alerts(t) {
		routes := root.Match(labelled(t, a.Alert, "a"))
		if len(routes) != 1 || routes[0].RouteOpts.Receiver != want[a.Labels["severity"]] {
			t.Errorf("%s, %s, takes the routes %v", a.Alert, a.Labels["severity"], routes)
			continue
		}
		if to := routes[0].RouteOpts.Receiver; addresses[to] == 0 {
			t.Errorf("%s goes to %s, who has no address", a.Alert, to)
		}
	}
}

// TestInhibition_SilencesOnlyWhatFollowsFromAnAlert has Alertmanager's own inhibitor decide.
func TestInhibition_SilencesOnlyWhatFollowsFromAnAlert(t *testing.T) {
	type fired struct{ alert, instance string }
	for _, test := range []struct {
		fires, then fired
		quiet       bool
	}{
		{fired{"PoolUnhealthy", "a"}, fired{"PoolDegraded", "a"}, true},
		{fired{"PoolUnhealthy", "a"}, fired{"PoolDegraded", "b"}, false},
		{fired{"PoolUnhealthy", "a"}, fired{"PoolExhausted", "a"}, false},
		{fired{"PoolDegraded", "a"}, fired{"PoolLeak", "a"}, false},
		{fired{"PoolFullyUsed", "a"}, fired{"PoolLowCapacity", "a"}, true},
		{fired{"PoolFullyUsed", "a"}, fired{"PoolLowCapacity", "b"}, false},
		{fired{"PoolLowCapacity", "a"}, fired{"PoolFullyUsed", "a"}, false},
		{fired{"PoolWaitBudgetBurn", ""}, fired{"PoolWaitBudgetBurnSlow", ""}, true},
		{fired{"CollectorDown", "otel-collector:8889"}, fired{"PoolNotReporting", ""}, true},
		{fired{"CollectorDown", "otel-collector:8889"}, fired{"PoolDegraded", "a"}, false},
	} {
		now := time.Now()
		nobody := slog.New(slog.DiscardHandler)
		firing, err := mem.NewAlerts(t.Context(), time.Hour, 0, nil, nobody, eventrecorder.NopRecorder(), prom.NewRegistry(), featurecontrol.NoopFlags{})
		if err != nil {
			t.Fatal(err)
		}
		if err := firing.Put(t.Context(), &alert.Alert{UpdatedAt: now, Alert: model.Alert{
			Labels: labelled(t, test.fires.alert, test.fires.instance), StartsAt: now, EndsAt: now.Add(time.Hour)}}); err != nil {
			t.Fatal(err)
		}
		inhibitor := inhibit.NewInhibitor(firing, alertmanager(t).InhibitRules, nobody, eventrecorder.NopRecorder())
		go inhibitor.Run()
		inhibitor.WaitForLoading()
		if got := inhibitor.Mutes(t.Context(), labelled(t, test.then.alert, test.then.instance)); got != test.quiet {
			t.Errorf("while %v fires, %v keeps quiet: %v", test.fires, test.then, got)
		}
		inhibitor.Stop()
		firing.Close()
	}
}
