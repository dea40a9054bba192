//go:build bench

package bench

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"rasad/geo"
	"rasad/streams"
)

// drive moves units first..last of a seeded world at 1 Hz each until stop, each
// fix on its own second, no more than 20 m from the last.
func drive(tb testing.TB, s *server, units int, per time.Duration, stop <-chan struct{}) (sent, failed *atomic.Int64, wait func()) {
	tb.Helper()
	const workers = 400
	sent, failed = &atomic.Int64{}, &atomic.Int64{}
	var wg sync.WaitGroup
	began := time.Now()
	for w := range min(workers, units) {
		p := s.poster(tb)
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 3))
			type place struct{ lng, lat float64 }
			at := map[int]place{}
			for round := 0; ; round++ {
				for u := w; u < units; u += workers {
					due := began.Add(time.Duration(round)*per + per*time.Duration(u)/time.Duration(units))
					select {
					case <-stop:
						return
					case <-time.After(time.Until(due)):
					}
					x, ok := at[u]
					if !ok {
						x.lng, x.lat = scatter(r)
					}
					x.lng += (r.Float64() - .5) * 2e-4
					x.lat += (r.Float64() - .5) * 2e-4
					at[u] = x
					status, refusal, err := p.get(fmt.Sprintf("/feeds/osmand?id=U%d&lat=%.7f&lon=%.7f&timestamp=%d&speed=%d&bearing=%d&accuracy=5",
						u, x.lat, x.lng, time.Now().UnixMilli(), r.IntN(40), r.IntN(360)))
					if err != nil {
						return
					}
					sent.Add(1)
					// The first fix lies far from the seeded place and is disbelieved.
					if status != 200 || refusal != "" && round > 4 {
						failed.Add(1)
					}
				}
			}
		})
	}
	return sent, failed, wg.Wait
}

// screens opens sockets. While it is measured, the first readers among them show each
// frame that is no keyframe, with its bytes and the moment after it was read.
func screens(t *testing.T, s *server, sockets, readers int, measuring *atomic.Bool, see func(b []byte, f *streams.Frame, now geo.Millis)) {
	t.Helper()
	for i := range sockets {
		c, err := s.dial("")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		go func() {
			for {
				_, b, err := c.ReadMessage()
				if err != nil {
					return
				}
				now := geo.Millis(time.Now().UnixMilli())
				if i >= readers || !measuring.Load() {
					continue
				}
				f, err := streams.ParseFrame(b)
				if err != nil {
					panic(err)
				}
				if f.Base != 0 {
					see(b, f, now)
				}
			}
		}()
	}
}

// ages are those of the fixes in a frame.
func ages(f *streams.Frame, now geo.Millis) (out []time.Duration) {
	for _, m := range f.Move {
		out = append(out, time.Duration(now-m.Fix.Time)*time.Millisecond)
	}
	return out
}

// TestFeedToSocket: 5,000 units at 1 Hz, 200 sockets, the generator on the same
// machine. The time is from the moment before the phone writes its request to the
// moment after a socket has read the frame.
func TestFeedToSocket(t *testing.T) {
	const units, sockets, readers = 5000, 200, 10
	dir := t.TempDir()
	seed(t, dir, units, nil)
	s := start(t, dir)
	var mu sync.Mutex
	var took []time.Duration
	var moves, bytes, frames atomic.Int64
	var measuring atomic.Bool
	screens(t, s, sockets, readers, &measuring, func(b []byte, f *streams.Frame, now geo.Millis) {
		if len(f.Move) == 0 {
			return
		}
		frames.Add(1)
		moves.Add(int64(len(f.Move)))
		bytes.Add(int64(len(b)))
		mu.Lock()
		defer mu.Unlock()
		took = append(took, ages(f, now)...)
	})
	stop := make(chan struct{})
	sent, failed, wait := drive(t, s, units, time.Second, stop)
	time.Sleep(8 * time.Second) // units settle where the generator has them
	measuring.Store(true)
	cpu, from := s.cpu(t), sent.Load()
	const span = 20 * time.Second
	time.Sleep(span)
	measuring.Store(false)
	used := s.cpu(t) - cpu
	rate := float64(sent.Load()-from) / span.Seconds()
	close(stop)
	wait()
	p50, p99, p999, most := quantiles(took)
	if failed.Load() > sent.Load()/1000 {
		t.Errorf("%d of %d fixes failed", failed.Load(), sent.Load())
	}
	say(t, "feed to socket, 5,000 units x 1 Hz, 200 sockets", "p50 %v p99 %v p99.9 %v max %v; %.0f fixes/s, server CPU %.2f cores", p50, p99, p999, most, rate, used.Seconds()/span.Seconds())
	say(t, "wire", "%.1f bytes a move all in, %.0f moves a frame", float64(bytes.Load())/float64(moves.Load()), float64(moves.Load())/float64(frames.Load()))
}

