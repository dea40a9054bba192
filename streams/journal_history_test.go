package streams

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"rasad/geo"
)

// Replay to any moment gives the state that was live then.
func TestHistoryGivesThePastBack(t *testing.T) {
	j, w, _ := mustOpen(t, testOptions(t.TempDir()))
	s := newScribe(j, w, 20)
	type moment struct {
		at    geo.Millis
		state uint64
	}
	var past []moment
	for range 12 {
		for range 10 {
			s.write(t, 1)
			past = append(past, moment{w.View().Time(), w.View().Hash()})
		}
		s.snapshot(t)
	}
	first, last := j.Span()
	if first > past[0].at || last != past[len(past)-1].at {
		t.Errorf("got span %d to %d", first, last)
	}
	for _, m := range past {
		k, err := j.KeyframeAt(context.Background(), m.at)
		if err != nil {
			t.Fatal(err)
		}
		if k.Time > m.at || m.at-k.Time > 500 {
			t.Fatalf("keyframe of %d for %d", k.Time, m.at)
		}
		then, err := loadKeyframe(k)
		if err != nil {
			t.Fatal(err)
		}
		for f, err := range j.Frames(context.Background(), k.Seq) {
			if err != nil {
				t.Fatal(err)
			}
			if f.Time > m.at {
				break
			}
			then.Apply(geo.Moment{Seq: f.Seq, Time: f.Time}, f.Delta)
		}
		if got := then.View().Hash(); got != m.state {
			t.Fatalf("at %d: got state %x, want %x", m.at, got, m.state)
		}
	}
	if k, err := j.KeyframeAt(context.Background(), 1); err != nil || k.Seq != 1 {
		t.Errorf("before the beginning: got %+v, %v; want the first keyframe", k, err)
	}
}

// History goes on across a new epoch: its first keyframe stands between the
// frames, and no sequence is used twice.
func TestHistoryAcrossEpochs(t *testing.T) {
	o := testOptions(t.TempDir())
	j, w, _ := mustOpen(t, o)
	s := newScribe(j, w, 21)
	s.write(t, 30)
	_ = j.Close()
	for i := range 2 * markSlot {
		if i == 60 || i == markSlot+60 {
			flip(t, o.Dir+"/live.mark", i)
		}
	}
	j, w, r := mustOpen(t, o)
	if !r.NewEpoch {
		t.Fatal("no new epoch without a mark")
	}
	s.j, s.w = j, w
	s.write(t, 30)
	sameFrames(t, j, s)
	epochs := map[string]bool{}
	var lastSeq uint64
	replayed := geo.NewWorld()
	for f, err := range j.Frames(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if f.Seq <= lastSeq {
			t.Fatalf("sequence %d after %d", f.Seq, lastSeq)
		}
		lastSeq = f.Seq
		epochs[f.Epoch] = true
		if f.Keyframe() {
			if replayed, err = loadKeyframe(f); err != nil {
				t.Fatal(err)
			}
			continue
		}
		replayed.Apply(geo.Moment{Seq: f.Seq, Time: f.Time}, f.Delta)
	}
	if len(epochs) != 2 || replayed.View().Hash() != w.View().Hash() {
		t.Errorf("got %d epochs and state %x, want 2 and %x", len(epochs), replayed.View().Hash(), w.View().Hash())
	}
}

