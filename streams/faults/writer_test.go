package faults

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"rasad/geo"
	"rasad/streams"
)

// childDir in the environment makes the test binary a writer in that folder.
const childDir = "RASAD_FAULTS_WRITE_IN"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := writeForEver(dir); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func options(dir string) streams.JournalOptions {
	return streams.JournalOptions{Dir: dir, ScrubRate: -1, Reserve: -1}
}

// writer makes frames up and records them.
type writer struct {
	j *streams.Journal
	w *geo.World
	r *rand.Rand
}

// frame makes the next frame: some units move, now and then one appears or
// changes, and some frames are large.
func (x *writer) frame() *streams.Frame {
	v := x.w.View()
	f := &streams.Frame{Base: v.Seq(), Seq: v.Seq() + 1, Time: v.Time() + 50, State: v.Hash()}
	fix := func() geo.Fix {
		return geo.Fix{At: geo.LngLat{Lng: x.r.Int32N(1e7), Lat: x.r.Int32N(1e7)}, Time: f.Time, Heading: uint16(x.r.IntN(360)), Speed: uint16(x.r.IntN(300))}
	}
	for id := geo.ID(1); id < v.NextID(); id++ {
		p, ok := v.ByID(id)
		if !ok || x.r.IntN(8) > 0 {
			continue
		}
		to := fix()
		f.State += geo.Mix(id, p.Rev, to) - geo.Mix(id, p.Rev, p.Fix)
		f.Move = append(f.Move, geo.Move{ID: id, Fix: to})
	}
	if id := v.NextID(); id <= 60 && x.r.IntN(3) == 0 {
		p := &geo.Feature{ID: id, Key: fmt.Sprintf("unit-%d", id), Kind: geo.Unit, Rev: f.Seq, Fix: fix(), Props: `{"status":"available"}`}
		f.State += geo.Mix(id, p.Rev, p.Fix)
		f.Put = append(f.Put, p)
	}
	if x.r.IntN(10) == 0 {
		args := make([]byte, x.r.IntN(30_000))
		for i := range args {
			args[i] = byte(x.r.Uint32())
		}
		f.Acts = append(f.Acts, geo.Act{At: f.Time, Name: "note", Key: fmt.Sprint("key-", f.Seq), Args: args})
	}
	return f
}

// write records one frame and applies it; it returns the hash of its bytes.
func (x *writer) write(ctx context.Context) (seq uint64, sum string, err error) {
	f := x.frame()
	if err := x.j.Append(ctx, f); err != nil {
		return f.Seq, "", err
	}
	x.apply(f)
	return f.Seq, hashOf(f), nil
}

func (x *writer) apply(f *streams.Frame) {
	x.w.Apply(geo.Moment{Seq: f.Seq, Time: f.Time}, f.Delta)
}

// untilRefused writes large frames until one is refused, and returns that one.
func (x *writer) untilRefused(l *ledger) (*streams.Frame, error) {
	for range 1000 {
		f := x.frame()
		f.Acts = append(f.Acts, geo.Act{At: f.Time, Name: "note", Args: make([]byte, 200_000)})
		if err := x.j.Append(context.Background(), f); err != nil {
			return f, err
		}
		x.apply(f)
		l.acks[f.Seq] = hashOf(f)
	}
	return nil, nil
}

func hashOf(f *streams.Frame) string {
	sum := sha256.Sum256(f.Encode())
	return hex.EncodeToString(sum[:])
}

// writeForEver is the child: it says what it did only after it was done.
func writeForEver(dir string) error {
	ctx := context.Background()
	j, w, r, err := streams.OpenJournal(ctx, options(dir))
	if err != nil {
		return err
	}
	if len(r.Damaged) > 0 {
		return fmt.Errorf("damaged: %s", strings.Join(r.Damaged, "; "))
	}
	fmt.Println("open", j.Epoch(), j.Last())
	x := &writer{j, w, rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))}
	for n := 1; ; n++ {
		if n%40 == 0 {
			v := w.View()
			go func() { _ = j.Snapshot(ctx, v, nil) }() // the disk may be gone
		}
		seq, sum, err := x.write(ctx)
		if err != nil {
			return err
		}
		fmt.Println("ack", seq, sum)
	}
}

// ledger is what children have acknowledged, over all their lives.
type ledger struct {
	acks map[uint64]string // hash of each acknowledged frame
	seen map[uint64]string // hash of each frame ever found in the journal
	last uint64
}

func newLedger() *ledger { return &ledger{map[uint64]string{}, map[uint64]string{}, 0} }

// child starts a writer and collects what it acknowledges until its pipe ends.
// The channel returned is closed then.
func (l *ledger) child(t *testing.T, dir string) (*exec.Cmd, <-chan struct{}) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.listen(t, out)
	}()
	return cmd, done
}

func (l *ledger) listen(t *testing.T, out io.Reader) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var seq uint64
		var sum string
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "ack "):
			if n, _ := fmt.Sscanf(line, "ack %d %s", &seq, &sum); n != 2 || len(sum) != 64 {
				continue // the line was cut by the kill: nobody heard it
			}
			if before, ok := l.acks[seq]; ok && before != sum {
				t.Errorf("sequence %d was used twice", seq)
			}
			l.acks[seq] = sum
			l.last = max(l.last, seq)
		case strings.HasPrefix(line, "error damaged"):
			t.Error(line)
		}
	}
}

// audit opens the journal, checks every acknowledged frame, and closes it.
func (l *ledger) audit(t *testing.T, dir string) *streams.Recovery {
	t.Helper()
	ctx := context.Background()
	j, w, r, err := streams.OpenJournal(ctx, options(dir))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Damaged) > 0 {
		t.Errorf("damaged: %s", strings.Join(r.Damaged, "; "))
	}
	l.compare(t, j, w)
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	return r
}

// compare holds every acknowledged frame against the open journal.
func (l *ledger) compare(t *testing.T, j *streams.Journal, w *geo.World) {
	t.Helper()
	found := map[uint64]string{}
	var state, last uint64
	for f, err := range j.Frames(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		state, last = f.State, f.Seq
		if f.Keyframe() {
			continue
		}
		found[f.Seq] = hashOf(f)
	}
	lost := 0
	for seq, sum := range l.acks {
		if found[seq] != sum {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d acknowledged frames are lost or altered", lost, len(l.acks))
	}
	for seq, sum := range l.seen {
		if found[seq] != sum {
			t.Errorf("frame %d was %.8s and is now %.8s", seq, sum, found[seq])
		}
	}
	l.seen = found
	if v := w.View(); v.Hash() != state || v.Seq() != last {
		t.Errorf("the world stands at %d with state %x, the journal at %d with %x", v.Seq(), v.Hash(), last, state)
	}
	if bad, err := j.Check(context.Background()); err != nil || bad != nil {
		t.Errorf("check: %v, %v", bad, err)
	}
}
