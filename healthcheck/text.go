package healthcheck

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// short writes a duration with the precision that people read.
func short(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond).String()
	default:
		return d.Round(10 * time.Microsecond).String()
	}
}

func (f *facts) ago(t time.Time) string {
	return short(max(0, f.s.At.Sub(t))) + " ago"
}

// count writes "1 request" and "2 requests".
func count[N int | int64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.FormatInt(int64(n), 10) + " " + noun + "s"
}

func percent(ratio float64) string {
	if math.IsNaN(ratio) || math.IsInf(ratio, 0) {
		return "?"
	}
	return fmt.Sprintf("%.3g %%", ratio*100)
}
