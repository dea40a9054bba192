package streams

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"rasad/geo"
)

func TestAWholeRecordIsProven(t *testing.T) {
	g := newSignedGround(t)
	r := audited(t, g.files, AuditOptions{})
	if !r.Whole() || r.Epochs != 2 || r.Frames == 0 || r.States != r.Frames || r.Keyframes != 9 || r.Heads != 13 || r.Acts == 0 {
		t.Errorf("got %+v, want two epochs, nine keyframes and thirteen heads without a finding", *r)
	}
	own, err := AuditKey(g.files)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := ParseAuditKey(AuditKeyString(own)); err != nil || !back.Equal(own) {
		t.Errorf("the public key comes back as %v, %v", back, err)
	}
	for _, bad := range []string{"", "ed25519:", AuditKeyString(own)[8:], AuditKeyString(own) + "A", AuditKeyString(own)[:40]} {
		if _, err := ParseAuditKey(bad); err == nil {
			t.Errorf("%q was taken for a key", bad)
		}
	}
	// Verifying on the disk changes nothing there, with a server's lock held or not.
	before := readAll(t, g.dir)
	if r := audited(t, os.DirFS(g.dir), AuditOptions{Keys: []ed25519.PublicKey{own}}); !r.Whole() {
		t.Errorf("on the disk: %+v", r.Findings)
	}
	if !unchanged(before, readAll(t, g.dir)) {
		t.Error("verifying changed the folder")
	}
}

// found fails the test unless something of that code was found.
func found(t *testing.T, r *AuditReport, code string) {
	t.Helper()
	for _, f := range r.Findings {
		if f.Code == code {
			return
		}
	}
	t.Errorf("got %+v, want a %s", r.Findings, code)
}

// forge writes the whole last epoch anew after change, as somebody could who may
// write into the folder and has no key: frames, chain, message ids, NATS's
// checksums, keyframes and the mark all agree.
func (g *signedGround) forge(t *testing.T, change func(seq uint64, f *Frame) bool) fstest.MapFS {
	t.Helper()
	files := g.copy()
	mark, health, err := (&Record{files, "live"}).mark()
	if err != nil || health != markWhole {
		t.Fatalf("mark %v, %v", health, err)
	}
	r := &Record{files, "live"}
	streams, err := r.streams()
	if err != nil {
		t.Fatal(err)
	}
	s := streams[len(streams)-1]
	prev := mark.anchor
	var rows [][]byte
	last := position{seq: mark.begin - 1, hash: mark.anchor}
	hashes := map[uint64]hash{}
	for rec, err := range r.records(context.Background(), s, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if rec.gone {
			continue
		}
		f, err := ParseFrame(rec.data)
		if err != nil {
			t.Fatal(err)
		}
		if !change(f.Seq, f) {
			break
		}
		f.Prev = prev
		b := f.Encode()
		prev = sha256.Sum256(b)
		hashes[f.Seq] = prev
		last = position{f.Seq, prev, f.Time}
		rows = append(rows, recordOf(rec, b, messageID(prev)))
	}
	for i, b := range s.blocks {
		delete(files, b.path)
		if i == 0 {
			files[b.path] = &fstest.MapFile{Data: resum(rows, s.name, int(b.index))}
		}
	}
	keyframes, err := r.keyframes()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keyframes {
		if k.epoch != s.epoch || k.seq+1 == mark.begin {
			continue
		}
		f, _, err := r.keyframe(k)
		if err != nil {
			t.Fatal(err)
		}
		sum, ok := hashes[k.seq]
		if !ok {
			delete(files, k.path)
			continue
		}
		f.Prev = sum
		b, _ := encodeKeyframe(f)
		files[k.path] = &fstest.MapFile{Data: b}
	}
	mark.seq, mark.hash = last.seq, last.hash
	slots := append(appendMark(nil, 100, mark), appendMark(nil, 101, mark)...)
	files["live.mark"] = &fstest.MapFile{Data: slots}
	return files
}

