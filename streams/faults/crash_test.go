package faults

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"rasad/streams"
)

// enough counts to n, and on, while fewer frames were acknowledged than show
// anything: on a busy machine a writer may come to nothing before its end.
func enough(l *ledger, n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := 0; i < n || i < 6*n && len(l.acks) < 10*n; i++ {
			if !yield(i) {
				return
			}
		}
	}
}

// A writer is killed at any moment, again and again: while it opens, writes,
// or makes a keyframe.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	l := newLedger()
	r := rand.New(rand.NewPCG(1, 1))
	for n := range enough(l, kills) {
		cmd, done := l.child(t, dir)
		time.Sleep(time.Duration(5+r.IntN(400)) * time.Millisecond * time.Duration(1+n/kills))
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-done
		_ = cmd.Wait() // it was killed
		if got := l.audit(t, dir); len(got.Repaired) > 0 {
			t.Errorf("a kill left something to repair: %v", got.Repaired)
		}
		if t.Failed() {
			return
		}
	}
	if len(l.acks) < 10*kills {
		t.Fatalf("only %d frames were acknowledged: the test shows nothing", len(l.acks))
	}
	t.Logf("%d x kill -9: %d frames acknowledged, 0 lost, 0 sequences used twice", kills, len(l.acks))
}

// disk is a file system of its own that can lose its power.
type disk struct{ image, dir string }

// newDisk makes a small ext4 disk, or says what it cannot show.
func newDisk(t *testing.T) *disk {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("NOT SHOWN, the power cut: mounting a disk needs root")
	}
	d := &disk{filepath.Join(t.TempDir(), "disk.img"), t.TempDir()}
	if err := os.WriteFile(d.image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(d.image, 256<<20); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", d.image).CombinedOutput(); err != nil {
		t.Skipf("NOT SHOWN, the power cut: mkfs.ext4: %v %s", err, out)
	}
	if out, err := exec.Command("mount", "-o", "loop", d.image, d.dir).CombinedOutput(); err != nil {
		t.Skipf("NOT SHOWN, the power cut: mount: %v %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", d.dir).Run() })
	return d
}

// cut loses what is not on the disk: not even ext4's own log is flushed.
func (d *disk) cut(t *testing.T) {
	t.Helper()
	const shutdown, noLogFlush = 0x8004587d, 2
	f, err := os.Open(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	how := uint32(noLogFlush)
	if _, _, e := syscall.Syscall(unix.SYS_IOCTL, f.Fd(), shutdown, uintptr(unsafe.Pointer(&how))); e != 0 {
		t.Fatalf("cut the power: %v", e)
	}
}

// back brings the disk up as after a reboot.
func (d *disk) back(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("umount", d.dir).CombinedOutput(); err != nil {
		t.Fatalf("umount: %v %s", err, out)
	}
	if out, err := exec.Command("mount", "-o", "loop", d.image, d.dir).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v %s", err, out)
	}
}

func TestPowerCut(t *testing.T) {
	d := newDisk(t)
	l := newLedger()
	r := rand.New(rand.NewPCG(2, 2))
	dir := filepath.Join(d.dir, "data")
	for n := range enough(l, cuts) {
		cmd, done := l.child(t, dir)
		time.Sleep(time.Duration(20+r.IntN(500)) * time.Millisecond * time.Duration(1+n/cuts))
		d.cut(t)
		time.Sleep(20 * time.Millisecond) // what it still says must be true
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		<-done
		_ = cmd.Wait()
		d.back(t)
		if got := l.audit(t, dir); len(got.Repaired) > 0 {
			t.Logf("repaired: %v", got.Repaired)
		}
		if t.Failed() {
			return
		}
	}
	if len(l.acks) < 10*cuts {
		t.Fatalf("only %d frames were acknowledged: the test shows nothing", len(l.acks))
	}
	t.Logf("%d x power cut: %d frames acknowledged, 0 lost, 0 sequences used twice", cuts, len(l.acks))
}

// A disk runs full under the journal and has space again later: frames are
// refused in between, and recorded again within 10 s.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=48m"); err != nil {
		t.Skipf("NOT SHOWN, the full disk: mounting a small one needs root (%v)", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	o := options(dir)
	o.Reserve = -1 << 40 // none: NATS must meet the full disk itself
	j, w, _, err := streams.OpenJournal(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.Close() }()
	x := &writer{j, w, rand.New(rand.NewPCG(3, 3))}
	l := newLedger()
	for n := range fills {
		for range 100 {
			seq, sum, err := x.write(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			l.acks[seq] = sum
		}
		var s unix.Statfs_t
		if err := unix.Statfs(dir, &s); err != nil {
			t.Fatal(err)
		}
		ballast := filepath.Join(dir, "ballast")
		if err := os.WriteFile(ballast, make([]byte, int64(s.Bavail)*s.Bsize), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := x.untilRefused(l)
		if !errors.Is(err, streams.ErrNotRecording) {
			t.Fatalf("got %v, want %v", err, streams.ErrNotRecording)
		}
		time.Sleep(3 * time.Second)
		if st := j.Status(); st.Recording || st.Reason == "" {
			t.Errorf("on a full disk the status is %+v", st)
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for err := j.Append(context.Background(), f); err != nil; err = j.Append(context.Background(), f) {
			if !errors.Is(err, streams.ErrNotRecording) || time.Since(start) > 10*time.Second {
				t.Fatalf("%v after there was space: %v", time.Since(start), err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		x.apply(f)
		l.acks[f.Seq] = hashOf(f)
		t.Logf("fill %d: recorded again %v after there was space", n+1, time.Since(start).Round(time.Millisecond))
	}
	l.compare(t, j, w)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if got := l.audit(t, dir); len(got.Damaged)+len(got.Repaired) > 0 {
		t.Errorf("after the restart: %+v", *got)
	}
}