// TestTenThousandReturn: a server with 1,000 features is killed and comes back;
// 10,000 screens that stood at an earlier frame dial at once, and each is measured
// until the hash of what it shows equals the server's.
func TestTenThousandReturn(t *testing.T) {
	const features, screens = 1000, 10_000
	dir := t.TempDir()
	seed(t, dir, features, nil)
	s := start(t, dir)
	c, err := s.dial("")
	if err != nil {
		t.Fatal(err)
	}
	_, b, err := c.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	key, err := streams.ParseFrame(b)
	if err != nil || key.Base != 0 {
		t.Fatalf("no keyframe: %v", err)
	}
	base := map[geo.ID]*geo.Feature{}
	for _, f := range key.Put {
		base[f.ID] = f
	}
	from := fmt.Sprintf("?from=%s:%d", key.Epoch, key.Seq)
	stop := make(chan struct{})
	_, _, wait := drive(t, s, 500, 500*time.Millisecond, stop)
	time.Sleep(4 * time.Second)
	close(stop)
	wait()
	s.kill()
	c.Close()
	s = start(t, dir)
	idle, _ := s.memory(t)

	conns := make([]*websocket.Conn, screens)
	took := make([]time.Duration, screens)
	var keyframes atomic.Int64
	// What the first frame makes of the world that all stood at depends on its bytes
	// alone, and most of them are shared: each distinct one is computed once, so that
	// the clients leave the machine to the server.
	var known sync.Map
	began := time.Now()
	each(screens, screens, func(_, i int) {
		c, err := s.dial(from)
		if err != nil {
			t.Errorf("screen %d: %v", i, err)
			return
		}
		conns[i] = c
		hash := key.State
		mine := map[geo.ID]geo.Fix{}
		revs := map[geo.ID]uint64{}
		for first := true; ; first = false {
			_, b, err := c.ReadMessage()
			if err != nil {
				t.Errorf("screen %d: %v", i, err)
				return
			}
			if _, ok := known.Load(string(b)); first && ok {
				took[i] = time.Since(began)
				return
			}
			f, err := streams.ParseFrame(b)
			if err != nil {
				t.Errorf("screen %d: %v", i, err)
				return
			}
			if f.Base == 0 {
				keyframes.Add(1)
				hash = 0
				for _, p := range f.Put {
					hash += geo.Mix(p.ID, p.Rev, p.Fix)
				}
			} else {
				old := func(id geo.ID) (uint64, geo.Fix, bool) {
					if x, ok := mine[id]; ok {
						return revs[id], x, true
					}
					b, ok := base[id]
					if !ok {
						return 0, geo.Fix{}, false
					}
					return b.Rev, b.Fix, true
				}
				for _, p := range f.Put {
					if rev, x, ok := old(p.ID); ok {
						hash -= geo.Mix(p.ID, rev, x)
					}
					hash += geo.Mix(p.ID, p.Rev, p.Fix)
					mine[p.ID], revs[p.ID] = p.Fix, p.Rev
				}
				for _, m := range f.Move {
					rev, x, ok := old(m.ID)
					if !ok {
						continue
					}
					hash += geo.Mix(m.ID, rev, m.Fix) - geo.Mix(m.ID, rev, x)
					mine[m.ID], revs[m.ID] = m.Fix, rev
				}
			}
			if f.State != 0 && f.Seq > key.Seq {
				if f.State != hash {
					t.Errorf("screen %d: hash %016x at %d, the server says %016x", i, hash, f.Seq, f.State)
				}
				if first && f.State == hash {
					known.Store(string(b), true)
				}
				took[i] = time.Since(began)
				return
			}
		}
	})
	all := time.Since(began)
	now, peak := s.memory(t)
	p50, p99, _, most := quantiles(took)
	say(t, "10,000 screens come back at once, 1,000 features", "all hash-equal in %v (p50 %v p99 %v max %v), %d by keyframe", all.Round(time.Millisecond), p50.Round(time.Millisecond), p99.Round(time.Millisecond), most.Round(time.Millisecond), keyframes.Load())
	say(t, "  server memory", "peak %d MB; %.1f KB a connection above the %d MB before", peak>>20, float64(now-idle)/screens/1024, idle>>20)
	for _, c := range conns {
		if c != nil {
			c.Close()
		}
	}
}