// TestAForgedRecordIsFound is a hand that knows the format and has no key.
func TestAForgedRecordIsFound(t *testing.T) {
	g := newSignedGround(t)
	again := g.forge(t, func(uint64, *Frame) bool { return true })
	if r := audited(t, again, AuditOptions{}); !r.Whole() {
		t.Fatalf("the forger's tool does not work: %+v", r.Findings)
	}
	m, _, _ := (&Record{g.files, "live"}).mark()
	without := func(files fstest.MapFS) fstest.MapFS {
		delete(files, "audit/live.heads")
		delete(files, "audit/key")
		return files
	}
	why := func(seq uint64, f *Frame) bool {
		for i := range f.Acts {
			f.Acts[i].By.Name = "somebody else"
		}
		return true
	}
	r := audited(t, g.forge(t, why), AuditOptions{})
	found(t, r, "head-unproven")
	found(t, r, "keyframe-altered")
	cut := func(seq uint64, f *Frame) bool { return seq < m.seq-3 }
	r = audited(t, g.forge(t, cut), AuditOptions{})
	found(t, r, "mark-behind")
	// With heads and key gone, only a copy that was shipped elsewhere can tell, and it does.
	own, err := AuditKey(g.files)
	if err != nil {
		t.Fatal(err)
	}
	copied := AuditOptions{Copy: g.files["audit/live.heads"].Data, Keys: []ed25519.PublicKey{own}}
	for name, files := range map[string]fstest.MapFS{"other acts": without(g.forge(t, why)), "cut": without(g.forge(t, cut))} {
		if r := audited(t, files, AuditOptions{}); len(r.Notes) == 0 {
			t.Errorf("%s: a record without heads is not said to be one: %+v", name, *r)
		}
		if r := audited(t, files, copied); r.Whole() {
			t.Errorf("%s: not found with the copy", name)
		}
	}
	// Heads signed anew with another key are found by the key that was written down.
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	files := g.copy()
	var out, prev []byte
	for line := range bytes.Lines(files["audit/live.heads"].Data) {
		var h Head
		if err := json.Unmarshal(line, &h); err != nil {
			t.Fatal(err)
		}
		if prev != nil {
			sum := sha256.Sum256(prev)
			h.Prev = hex.EncodeToString(sum[:])
		}
		if prev, err = h.sign(key); err != nil {
			t.Fatal(err)
		}
		out = append(append(out, prev...), '\n')
	}
	files["audit/live.heads"] = &fstest.MapFile{Data: out}
	found(t, audited(t, files, AuditOptions{Keys: []ed25519.PublicKey{own}}), "head-altered")
	if r := audited(t, files, AuditOptions{Keys: []ed25519.PublicKey{key.Public().(ed25519.PublicKey)}}); len(r.Findings) != 1 || r.Findings[0].Code != "key-other" {
		t.Errorf("heads of another key, verified with it: %+v", r.Findings)
	}
}

// TestShippedHeads is a copy of the heads beside the folder's own.
func TestShippedHeads(t *testing.T) {
	g := newSignedGround(t)
	heads := g.files["audit/live.heads"].Data
	lines := bytes.SplitAfter(heads, []byte{'\n'})
	upTo := func(n int) []byte { return bytes.Join(lines[:n], nil) }
	for name, copied := range map[string][]byte{
		"all": heads, "an older copy": upTo(5), "from the middle": bytes.Join(lines[4:], nil), "cut while it was copied": heads[:len(heads)-40],
	} {
		if r := audited(t, g.files, AuditOptions{Copy: copied}); !r.Whole() {
			t.Errorf("%s: %+v", name, r.Findings)
		}
	}
	files := g.copy()
	files["audit/live.heads"] = &fstest.MapFile{Data: upTo(6)}
	found(t, audited(t, files, AuditOptions{Copy: heads}), "head-missing")
	delete(files, "audit/live.heads")
	r := audited(t, files, AuditOptions{Copy: heads})
	found(t, r, "heads-missing")
	if r.Heads != 13 {
		t.Errorf("with the copy %d heads were proven, want 13", r.Heads)
	}
	// An older state of the whole folder is a whole record; the copy knows better.
	older := newSignedGround(t)
	found(t, audited(t, older.files, AuditOptions{Copy: heads}), "head-altered")
}

