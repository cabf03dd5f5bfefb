package healthcheck

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/otelpool/pgx/internal/counts"
)

// Whatever the samples say, the judge keeps its word. With the highest bit of rules they come steadily, over and over, until
// the window is full and has to be merged.
func FuzzJudge(f *testing.F) {
	f.Add([]byte{}, uint8(0))
	f.Add([]byte("time goes backwards and nobody has ever connected"), uint8(1))
	huge := binary.LittleEndian.AppendUint64(nil, math.MaxInt64)
	f.Add(append(huge, binary.LittleEndian.AppendUint64(nil, 1<<63)...), uint8(2))
	for rules := range uint8(3) {
		f.Add(bytes.Repeat([]byte("and its traffic flows, thickly or thinly; "), 5), steady+rules)
	}
	f.Fuzz(func(t *testing.T, data []byte, rules uint8) {
		p := []Policy{Evidence(), IdleRatio(), Usage()}[rules%3]
		j, err := NewJudge("fuzz", p)
		if err != nil {
			t.Fatal(err)
		}
		in := chaos{data}
		known, most := false, 40
		if rules >= steady {
			most = windowSize + 32
		}
		for i := range most {
			s := in.sample()
			if rules >= steady {
				s.At = epoch.Add(time.Duration(i) * time.Duration(rules%16+1) * 100 * time.Millisecond)
			}
			r := j.Judge(s)
			known = known || evidence(&s)
			keepsItsWord(t, r, known)
			if rules < steady || i%16 == 0 { // the slow part
				hasADocument(t, r)
			}
			if len(j.recent) > windowSize {
				t.Fatalf("the window holds %d samples", len(j.recent))
			}
			if len(in.rest) == 0 {
				if rules < steady {
					break
				}
				in.rest = data
			}
		}
		keepsItsWord(t, j.ShuttingDown(time.Time{}), known)
		keepsItsWord(t, j.Terminated(epoch), known)
	})
}

const steady = 128

// evidence says whether anything in s was ever seen to work.
func evidence(s *Sample) bool {
	return s.Counts[counts.Opened] > 0 || !s.Connect.LastAt.IsZero() || s.Counts[counts.Acquired] > 0 || !s.Probe.OKAt.IsZero() ||
		s.Server != nil || s.Pool.Total > 0
}

func keepsItsWord(t *testing.T, r *Report, known bool) {
	t.Helper()
	switch {
	case r.Status == Healthy && !known:
		t.Fatal("healthy without evidence")
	case r.Status > Healthy && len(r.Findings) == 0:
		t.Fatalf("%s without a finding", r.State)
	case r.Status <= Healthy && len(r.Findings) > 0:
		t.Fatalf("%s with findings", r.State)
	case r.Outage && r.Status != Unhealthy:
		t.Fatalf("%s, and an outage", r.State)
	case r.Status != r.State.Status():
		t.Fatalf("%s is %s", r.State, r.Status)
	case len(r.History) > historySize || r.Flaps > historySize || r.Flaps < 0:
		t.Fatal("history out of bounds")
	}
	for _, v := range []float64{r.Usage, r.Advice.ArrivalRate, r.Advice.Offered} {
		if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
			t.Fatalf("a figure is %v: %+v", v, r)
		}
	}
	if a := r.Advice; a.Recommended < 0 || a.Why == "" && r.Status != Unknown && a.Known {
		t.Fatalf("%+v", a)
	}
	complete(t, r)
}

// hasADocument checks that nothing in a report keeps it from being encoded.
func hasADocument(t *testing.T, r *Report) {
	t.Helper()
	if _, err := json.Marshal(r); err != nil {
		t.Fatal(err)
	}
}

// chaos makes samples of bytes; when they run out, zeros.
type chaos struct{ rest []byte }

func (c *chaos) byte() byte {
	if len(c.rest) == 0 {
		return 0
	}
	b := c.rest[0]
	c.rest = c.rest[1:]
	return b
}

