package streams

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"rasad/geo"
)

// hubNext takes one frame that must be there within d.
func hubNext(t *testing.T, s Source, d time.Duration) *Frame {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	f, err := s.Next(ctx)
	if err != nil {
		t.Fatalf("nothing came within %s: %v", d, err)
	}
	return f
}

// hubChange takes the next frame that is no heartbeat.
func hubChange(t *testing.T, s Source, d time.Duration) *Frame {
	t.Helper()
	for end := time.Now().Add(d); ; {
		if f := hubNext(t, s, time.Until(end)); !f.Heartbeat() || f.Keyframe() {
			return f
		}
	}
}

func TestThoseWhoKeepUpShareTheBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newHubWriter(t, 1)
		w.write(w.delta(9))
		h := w.hub(Audience{})
		a, b := h.Subscribe(Resume{}, 0), h.Subscribe(Resume{}, 0)
		defer a.Close()
		defer b.Close()
		first := hubNext(t, a, time.Millisecond)
		if f := hubNext(t, b, time.Millisecond); f != first || !f.Keyframe() || f.Status == nil || f.Status.Audience != "ops" || f.Status.Build != "test" {
			t.Fatalf("two newcomers got %+v and %+v, want the same keyframe with a status", first, f)
		}
		for range 5 {
			w.write(w.delta(9))
			f, g := hubChange(t, a, time.Millisecond), hubChange(t, b, time.Millisecond)
			if f != g || &f.Wire()[0] != &g.Wire()[0] || &f.JSON(nil)[0] != &g.JSON(nil)[0] {
				t.Fatal("two readers got different bytes for one frame")
			}
			if f.Seq != w.world.View().Seq() || f.Base != f.Seq-1 || f.State != w.world.View().Hash() {
				t.Fatalf("got frame %d on %d with state %x", f.Seq, f.Base, f.State)
			}
		}
	})
}

func TestSlowReadersGetOneSharedSummary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newHubWriter(t, 2)
		h := w.hub(Audience{})
		var subs [3]*Subscription
		var screens [3]hubScreen
		for i := range subs {
			subs[i] = h.Subscribe(Resume{}, 0)
			defer subs[i].Close()
			if err := screens[i].take(hubNext(t, subs[i], time.Second).Wire()); err != nil {
				t.Fatal(err)
			}
		}
		for range 500 {
			w.write(w.delta(9))
			time.Sleep(5 * time.Millisecond)
		}
		got := map[*Frame]bool{}
		for i := range subs {
			for screens[i].world.View().Seq() < w.world.View().Seq() {
				f := hubNext(t, subs[i], time.Second)
				got[f] = true
				if err := screens[i].take(f.Wire()); err != nil {
					t.Fatal(err)
				}
			}
			if screens[i].keyframes+screens[i].frames > 3 {
				t.Errorf("reader %d needed %d frames to catch up with 500", i, screens[i].frames)
			}
		}
		if len(got) > 4 { // a summary, a heartbeat, perhaps the last frame
			t.Errorf("three readers at one place got %d different frames", len(got))
		}
	})
}

func TestResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newHubWriter(t, 3)
		for range 40 {
			w.write(w.delta(9))
		}
		h := w.hub(Audience{})
		tests := map[string]struct {
			from Resume
			want string
		}{
			"nothing":                        {Resume{}, "keyframe"},
			"another epoch":                  {Resume{"other", 40, 0}, "keyframe"},
			"a sequence that is not reached": {Resume{hubEpoch, 41, 0}, "keyframe"},
			"an overlay":                     {Resume{hubEpoch, 40, 2}, "keyframe"},
			"sequence zero":                  {Resume{hubEpoch, 0, 0}, "keyframe"},
			"now":                            {Resume{hubEpoch, 40, 0}, "heartbeat"},
			"a moment ago":                   {Resume{hubEpoch, 37, 0}, "changes"},
			"long ago":                       {Resume{hubEpoch, 1, 0}, "changes"},
		}
		for name, tt := range tests {
			s := h.Subscribe(tt.from, 5*time.Second) // a resume does not wait for the rate
			f := hubNext(t, s, time.Millisecond)
			got := "changes"
			switch {
			case f.Keyframe():
				got = "keyframe"
			case f.Heartbeat():
				got = "heartbeat"
			}
			if got != tt.want || f.Seq != 40 || f.State != w.world.View().Hash() {
				t.Errorf("%s: got %s to %d with state %x, want %s to 40", name, got, f.Seq, f.State, tt.want)
			}
			if got == "changes" {
				if f.Base > tt.from.Seq {
					t.Errorf("%s: got a frame that starts at %d", name, f.Base)
				}
				if g := hubNext(t, s, time.Millisecond); !g.Heartbeat() || g.Status == nil {
					t.Errorf("%s: the status did not follow", name)
				}
			}
			s.Close()
		}
	})
}

func TestParseResume(t *testing.T) {
	tests := map[string]struct {
		want Resume
		ok   bool
	}{
		"":                        {Resume{}, true},
		"k3:7":                    {Resume{"k3", 7, 0}, true},
		"k3:7:2":                  {Resume{"k3", 7, 2}, true},
		"k3":                      {},
		":7":                      {},
		"k3:":                     {},
		"k3:-1":                   {},
		"k3:7:2:1":                {},
		"k3:18446744073709551616": {},
	}
	for in, tt := range tests {
		got, err := ParseResume(in)
		if got != tt.want || (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrResume) {
			t.Errorf("%q: got %v and %v, want %v", in, got, err, tt.want)
		}
		if tt.ok && in != "" && got.String() != in {
			t.Errorf("%q becomes %q", in, got)
		}
	}
}

// Tombstones end somewhere; who comes from before gets a keyframe.
func TestTooLongAgoIsAKeyframe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newHubWriter(t, 4)
		for range 5 {
			w.write(w.delta(5))
		}
		for range 101 { // the world remembers 100,000 drops
			d := geo.Delta{}
			first := w.world.View().NextID()
			for i := range 1000 {
				id := first + geo.ID(i)
				d.Put = append(d.Put, &geo.Feature{ID: id, Key: fmt.Sprint("x", id), Kind: geo.Site, Rev: w.world.View().Seq() + 1})
			}
			w.write(d)
			d = geo.Delta{}
			for i := range 1000 {
				d.Drop = append(d.Drop, first+geo.ID(i))
			}
			w.write(d)
		}
		h := w.hub(Audience{})
		for seq, keyframe := range map[uint64]bool{3: true, w.world.View().Seq() - 1: false} {
			s := h.Subscribe(Resume{hubEpoch, seq, 0}, 0)
			if f := hubNext(t, s, time.Millisecond); f.Keyframe() != keyframe {
				t.Errorf("from %d: got a frame that starts at %d", seq, f.Base)
			}
			s.Close()
		}
	})
}