func TestTrimmer(t *testing.T) {
	tests := map[string]struct {
		options func(*JournalOptions)
		first   uint64 // first frame left; keyframes are of frames 22, 42 ... 202
	}{
		"keeps all without a rule":             {func(o *JournalOptions) {}, 2},
		"by age, at the keyframe before":       {func(o *JournalOptions) { o.RetainFor = 5100 * time.Millisecond }, 83},
		"an age that all frames are below":     {func(o *JournalOptions) { o.RetainFor = time.Hour }, 2},
		"never the two newest keyframes":       {func(o *JournalOptions) { o.RetainFor = time.Millisecond }, 163},
		"not above what the archive holds":     {func(o *JournalOptions) { o.RetainFor = time.Millisecond; o.Archived = func() uint64 { return 100 } }, 83},
		"nothing while the archive is empty":   {func(o *JournalOptions) { o.RetainFor = time.Millisecond; o.Archived = func() uint64 { return 0 } }, 2},
		"by size, as little as makes it fit":   {func(o *JournalOptions) { o.RetainBytes = 1 }, 163},
		"a size that fits":                     {func(o *JournalOptions) { o.RetainBytes = 1 << 30 }, 2},
		"the stricter of age and size decides": {func(o *JournalOptions) { o.RetainBytes = 1; o.RetainFor = 5100 * time.Millisecond }, 163},
	}
	for name, x := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := testOptions(t.TempDir())
			x.options(&o)
			j, w, _ := mustOpen(t, o)
			s := newScribe(j, w, 22)
			for range 10 {
				s.write(t, 20)
				s.snapshot(t)
			}
			for range 2 { // trimming again changes nothing
				if err := j.trim(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
			st, err := j.streamState(context.Background(), j.stream)
			if err != nil {
				t.Fatal(err)
			}
			if st.FirstSeq != x.first {
				t.Errorf("got first frame %d, want %d", st.FirstSeq, x.first)
			}
			if files, err := listKeyframes(j.keyframeDir, "live"); err != nil || files[len(files)-1].seq != x.first-1 {
				t.Errorf("the oldest keyframe is of frame %d, not the one before the first frame", files[len(files)-1].seq)
			}
			if bad, err := j.Check(context.Background()); err != nil || bad != nil {
				t.Errorf("check: %v, %v", bad, err)
			}
			s.write(t, 5)
			_ = j.Close()
			j, w, r := mustOpen(t, o)
			healthy(t, r)
			if w.View().Hash() != s.w.View().Hash() {
				t.Error("another world after the restart")
			}
			_ = j
		})
	}
}

// What the trimmer has left and is missing afterwards is known to be missing.
func TestMissingBelowTheKeyframeIsNamed(t *testing.T) {
	o := testOptions(t.TempDir())
	j, w, _ := mustOpen(t, o)
	s := newScribe(j, w, 23)
	for range 5 {
		s.write(t, 20)
		s.snapshot(t)
	}
	_, js, err := j.b.conn()
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(context.Background(), j.stream)
	if err != nil {
		t.Fatal(err)
	}
	for _, seq := range []uint64{2, 3, 30, 31, 32, 50} {
		if err := stream.DeleteMsg(context.Background(), seq); err != nil {
			t.Fatal(err)
		}
	}
	bad, err := j.Check(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(bad, "; "); !strings.Contains(got, "frames 30 to 32") || !strings.Contains(got, "frame 50") {
		t.Errorf("check: got %q", got)
	}
	_ = j.Close()

	j, w, r := mustOpen(t, o)
	got := strings.Join(r.Damaged, "; ")
	for _, want := range []string{"frames 2 to 3 ", "30 to 32", "50"} {
		if !strings.Contains(got, want) {
			t.Errorf("start: got %q, want %q named", got, want)
		}
	}
	if r.NewEpoch || w.View().Hash() != s.w.View().Hash() {
		t.Errorf("the world of today is whole, but got %+v", *r)
	}
	// Replay says where it ends, and goes on after a later keyframe.
	replay := func(after uint64) (last uint64, err error) {
		for f, err := range j.Frames(context.Background(), after) {
			if err != nil {
				return last, err
			}
			last = f.Seq
		}
		return last, nil
	}
	if last, err := replay(22); last != 29 || err == nil || !strings.Contains(err.Error(), "frames 30 to 32") {
		t.Errorf("got replay up to %d, %v", last, err)
	}
	if last, err := replay(62); last != j.Last() || err != nil {
		t.Errorf("got replay up to %d, %v; want %d", last, err, j.Last())
	}
}

// A bit flipped while the server runs is found by the background check.
func TestBackgroundCheckNamesDamage(t *testing.T) {
	o := testOptions(t.TempDir())
	j, w, _ := mustOpen(t, o)
	s := newScribe(j, w, 24)
	s.write(t, 50)
	s.snapshot(t)
	s.write(t, 5)
	files, err := listKeyframes(j.keyframeDir, "live")
	if err != nil {
		t.Fatal(err)
	}
	_ = j.Close()
	flip(t, files[1].path, 40)
	path := lastBlock(t, o.Dir)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	flip(t, path, int(info.Size()/3))

	told := make(chan string, 10)
	o.ScrubRate = 1 << 30
	o.OnDamage = func(what string) { told <- what }
	_, w, r := mustOpen(t, o)
	if r.NewEpoch || w.View().Hash() != s.w.View().Hash() {
		t.Fatalf("the world of today does not depend on that frame: %+v", *r)
	}
	var got string
	for range 2 {
		select {
		case what := <-told:
			got += what + "; "
		case <-time.After(10 * time.Second):
			t.Fatalf("only told %q", got)
		}
	}
	if !strings.Contains(got, "frame ") || !strings.Contains(got, "damaged in epoch") || !strings.Contains(got, "the keyframe of frame 1 is set aside") {
		t.Errorf("got %q", got)
	}
}

func TestStoreAlarmAndCap(t *testing.T) {
	o := testOptions(t.TempDir())
	o.Store = 100_000
	var mu sync.Mutex
	var told []string
	o.OnStore = func(used, limit int64) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, fmt.Sprintf("%v of %d", used > limit*8/10, limit))
	}
	j, w, _ := mustOpen(t, o)
	s := newScribe(j, w, 25)
	var err error
	var f *Frame
	for err == nil {
		f = s.frame()
		f.Acts = append(f.Acts, geo.Act{Name: "note", Args: make([]byte, 1000)})
		if err = j.Append(context.Background(), f); err == nil {
			s.apply(f)
		}
		if len(s.acked) > 200 {
			t.Fatal("the cap does not hold")
		}
	}
	if !errors.Is(err, ErrNotRecording) || !strings.Contains(err.Error(), "the journal is full") {
		t.Errorf("got %v", err)
	}
	if err := j.trim(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(told) != 1 || told[0] != "true of 100000" {
		t.Errorf("told %q, want the alarm once", told)
	}
	sameFrames(t, j, s)
}