// int64 is often small, sometimes negative or huge.
func (c *chaos) int64() int64 {
	switch b := c.byte(); b % 8 {
	case 0:
		return 0
	case 1:
		return -int64(c.byte())
	case 2:
		return math.MaxInt64 - int64(c.byte())
	case 3:
		return math.MinInt64 + int64(c.byte())
	case 4:
		return int64(c.byte()) << (b >> 2)
	default:
		return int64(b >> 3)
	}
}

func (c *chaos) duration() time.Duration { return time.Duration(c.int64()) * 10 * time.Millisecond }

func (c *chaos) time() time.Time {
	switch b := c.byte(); b % 4 {
	case 0:
		return time.Time{}
	case 1:
		return epoch.Add(time.Duration(c.byte()) * time.Second)
	case 2:
		return epoch.Add(-time.Duration(c.byte()) * time.Hour)
	default:
		return time.Unix(c.int64()&(1<<37-1), 0) // up to the year 6325: JSON ends at 9999
	}
}

func (c *chaos) kind() string {
	kinds := [...]string{"", "timeout", "canceled", "connection_refused", "28P01", "53300", "57P01", "57P03", "25006", "25P03", "\x00ÿ"}
	return kinds[int(c.byte())%len(kinds)]
}

func (c *chaos) backend() Backend {
	b := c.byte()
	states := [...]string{"", "active", "idle", "idle in transaction"}
	events := [...]string{"", "Lock", "Client", "IO"}
	return Backend{PID: uint32(b % 8), State: states[b>>3%4], WaitEventType: events[b>>5%4], BlockedBy: []uint32{uint32(c.byte() % 8), uint32(c.byte() % 8)},
		QueryFor: c.duration(), XactFor: c.duration()}
}

func (c *chaos) sample() Sample {
	i := func() int { return int(c.int64()) }
	flags := c.byte()
	s := Sample{At: c.time(), Late: c.duration() * time.Duration(flags&1), HasTracer: flags&2 == 0, Closed: flags&0xfc == 0xfc}
	s.Pool = PoolCounts{i(), i(), i(), i(), i()}
	for i := range s.Counts {
		s.Counts[i] = c.int64()
	}
	for _, total := range []counts.Name{counts.QueryTime, counts.ExcludedUseTime, counts.WaitTime, counts.UseTime, counts.CreateTime} {
		s.Counts[total] *= int64(10 * time.Millisecond)
	}
	s.Traffic = Traffic{Waiting: i(), OldestWait: c.duration(), Occupied: c.duration(), MinWait: c.duration(), PeakWait: c.duration(),
		Ended: c.int64(), LastErrorType: c.kind(), LastErrorAt: c.time()}
	s.Connect = Connects{InFlight: i(), LastTime: c.duration(), LastAt: c.time(), LastErrorType: c.kind(), LastErrorAt: c.time(),
		LastLostType: c.kind(), LastLostAt: c.time(), ReadOnlyAt: c.time()}
	for range c.byte() % 5 {
		b := c.byte()
		s.Holders = append(s.Holders, HeldConn{Site: c.kind(), Age: c.duration(), Idle: c.duration(), Querying: b&1 != 0,
			Expected: b&2 != 0, NestedAcquire: b&4 != 0, Leaked: b&8 != 0, Orphaned: b&16 != 0, PID: uint32(b), Queries: c.int64(), QueryTime: c.duration(),
			Open: b&32 != 0, Listening: b&64 != 0, Producing: b&128 != 0, Doing: c.kind(), Activity: c.kind()})
		s.Waiters = append(s.Waiters, PendingAcquire{Site: c.kind(), NestedAcquire: b&1 != 0})
	}
	s.LookSkipped = c.kind()
	if flags&4 != 0 {
		s.Server = &ServerView{At: c.time(), ReadOnly: flags&8 != 0, MaxConns: i(), Running: i(), RoundTrip: c.duration()}
		for range c.byte() % 5 {
			s.Server.Backends = append(s.Server.Backends, c.backend())
			s.Server.Blockers = append(s.Server.Blockers, c.backend())
		}
		s.Probe = Probe{TryingSince: c.time(), OKAt: c.time(), ErrorType: c.kind(), ErrorAt: c.time()}
	}
	return s
}