func TestRates(t *testing.T) {
	for every, want := range map[time.Duration]time.Duration{0: 50 * time.Millisecond, 51 * time.Millisecond: 200 * time.Millisecond, time.Second: time.Second, 2 * time.Second: 5 * time.Second, time.Hour: 5 * time.Second} {
		if got := RoundEvery(every); got != want {
			t.Errorf("every %s: got %s, want %s", every, got, want)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		w := newHubWriter(t, 5)
		w.write(w.delta(9))
		h := w.hub(Audience{})
		type reader struct {
			sub     *Subscription
			screen  hubScreen
			changes int
			frames  map[*Frame]bool
		}
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		var readers []*reader
		for _, every := range []time.Duration{0, 200 * time.Millisecond, time.Second, time.Second, 5 * time.Second} {
			r := &reader{sub: h.Subscribe(Resume{}, every), frames: map[*Frame]bool{}}
			readers = append(readers, r)
			wg.Go(func() {
				defer r.sub.Close()
				for {
					f, err := r.sub.Next(ctx)
					if err != nil {
						return
					}
					if !f.Heartbeat() && !f.Keyframe() {
						r.changes++
						r.frames[f] = true
					}
					if err := r.screen.take(f.Wire()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for range 1000 { // 20 s
			time.Sleep(20 * time.Millisecond)
			w.write(w.delta(9))
		}
		time.Sleep(10 * time.Millisecond) // not on a boundary
		stop()
		wg.Wait()
		for i, want := range []struct{ least, most int }{{1000, 1000}, {99, 101}, {19, 21}, {19, 21}, {3, 5}} {
			if got := readers[i].changes; got < want.least || got > want.most {
				t.Errorf("reader %d got %d frames of changes in 20 s, want %d to %d", i, got, want.least, want.most)
			}
		}
		if !maps.Equal(readers[2].frames, readers[3].frames) {
			t.Error("two readers of one rate got different frames")
		}
	})
}

func TestHeartbeatsAndStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newHubWriter(t, 6)
		w.write(w.delta(9))
		h := w.hub(Audience{})
		w.tick(Status{Recording: true})
		s := h.Subscribe(Resume{}, 5*time.Second)
		defer s.Close()
		hubNext(t, s, time.Millisecond)
		tick := geo.Millis(time.Now().UnixMilli())

		// A stuck writer: heartbeats go on, their tick does not.
		for range 20 {
			f := hubNext(t, s, time.Second)
			if !f.Heartbeat() || f.Seq != 1 || f.State != w.world.View().Hash() || f.Status.Tick != tick || f.Status.Clock != geo.Millis(time.Now().UnixMilli()) {
				t.Fatalf("got %+v with status %+v", f, f.Status)
			}
		}
		// A change is told at once, and once.
		w.tick(Status{Recording: false})
		if f := hubNext(t, s, time.Millisecond); !f.Heartbeat() || f.Status.Recording || f.Status.Tick == tick {
			t.Fatalf("got %+v with status %+v, want the news", f, f.Status)
		}
		w.tick(Status{Recording: false})
		began := time.Now()
		hubNext(t, s, time.Second)
		if time.Since(began) < 100*time.Millisecond {
			t.Error("a tick alone was told at once")
		}
		// A screen that found itself wrong asks for everything.
		s.Resume(Resume{})
		if f := hubNext(t, s, time.Millisecond); !f.Keyframe() || f.Status.Recording {
			t.Fatalf("got %+v, want a keyframe that says what is so", f)
		}
		restart := errors.New("restart")
		h.Close(restart)
		if _, err := s.Next(t.Context()); !errors.Is(err, restart) {
			t.Errorf("got %v, want %v", err, restart)
		}
	})
}

func TestOverlayReachesEveryone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newHubWriter(t, 7)
		for range 5 {
			w.write(w.delta(9))
		}
		h := w.hub(Audience{})
		var fast, slow, late, rated hubScreen
		read := func(s *hubScreen, sub *Subscription, until uint64) {
			t.Helper()
			for s.world == nil || s.world.View().Live() != until || s.world.View().Seq() != w.world.View().Seq() {
				if err := s.take(hubNext(t, sub, 2*time.Second).Wire()); err != nil {
					t.Fatal(err)
				}
			}
			for f := range w.world.View().All("") {
				if g, ok := s.world.View().ByID(f.ID); !ok || g.Fix != f.Fix {
					t.Fatalf("the screen shows %+v, the world %+v", g, f)
				}
			}
		}
		a, b, r := h.Subscribe(Resume{}, 0), h.Subscribe(Resume{}, 0), h.Subscribe(Resume{}, time.Second)
		defer a.Close()
		defer b.Close()
		defer r.Close()
		read(&fast, a, 0)
		read(&slow, b, 0)
		read(&rated, r, 0)
		for live := uint64(1); live <= 10; live++ {
			w.overlay()
			read(&fast, a, live)
			time.Sleep(20 * time.Millisecond)
		}
		if fast.overlays != 10 {
			t.Errorf("a screen that kept up got %d overlays, want 10", fast.overlays)
		}
		read(&slow, b, 10)
		read(&rated, r, 10)
		if slow.overlays != 1 || rated.overlays != 1 {
			t.Errorf("slow screens got %d and %d overlays, want one of everything", slow.overlays, rated.overlays)
		}
		c := h.Subscribe(fast.resume(), 0)
		defer c.Close()
		read(&late, c, 10)
		if late.keyframes != 1 || late.overlays != 1 {
			t.Errorf("a newcomer got %d keyframes and %d overlays", late.keyframes, late.overlays)
		}
		time.Sleep(time.Second)
		w.write(w.delta(9))
		read(&fast, a, 0)
		read(&slow, b, 0)
		read(&late, c, 0)
		read(&rated, r, 0)
	})
}

