package stack

import (
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

// TestExpressions_AreAllPromQL asks the parser of Prometheus itself. It also checks types: it refuses the rate of a string,
// for example.
func TestExpressions_AreAllPromQL(t *testing.T) {
	all := queries(t)
	for expr, where := range all {
		if _, err := parser.NewParser(parser.Options{}).ParseExpr(seen.Replace(expr)); err != nil {
			t.Errorf("%s: %v", where, err)
		}
	}
	t.Logf("%d expressions", len(all))
}

// TestAlerts_AddUpOverWhatIngestPathsAdd: labels depend on the path by which a series came to Prometheus. An alert that compares
// bare series would fire once for each path.
func TestAlerts_AddUpOverWhatIngestPathsAdd(t *testing.T) {
	for _, a := range alerts(t) {
		expr, err := parser.NewParser(parser.Options{}).ParseExpr(a.Expr)
		if err != nil {
			t.Fatal(err)
		}
		aggregated := false
		parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
			switch n := node.(type) {
			case *parser.AggregateExpr:
				aggregated = aggregated || len(n.Grouping) > 0 && !n.Without
			case *parser.VectorSelector: // a recording rule's name says by what it was added up: level:metric:operation
				aggregated = aggregated || strings.Count(n.Name, ":") == 2
			}
			return nil
		})
		if !aggregated {
			t.Errorf("%s: %s", a.Alert, a.Expr)
		}
	}
}