// TestHeadsOfARunningJournal verifies beside the writer, over and over.
func TestHeadsOfARunningJournal(t *testing.T) {
	dir := t.TempDir()
	j, w, _ := mustOpen(t, testOptions(dir))
	h, err := OpenHeads(j)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "audit/key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the key: %v, %v", info, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	signed := make(chan struct{})
	go func() { h.Run(ctx); close(signed) }()
	s := newScribe(j, w, 5)
	written := make(chan struct{})
	go func() {
		defer close(written)
		for i := 0; ctx.Err() == nil; i++ {
			s.write(t, 1)
			if i%200 == 100 {
				s.snapshot(t)
			}
			time.Sleep(time.Millisecond)
		}
	}()
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
		r, err := VerifyRecord(context.Background(), os.DirFS(dir), AuditOptions{settle: 1200 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range r.Findings {
			t.Errorf("beside a running journal: %+v", f)
		}
	}
	stop()
	<-written
	<-signed
	s.snapshot(t)
	mustSign(t, h)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	r := audited(t, os.DirFS(dir), AuditOptions{})
	if !r.Whole() || r.Heads < 3 {
		t.Errorf("stopped: %+v", *r)
	}
	t.Logf("%d frames, %d heads", r.Frames, r.Heads)
}

// TestHeadsSurviveAFullDisk: recording goes on, and heads are caught up.
func TestHeadsSurviveAFullDisk(t *testing.T) {
	dir := t.TempDir()
	j, w, _ := mustOpen(t, testOptions(dir))
	h, err := OpenHeads(j)
	if err != nil {
		t.Fatal(err)
	}
	s := newScribe(j, w, 6)
	s.write(t, 5)
	mustSign(t, h)
	h.writeAt = func(f *os.File, b []byte, at int64) (int, error) {
		n, _ := f.WriteAt(b[:len(b)/2], at)
		return n, syscall.ENOSPC
	}
	s.write(t, 5)
	s.snapshot(t)
	if err := h.Sign(context.Background()); err == nil || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("on a full disk: %v", err)
	}
	if h.news() {
		t.Error("a head that cannot be written is tried again every second")
	}
	s.write(t, 5) // recording does not care
	if r := audited(t, os.DirFS(dir), AuditOptions{}); len(r.Findings) != 1 || r.Findings[0].Code != "keyframe-altered" || r.Heads != 1 {
		t.Errorf("while heads cannot be written: %+v", *r)
	}
	h.writeAt = (*os.File).WriteAt
	b, err := os.ReadFile(h.path)
	if err != nil {
		t.Fatal(err)
	}
	// What a power cut leaves of a line goes with the next one.
	if err := os.WriteFile(h.path, append(b, `{"n":1,"wor`...), 0o600); err != nil {
		t.Fatal(err)
	}
	mustSign(t, h)
	s.write(t, 3)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j, _, r := mustOpen(t, testOptions(dir))
	healthy(t, r)
	if h, err = OpenHeads(j); err != nil {
		t.Fatal(err)
	}
	mustSign(t, h)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if r := audited(t, os.DirFS(dir), AuditOptions{}); !r.Whole() || r.Heads != 3 {
		t.Errorf("got %+v", *r)
	}
}