func TestPublishPanicsWhenAFrameIsMissing(t *testing.T) {
	w := newHubWriter(t, 8)
	h := w.hub(Audience{})
	w.hubs = nil
	w.write(w.delta(3))
	f := w.write(w.delta(3))
	f2 := *f
	for name, bad := range map[string]*Frame{"a gap": f, "another epoch": {World: hubWorld, Epoch: "x", Seq: 2}, "not applied": {World: hubWorld, Epoch: hubEpoch, Base: 0, Seq: 3}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			h.Publish(bad)
		}()
	}
	f2.Base = 0
	h.Publish(&f2)
}

func hubValue(m prometheus.Metric) float64 {
	var v dto.Metric
	if err := m.Write(&v); err != nil {
		panic(err)
	}
	return v.GetGauge().GetValue() + v.GetCounter().GetValue()
}

func TestHubMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		w := newHubWriter(t, 9)
		w.write(w.delta(9))
		h := NewHub(w.world, HubOptions{World: hubWorld, Epoch: hubEpoch, Metrics: reg})
		NewHub(w.world, HubOptions{World: hubWorld, Epoch: hubEpoch, Audience: west, Metrics: reg}) // no clash
		s := h.Subscribe(Resume{}, 0)
		hubNext(t, s, time.Second).Wire()
		if got := hubValue(h.m.readers); got != 1 {
			t.Errorf("got %v readers, want 1", got)
		}
		if k, n := hubValue(h.m.keyframes), hubValue(h.m.bytes); k != 1 || n == 0 {
			t.Errorf("got %v keyframes and %v bytes", k, n)
		}
		s.Close()
		s.Close()
		if got := hubValue(h.m.readers); got != 0 {
			t.Errorf("got %v readers after the last one closed", got)
		}
		all, err := reg.Gather()
		if err != nil || len(all) != 10 {
			t.Errorf("got %d metrics (%v), want 10", len(all), err)
		}
	})
}