// TestFanOut: frames of about 2 KB, ten a second, to 10,000 sockets.
func TestFanOut(t *testing.T) {
	const units, sockets = 150, 10_000
	dir := t.TempDir()
	seed(t, dir, units, nil)
	s := start(t, dir)
	idle, _ := s.memory(t)
	var deliveries, bytes atomic.Int64
	conns := make([]*websocket.Conn, sockets)
	each(500, sockets, func(_, i int) {
		c, err := s.dial("")
		if err != nil {
			t.Errorf("socket %d: %v", i, err)
			return
		}
		conns[i] = c
	})
	if t.Failed() {
		t.FailNow()
	}
	time.Sleep(3 * time.Second)
	full, _ := s.memory(t)
	for _, c := range conns {
		go func() {
			buf := make([]byte, 4096)
			for {
				_, r, err := c.NextReader()
				if err != nil {
					return
				}
				n := 0
				for {
					k, err := r.Read(buf)
					n += k
					if err != nil {
						break
					}
				}
				deliveries.Add(1)
				bytes.Add(int64(n))
			}
		}()
	}
	// All units at once, ten times a second.
	posters := make([]*poster, units)
	for i := range posters {
		posters[i] = s.poster(t)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for u, p := range posters {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(u), 5))
			lng, lat := scatter(r)
			tick := time.NewTicker(100 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-stop:
					return
				case <-tick.C:
				}
				lng += (r.Float64() - .5) * 2e-5
				if _, _, err := p.get(fmt.Sprintf("/feeds/osmand?id=U%d&lat=%.7f&lon=%.7f&timestamp=%d&speed=%d&bearing=%d&accuracy=5",
					u, lat, lng, time.Now().UnixMilli(), r.IntN(40), r.IntN(360))); err != nil {
					return
				}
			}
		})
	}
	time.Sleep(5 * time.Second)
	const span = 20 * time.Second
	cpu, from, was := s.cpu(t), deliveries.Load(), bytes.Load()
	time.Sleep(span)
	used, n, got := s.cpu(t)-cpu, deliveries.Load()-from, bytes.Load()-was
	close(stop)
	wg.Wait()
	say(t, "fan-out to 10,000 sockets", "%.1f CPU s per million deliveries, feeds and journal included; %.0f deliveries/s of %.0f bytes",
		used.Seconds()/float64(n)*1e6, float64(n)/span.Seconds(), float64(got)/float64(n))
	say(t, "  memory", "%.1f KB a connection", float64(full-idle)/sockets/1024)
	for _, c := range conns {
		c.Close()
	}
}