// TestHeadsMeetAnotherRecord: a record that was put back to an older state, or
// changed, is not signed over.
func TestHeadsMeetAnotherRecord(t *testing.T) {
	dir, old := t.TempDir(), t.TempDir()
	o := testOptions(dir)
	var alarms []string
	o.OnDamage = func(what string) { alarms = append(alarms, what) }
	seed := uint64(9)
	open := func() (*Journal, *scribe, *Heads) {
		t.Helper()
		seed++
		j, w, _, err := OpenJournal(context.Background(), o)
		if err != nil {
			t.Fatal(err)
		}
		h, err := OpenHeads(j)
		if err != nil {
			t.Fatal(err)
		}
		return j, newScribe(j, w, seed), h
	}
	j, s, _ := open()
	s.write(t, 5)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(old, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	j, s, h := open()
	s.write(t, 20)
	mustSign(t, h)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"nats", "keyframes"} {
		replaceDir(t, filepath.Join(dir, name), filepath.Join(old, name))
	}
	b, err := os.ReadFile(filepath.Join(old, "live.mark"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "live.mark"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	j, s, h = open()
	defer j.Close()
	for i := range 30 { // first it ends before the head, then it goes past it with other frames
		s.write(t, 1)
		if err := h.Sign(context.Background()); err == nil {
			t.Fatalf("frame %d of another history was signed after %d", s.w.View().Seq(), i)
		}
	}
	if len(alarms) == 0 {
		t.Error("nobody was told")
	}
	if r := audited(t, os.DirFS(dir), AuditOptions{}); r.Whole() {
		t.Errorf("got %+v", *r)
	}
}

// TestTrimmedFramesAreNotMissing: what the trimmer took is told apart from what
// somebody took.
func TestTrimmedFramesAreNotMissing(t *testing.T) {
	o := testOptions(t.TempDir())
	o.RetainBytes = 1
	j, w, _ := mustOpen(t, o)
	h, err := OpenHeads(j)
	if err != nil {
		t.Fatal(err)
	}
	s := newScribe(j, w, 8)
	for range 5 {
		s.write(t, 20)
		s.snapshot(t)
		mustSign(t, h)
	}
	if err := j.trim(context.Background()); err != nil {
		t.Fatal(err)
	}
	found(t, audited(t, os.DirFS(o.Dir), AuditOptions{}), "trimmed-unsigned")
	if !h.news() {
		t.Error("a trim does not ask for a head")
	}
	mustSign(t, h)
	r := audited(t, os.DirFS(o.Dir), AuditOptions{})
	if !r.Whole() || r.First <= 2 || r.Frames != r.States {
		t.Errorf("trimmed: %+v", *r)
	}
	s.write(t, 5)
	s.snapshot(t)
	mustSign(t, h)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if r := audited(t, os.DirFS(o.Dir), AuditOptions{}); !r.Whole() {
		t.Errorf("stopped: %+v", r.Findings)
	}
	j, _, rec := mustOpen(t, testOptions(o.Dir))
	healthy(t, rec)
	if h, err = OpenHeads(j); err != nil {
		t.Fatal(err)
	}
	mustSign(t, h)
	if r := audited(t, os.DirFS(o.Dir), AuditOptions{}); !r.Whole() {
		t.Errorf("started again: %+v", r.Findings)
	}
}

// TestTheRecordReadsAsTheJournalDoes holds the two histories against each other.
func TestTheRecordReadsAsTheJournalDoes(t *testing.T) {
	g := newSignedGround(t)
	record, err := NewRecord(os.DirFS(g.dir), "")
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	read := func(h History, after uint64) (out []string) {
		t.Helper()
		for f, err := range h.Frames(ctx, after) {
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, string(f.Encode()))
		}
		return out
	}
	m, _, err := record.mark()
	if err != nil {
		t.Fatal(err)
	}
	starts := []uint64{0, 1, 10, 30, 45, m.begin - 1, m.begin + 3, m.seq - 1}
	mine := map[uint64][]string{}
	for _, after := range starts {
		mine[after] = read(record, after)
	}
	first, _ := record.Span()
	key, err := record.KeyframeAt(ctx, first+600)
	if err != nil {
		t.Fatal(err)
	}
	j, _, _ := mustOpen(t, testOptions(g.dir)) // takes the pen: one frame more
	for _, after := range starts {
		theirs := read(j, after)
		theirs = theirs[:len(theirs)-1]
		if strings.Join(mine[after], "|") != strings.Join(theirs, "|") {
			t.Errorf("after %d: the folder gives %d frames, the journal %d", after, len(mine[after]), len(theirs))
		}
	}
	if want, err := j.KeyframeAt(ctx, first+600); err != nil || want.Seq != key.Seq {
		t.Errorf("the keyframe is of frame %d, want %d, %v", key.Seq, want.Seq, err)
	}
	if _, err := NewRecord(os.DirFS(t.TempDir()), ""); err == nil {
		t.Error("an empty folder was taken for a record")
	}
}

// TestTheFirstKeyframeOfAnEpochStays: without it nothing of the epoch can be
// replayed, and its frames have no anchor.
func TestTheFirstKeyframeOfAnEpochStays(t *testing.T) {
	const hour = geo.Millis(time.Hour / time.Millisecond)
	var files []keyframeFile // newest first: three epochs of 100 keyframes, a minute apart
	for i := range 300 {
		n := uint64(300 - i)
		files = append(files, keyframeFile{epoch: fmt.Sprint("e", (n-1)/100), seq: n, time: geo.Millis(n) * hour / 60, size: 10})
	}
	for name, quota := range map[string]int64{"by the hour": 1 << 40, "over the quota": 100, "far over the quota": 1} {
		gone := map[uint64]bool{}
		for _, k := range spareKeyframes(files, 100*hour, quota) {
			gone[k.seq] = true
		}
		if len(gone) < 280 {
			t.Errorf("%s: only %d of 300 go", name, len(gone))
		}
		for _, stays := range []uint64{1, 101, 201, 299, 300} {
			if gone[stays] {
				t.Errorf("%s: the keyframe of frame %d goes", name, stays)
			}
		}
	}
}

// FuzzHeads: no line makes it panic, and what is taken for a head is written again
// as it was.
func FuzzHeads(f *testing.F) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	line, err := Head{World: "live", Epoch: "e", Seq: 3, Keyframes: []HeadKeyframe{{1, "00"}}}.sign(key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line)
	f.Add([]byte(`{"n":1,"sig":""}`))
	f.Add([]byte(sigMember + `"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := parseHead(b, []ed25519.PublicKey{key.Public().(ed25519.PublicKey)})
		if err != nil {
			return
		}
		if again, err := h.sign(key); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%s comes back as %s, %v", b, again, err)
		}
	})
}

// FuzzBlocks: any bytes can stand in a block, and the folder around them is
// verified without a panic. Whole records that are cut into it are told apart.
func FuzzBlocks(f *testing.F) {
	g := newSignedGround(f)
	name := g.names("nats/", ".blk")[0]
	b := g.files[name].Data
	f.Add(b)
	f.Add(b[:len(b)/2])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		files := g.copy()
		files[name] = &fstest.MapFile{Data: data}
		if r := audited(t, files, AuditOptions{}); r.Whole() && !harmless(t, g.files, files) {
			t.Errorf("not found: %+v", *r)
		}
	})
}

// BenchmarkVerify reads a record of 2,000 frames.
func BenchmarkVerify(b *testing.B) {
	dir := b.TempDir()
	j, w, _ := mustOpen(b, testOptions(dir))
	s := newScribe(j, w, 3)
	s.units = 1000
	s.write(b, 2000)
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
	files := readAll(b, dir)
	var bytes int
	for _, f := range files {
		bytes += len(f.Data)
	}
	frames := 0
	for b.Loop() {
		frames = audited(b, files, AuditOptions{}).Frames
	}
	b.SetBytes(int64(bytes))
	b.ReportMetric(float64(frames)*float64(b.N)/b.Elapsed().Seconds(), "frames/s")
}