// The law of audiences: what they see of two changes is the same whether the
// changes come one by one or merged, and it is what they see of the end.
func TestProjectionKeepsTheLaw(t *testing.T) {
	for seed := range uint64(2000) {
		w := newHubWriter(t, seed)
		start := func() *projection { return newProjection(west.Project, w.world.View()) }
		w.write(w.delta(12))
		from := w.world.View()
		one, both := start(), start()
		reader, merged := geo.NewWorld(), geo.NewWorld()
		for _, r := range []*geo.World{reader, merged} {
			r.Load(geo.Moment{Seq: from.Seq()}, one.world.View().Keyframe(), 0, nil, nil)
		}
		a := w.delta(12)
		w.write(a)
		pa := one.apply(w.world.View(), a)
		b := w.delta(12)
		w.write(b)
		pb := one.apply(w.world.View(), b)
		at := geo.Moment{Seq: w.world.View().Seq(), Time: w.world.View().Time()}
		pab := both.apply(w.world.View(), a.Merge(b))

		want := newProjection(west.Project, w.world.View()).world.View()
		since, ok := one.world.View().Since(from.Seq())
		if !ok {
			t.Fatal("the tombstones are gone")
		}
		for name, d := range map[string]geo.Delta{
			"one by one and merged": pa.Merge(pb),
			"merged before":         pab,
			"what a slow one gets":  projectedSince(one.world.View(), one.shown, since, from.Seq()),
		} {
			got := geo.NewWorld()
			got.Load(geo.Moment{Seq: from.Seq()}, merged.View().Keyframe(), 0, nil, nil)
			got.Apply(at, d)
			if !reflect.DeepEqual(got.View().Keyframe(), want.Keyframe()) || got.View().Hash() != want.Hash() {
				t.Fatalf("seed %d: %s: got %+v, want %+v", seed, name, got.View().Keyframe(), want.Keyframe())
			}
		}
		reader.Apply(at, pa)
		reader.Apply(at, pb)
		for name, v := range map[string]*geo.View{"one by one": reader.View(), "kept beside": one.world.View(), "kept beside, merged": both.world.View()} {
			if v.Hash() != want.Hash() || !reflect.DeepEqual(v.Keyframe(), want.Keyframe()) {
				t.Fatalf("seed %d: %s: got %+v, want %+v", seed, name, v.Keyframe(), want.Keyframe())
			}
		}
	}
}

// A simulated hour of bad luck: twenty screens of all sorts that nap, fall off and
// resume, through a full disk, a stuck writer and a restart.
func TestEveryScreenAgrees(t *testing.T) {
	for _, seed := range []uint64{1, 2} {
		synctest.Test(t, func(t *testing.T) { everyScreenAgrees(t, seed) })
	}
}

// hubServer is what screens reach: the hubs of the moment.
type hubServer struct{ all, west atomic.Pointer[Hub] }

// hubViewer is one screen in everyScreenAgrees, and what it went through.
type hubViewer struct {
	hubScreen
	text    *hubText // instead, for a client of JSON
	ctx     context.Context
	asleep  time.Duration // longest nap
	r       *rand.Rand
	every   time.Duration
	hub     *atomic.Pointer[Hub]
	resumes int // connections that went on without a keyframe
	longest time.Duration
	oldTick bool // saw a tick that stood still
	notRec  bool
}

func (v *hubViewer) run(t *testing.T) {
	for v.ctx.Err() == nil {
		from := v.hubScreen.resume()
		if v.text != nil {
			from = Resume{hubEpoch, v.text.seq, 0}
		}
		sub := v.hub.Load().Subscribe(from, v.every)
		ctx, cancel := context.WithTimeout(v.ctx, time.Duration(v.r.IntN(60_000))*time.Millisecond)
		v.watch(t, ctx, sub, from)
		cancel()
		sub.Close()
		hubSleep(v.ctx, time.Duration(v.r.IntN(20_000))*time.Millisecond) // out of reach
	}
}

func hubSleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (v *hubViewer) watch(t *testing.T, ctx context.Context, sub *Subscription, from Resume) {
	last := time.Now()
	for n := 0; ; n++ {
		f, err := sub.Next(ctx)
		if err != nil {
			return
		}
		v.longest = max(v.longest, time.Since(last))
		if n == 0 && from.Seq > 0 && !f.Keyframe() {
			v.resumes++
		}
		if v.text != nil {
			err = v.text.take(f.JSON(nil))
		} else {
			err = v.take(f.Wire())
			if now := time.Now().UnixMilli(); now-int64(v.status.Tick) > 3000 && f.Heartbeat() {
				v.oldTick = true
			}
			v.notRec = v.notRec || !v.status.Recording
		}
		if err != nil {
			t.Errorf("screen %s: %v", v.name, err)
			return
		}
		switch v.r.IntN(40) {
		case 0:
			hubSleep(ctx, time.Duration(v.r.Int64N(int64(v.asleep)+1)))
		case 1:
			sub.SetEvery(hubRates[v.r.IntN(len(hubRates))])
		}
		last = time.Now()
	}
}

