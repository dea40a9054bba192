package streams

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sys/unix"

	"rasad/geo"
)

var errCut = errors.New("the line is cut")

// retry offers the frame until it is recorded, as the sequencer does.
func retry(t testing.TB, j *Journal, f *Frame, within time.Duration) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		err := j.Append(context.Background(), f)
		if err == nil {
			return
		}
		if !errors.Is(err, ErrNotRecording) || time.Now().After(deadline) {
			t.Fatalf("append frame %d: %v", f.Seq, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// The answer to a publish can be lost on either side of the write. The frame is
// then in the journal once, with the bytes of the first attempt, whatever the
// caller's frame says by the second.
func TestUnknownOutcome(t *testing.T) {
	for name, arrives := range map[string]bool{"the answer is lost": true, "the request is lost": false} {
		t.Run(name, func(t *testing.T) {
			o := testOptions(t.TempDir())
			j, w, _ := mustOpen(t, o)
			s := newScribe(j, w, 4)
			s.write(t, 10)
			var cut atomic.Int32
			j.publish = func(ctx context.Context, m *nats.Msg, seq uint64, id string) (*jetstream.PubAck, error) {
				if cut.Add(1) > 1 {
					return j.publishNATS(ctx, m, seq, id)
				}
				if arrives {
					if _, err := j.publishNATS(ctx, m, seq, id); err != nil {
						t.Error(err)
					}
				}
				return nil, errCut
			}
			f := s.frame()
			if err := j.Append(context.Background(), f); !errors.Is(err, ErrNotRecording) || !errors.Is(err, errCut) {
				t.Fatalf("got %v, want %v", err, ErrNotRecording)
			}
			first := f.Encode()
			f.Acts = append(f.Acts, geo.Act{Name: "added.later"})
			retry(t, j, f, 5*time.Second)
			f.Acts = f.Acts[:len(f.Acts)-1]
			if string(first) != string(f.Encode()) {
				t.Error("the frame's header changed between attempts")
			}
			s.apply(f)
			s.write(t, 5)
			sameFrames(t, j, s)
			_ = j.Close()
			j, _, r := mustOpen(t, o)
			healthy(t, r)
			sameFrames(t, j, s)
		})
	}
}

// NATS goes away in the middle of a publish.
func TestServerStopsUnderAFrame(t *testing.T) {
	j, w, _ := mustOpen(t, testOptions(t.TempDir()))
	s := newScribe(j, w, 5)
	s.write(t, 5)
	for range 3 {
		go j.b.close()
		f := s.frame()
		retry(t, j, f, 10*time.Second)
		s.apply(f)
		s.write(t, 3)
	}
	sameFrames(t, j, s)
	if !j.Status().Recording {
		t.Error("not recording after healing")
	}
}

// A caller whose patience ends has not decided anything.
func TestAppendGivenUpByItsCaller(t *testing.T) {
	j, w, _ := mustOpen(t, testOptions(t.TempDir()))
	s := newScribe(j, w, 6)
	ctx, cancel := context.WithCancel(context.Background())
	j.publish = func(_ context.Context, m *nats.Msg, seq uint64, id string) (*jetstream.PubAck, error) {
		if _, err := j.publishNATS(context.Background(), m, seq, id); err != nil {
			t.Error(err)
		}
		cancel()
		return nil, context.Canceled
	}
	f := s.frame()
	if err := j.Append(ctx, f); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	j.publish = j.publishNATS
	other := s.frame()
	other.Seq += 5
	if err := j.Append(context.Background(), other); err == nil || errors.Is(err, ErrNotRecording) {
		t.Fatalf("another frame while one is in flight: got %v", err)
	}
	retry(t, j, f, time.Second)
	s.apply(f)
	s.write(t, 3)
	sameFrames(t, j, s)
}

func TestAppendRefusesWhatDoesNotFollow(t *testing.T) {
	j, w, _ := mustOpen(t, testOptions(t.TempDir()))
	s := newScribe(j, w, 7)
	s.write(t, 3)
	big := s.frame()
	big.Acts = []geo.Act{{Name: "big", Args: make([]byte, frameBytesMax)}}
	if err := j.Append(context.Background(), big); !errors.Is(err, ErrFrameTooLarge) {
		t.Errorf("got %v, want %v", err, ErrFrameTooLarge)
	}
	for _, step := range []uint64{2, 1 << 40} {
		f := s.frame()
		f.Seq += step
		if err := j.Append(context.Background(), f); err == nil {
			t.Errorf("a frame %d ahead was taken", step)
		}
	}
	s.write(t, 3) // the sequence was free
	sameFrames(t, j, s)
}

func TestTheMarkCannotBeWritten(t *testing.T) {
	o := testOptions(t.TempDir())
	j, w, _ := mustOpen(t, o)
	s := newScribe(j, w, 8)
	s.write(t, 3)
	good := j.mark.f
	readOnly, err := os.Open(good.Name())
	if err != nil {
		t.Fatal(err)
	}
	j.mark.f = readOnly
	f := s.frame()
	if err := j.Append(context.Background(), f); !errors.Is(err, ErrNotRecording) {
		t.Fatalf("got %v, want %v: a frame without its mark was acknowledged", err, ErrNotRecording)
	}
	j.mu.Lock()
	j.mark.f = good
	j.mu.Unlock()
	retry(t, j, f, 5*time.Second)
	s.apply(f)
	_ = readOnly.Close()
	_ = j.Close()
	_, w, r := mustOpen(t, o)
	healthy(t, r)
	if w.View().Hash() != s.w.View().Hash() {
		t.Error("the world came back different")
	}
}

// tmpfs mounts a small disk in memory, or says what it cannot show.
func tmpfs(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("NOT SHOWN, the full disk: mounting a small one needs root (%v)", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fillDisk leaves about so many bytes free.
func fillDisk(t *testing.T, dir string, leave int64) string {
	t.Helper()
	_, free, err := diskSpace(dir)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "ballast")
	if err := os.WriteFile(path, make([]byte, max(free-leave, 0)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A full disk is met twice: as our own reserve, and, with none, as NATS's own
// errors, after which only an in-process restart helps.
func TestFullDiskHeals(t *testing.T) {
	for name, reserve := range map[string]int64{"our reserve stops in time": 2 << 20, "NATS meets the full disk": -1 << 40} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := testOptions(tmpfs(t, "24m"))
			o.Reserve = reserve
			var stopped, went atomic.Int32
			o.OnRecording = func(s JournalStatus) {
				if s.Recording {
					went.Add(1)
				} else {
					stopped.Add(1)
				}
			}
			j, w, _ := mustOpen(t, o)
			t.Cleanup(func() { _ = j.Close() })
			s := newScribe(j, w, 10)
			s.write(t, 30)
			ballast := fillDisk(t, o.Dir, 0)
			var f *Frame
			for range 200 {
				f = s.frame()
				f.Acts = append(f.Acts, geo.Act{Name: "note", Args: make([]byte, 100_000)})
				if err := j.Append(context.Background(), f); err != nil {
					if !errors.Is(err, ErrNotRecording) {
						t.Fatalf("got %v, want %v", err, ErrNotRecording)
					}
					break
				}
				s.apply(f)
			}
			if j.Status().Recording {
				t.Fatal("a full disk was not noticed")
			}
			if err := j.Probe(context.Background()); !errors.Is(err, ErrNotRecording) {
				t.Errorf("probe: got %v, want %v", err, ErrNotRecording)
			}
			time.Sleep(time.Second) // the healer must not make it worse
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			retry(t, j, f, 10*time.Second)
			t.Logf("healed %v after there was space", time.Since(start).Round(time.Millisecond))
			s.apply(f)
			s.write(t, 20)
			sameFrames(t, j, s)
			if err := j.Probe(context.Background()); err != nil {
				t.Errorf("probe: %v", err)
			}
			if stopped.Load() != 1 || went.Load() != 1 {
				t.Errorf("told %d times that it stopped, %d times that it went on; want once each", stopped.Load(), went.Load())
			}
			_ = j.Close()
			j, _, r := mustOpen(t, o)
			healthy(t, r)
			sameFrames(t, j, s)
			_ = j.Close()
		})
	}
}

// external starts a NATS server of its own with a TCP listener.
func external(t *testing.T) string {
	t.Helper()
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true, JetStream: true, StoreDir: t.TempDir(), SyncAlways: true})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	if !srv.ReadyForConnections(10 * time.Second) {
		t.Fatal("the NATS server does not start")
	}
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	return "nats://" + net.JoinHostPort("127.0.0.1", fmt.Sprint(srv.Addr().(*net.TCPAddr).Port))
}

// Two nodes on one cluster: the second takes the pen, the first notices at its
// next frame, and a third that knows nothing starts from what the cluster has.
func TestTwoPens(t *testing.T) {
	url := external(t)
	at := func() JournalOptions {
		o := testOptions(t.TempDir())
		o.URL = url
		return o
	}
	j1, w1, _ := mustOpen(t, at())
	s1 := newScribe(j1, w1, 11)
	s1.write(t, 30)
	s1.snapshot(t)
	s1.write(t, 10)

	j2, w2, r := mustOpen(t, at())
	if r.NewEpoch || len(r.Damaged) > 0 || j2.Epoch() != j1.Epoch() || j2.Term() != j1.Term()+1 {
		t.Fatalf("second node: got %+v, term %d after %d", *r, j2.Term(), j1.Term())
	}
	if w2.View().Hash() != w1.View().Hash() {
		t.Fatal("second node: another world")
	}
	if r.TailFrames != 10 {
		t.Errorf("second node: got %d tail frames, want 10: the shared keyframe was not used", r.TailFrames)
	}
	f := s1.frame()
	for range 2 {
		if err := j1.Append(context.Background(), f); !errors.Is(err, ErrPenLost) {
			t.Fatalf("first node: got %v, want %v", err, ErrPenLost)
		}
	}
	if err := j1.Probe(context.Background()); err == nil {
		t.Error("first node: the probe says that all is well")
	}
	s2 := newScribe(j2, w2, 12)
	s2.write(t, 10)
	_ = j2.Close()

	// The first node again: its mark is older, and the chain proves the rest.
	_ = j1.Close()
	j1, w1, r = mustOpen(t, j1.o)
	healthy(t, r)
	if w1.View().Hash() != w2.View().Hash() {
		t.Error("first node again: another world")
	}
	if bad, err := j1.Check(context.Background()); err != nil || bad != nil {
		t.Errorf("check: %v, %v", bad, err)
	}
}

func TestProbeWritesWhenIdle(t *testing.T) {
	j, _, _ := mustOpen(t, testOptions(t.TempDir()))
	j.lastAck.Store(0)
	if err := j.Probe(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := j.b.get(context.Background(), "RASAD_PROBE", 1); err != nil {
		t.Errorf("the probe was not written: %v", err)
	}
	j.b.close()
	if err := j.Probe(context.Background()); !errors.Is(err, ErrNotRecording) {
		t.Errorf("got %v, want %v", err, ErrNotRecording)
	}
}

func TestClosedJournal(t *testing.T) {
	j, w, _ := mustOpen(t, testOptions(t.TempDir()))
	f := newScribe(j, w, 13).frame()
	for range 2 {
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Append(context.Background(), f); !errors.Is(err, ErrJournalClosed) {
		t.Errorf("got %v, want %v", err, ErrJournalClosed)
	}
}

// The power fails while NATS makes the first stream: its folder is there, the
// checksum beside its configuration is not. What is recorded after that start
// must be found by the next.
func TestHalfMadeStream(t *testing.T) {
	o := testOptions(t.TempDir())
	j, _, _ := mustOpen(t, o)
	epoch := j.Epoch()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	m, _, err := openMark(filepath.Join(o.Dir, "live.mark"))
	if err != nil {
		t.Fatal(err)
	}
	before := m.now
	before.seq, before.hash = before.begin-1, before.anchor
	if err := errors.Join(m.setBoth(before), m.close()); err != nil {
		t.Fatal(err)
	}
	dir := streamDir(filepath.Join(o.Dir, "nats"), streamName("live", epoch))
	if err := errors.Join(os.Remove(filepath.Join(dir, "meta.sum")), os.RemoveAll(filepath.Join(dir, "msgs"))); err != nil {
		t.Fatal(err)
	}
	j, w, r := mustOpen(t, o)
	healthy(t, r)
	s := newScribe(j, w, 7)
	s.write(t, 5)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j, _, r = mustOpen(t, o)
	healthy(t, r)
	if j.Epoch() != epoch {
		t.Errorf("the epoch is %s, want %s", j.Epoch(), epoch)
	}
	sameFrames(t, j, s)
}