func TestSnapshotRefusesWhatIsNotRecorded(t *testing.T) {
	j, w, _ := mustOpen(t, testOptions(t.TempDir()))
	s := newScribe(j, w, 26)
	s.write(t, 5)
	w.Overlay(1, w.View().Time()+1, []geo.Move{{ID: 1, Fix: geo.Fix{Time: 1}}})
	if err := j.Snapshot(context.Background(), w.View(), nil); err == nil {
		t.Error("a view with positions that are not recorded was taken")
	}
	w.Apply(geo.Moment{Seq: w.View().Seq() + 1, Time: w.View().Time()}, geo.Delta{})
	if err := j.Snapshot(context.Background(), w.View(), nil); err == nil {
		t.Error("a view ahead of the journal was taken")
	}
}

// Idempotency keys of the last day are remembered across a restart, from the
// keyframe and from the frames after it.
func TestAnswersComeBack(t *testing.T) {
	o := testOptions(t.TempDir())
	j, w, _ := mustOpen(t, o)
	s := newScribe(j, w, 27)
	day := geo.Millis(24 * 3600 * 1000)
	note := func(key string, later geo.Millis) {
		f := s.frame()
		f.Time += later
		f.Acts = []geo.Act{{At: f.Time, Name: "assign", Key: key, Answer: []byte(key)}, {At: f.Time, Name: "no.key"}}
		if err := j.Append(context.Background(), f); err != nil {
			t.Fatal(err)
		}
		s.apply(f)
	}
	note("yesterday", 0)
	note("this morning", day/2)
	acts := []geo.Act{{At: w.View().Time() - day/2, Key: "yesterday"}, {At: w.View().Time(), Key: "this morning"}}
	if err := j.Snapshot(context.Background(), w.View(), acts); err != nil {
		t.Fatal(err)
	}
	note("tonight", day/2+1000)
	_ = j.Close()
	j, _, _ = mustOpen(t, o)
	var got []string
	for _, a := range j.Answers() {
		got = append(got, a.Key)
	}
	if strings.Join(got, ", ") != "this morning, tonight" {
		t.Errorf("got %q", got)
	}
}