func everyScreenAgrees(t *testing.T, seed uint64) {
	w := newHubWriter(t, seed)
	server := &hubServer{}
	open := func() {
		w.hubs = nil
		server.all.Store(w.hub(Audience{}))
		server.west.Store(w.hub(west))
	}
	open()
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var viewers []*hubViewer
	for i := range 20 {
		v := &hubViewer{ctx: ctx, hub: &server.all, r: rand.New(rand.NewPCG(seed, uint64(i+1))), every: hubRates[i%len(hubRates)]}
		v.name = fmt.Sprint(i)
		v.asleep = []time.Duration{0, 300 * time.Millisecond, 10 * time.Second}[i%3]
		switch {
		case i == 7:
			v.text = &hubText{}
		case i >= 16:
			v.hub = &server.west
		}
		viewers = append(viewers, v)
		wg.Go(func() { v.run(t) })
	}

	recording := Status{Recording: true}
	shift := func(d time.Duration, do func()) {
		for end := time.Now().Add(d); time.Now().Before(end); {
			time.Sleep(time.Duration(1+w.r.IntN(80)) * time.Millisecond)
			do()
		}
	}
	work := func() { w.write(w.delta(12)); w.tick(recording) }
	for range 2 {
		shift(40*time.Second, work)
		// The disk is full: positions go on, nothing is recorded.
		w.tick(Status{Recording: false})
		shift(20*time.Second, func() { w.overlay(); w.tick(Status{Recording: false}) })
		shift(20*time.Second, work)
		time.Sleep(12 * time.Second) // the writer is stuck
		shift(20*time.Second, work)
		// A restart in the same epoch: the world comes back from its keyframe file.
		old := w.world.View()
		var changed []uint64
		for f := range old.All("") {
			changed = append(changed, old.Changed(f.ID))
		}
		restored := geo.NewWorld()
		restored.Load(geo.Moment{Seq: old.Seq(), Time: old.Time()}, old.Keyframe(), old.NextID(), changed, old.Tombs())
		closing := w.hubs
		w.world = restored
		open()
		for _, h := range closing {
			h.Close(errors.New("restart"))
		}
	}
	// Everyone who is away comes back, and sees the last change within the slowest rate.
	shift(time.Minute, work)
	for range 120 {
		time.Sleep(time.Second)
		w.tick(recording)
	}
	stop()
	wg.Wait()

	now := w.world.View()
	seen := newProjection(west.Project, now).world.View()
	for _, v := range viewers {
		want := now
		if v.hub == &server.west {
			want = seen
		}
		if v.longest > time.Second {
			t.Errorf("seed %d, screen %s waited %s for a word", seed, v.name, v.longest)
		}
		if v.text != nil {
			if !maps.Equal(v.text.features, textOf(want)) || v.text.seq != want.Seq() {
				t.Errorf("seed %d, the client of JSON holds %v at %d, want %v at %d", seed, v.text.features, v.text.seq, textOf(want), want.Seq())
			}
			continue
		}
		got := v.world.View()
		if got.Seq() != want.Seq() || got.Hash() != want.Hash() || v.hash != want.Hash() || !reflect.DeepEqual(got.Keyframe(), want.Keyframe()) {
			t.Errorf("seed %d, screen %s: at %d with hash %016x, want %d with %016x", seed, v.name, got.Seq(), got.Hash(), want.Seq(), want.Hash())
		}
		if v.keyframes == 0 || v.frames == 0 || v.beats == 0 || v.overlays == 0 || v.resumes == 0 || !v.oldTick || !v.notRec {
			t.Errorf("seed %d, screen %s went through too little: %d keyframes, %d frames, %d heartbeats, %d overlays, %d resumes, old tick %v, not recording %v",
				seed, v.name, v.keyframes, v.frames, v.beats, v.overlays, v.resumes, v.oldTick, v.notRec)
		}
	}
}
