package streams

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"time"

	"rasad/geo"
)

// AuditOptions say against what a record is verified.
type AuditOptions struct {
	World string // "live" by default
	// Keys verify the signatures of heads; nil: the folder's own key, which
	// whoever may change the folder may change too.
	Keys []ed25519.PublicKey
	// Copy is a heads file that was shipped elsewhere, all of it or its end; nil:
	// there is none.
	Copy []byte

	// settle is how long to wait before something found is looked at again,
	// because a server may be writing; 2 s by default, negative: it is not.
	settle time.Duration
}

// AuditFinding is one thing that is not as it was recorded.
type AuditFinding struct {
	Code  string `json:"code"` // stable: "frame-missing", "keyframe-altered", …
	Epoch string `json:"epoch,omitempty"`
	Frame uint64 `json:"frame,omitempty"` // the first one concerned; 0: none
	To    uint64 `json:"to,omitempty"`    // the last one, of several
	What  string `json:"what"`            // a sentence
}

// AuditReport is what a verification found.
type AuditReport struct {
	World     string         `json:"world"`
	Findings  []AuditFinding `json:"findings"`
	Notes     []string       `json:"notes"` // what is as it should be and still worth knowing
	First     uint64         `json:"first"` // first frame read
	Last      uint64         `json:"last"`  // last frame read
	Epochs    int            `json:"epochs"`
	Frames    int            `json:"frames"` // proven by message id and chain
	States    int            `json:"states"` // of them, proven by the state hash after replay
	Acts      int            `json:"acts"`
	Keyframes int            `json:"keyframes"` // proven by checksum, chain and replay
	Heads     int            `json:"heads"`     // proven by signature and chain
	Took      time.Duration  `json:"took_ns"`
}

// Whole tells that nothing was found.
func (r *AuditReport) Whole() bool { return len(r.Findings) == 0 }

// VerifyRecord reads all that a data folder keeps of a world and proves it:
// every record and frame by its checksum and message id, the chain of frames and
// the anchors of epochs, every state by replay, keyframes by checksum, by the chain
// and by what replay gives, heads by signature, by their own chain and by the frames
// they name; that nothing is missing between, and nothing at the end that the mark
// or a head knows of. It changes nothing and needs no server to be stopped.
//
// What is not as it should be is no error but a finding. Errors are
// [ErrNoRecord], those of reading the folder, and that of ctx.
func VerifyRecord(ctx context.Context, folder fs.FS, o AuditOptions) (*AuditReport, error) {
	start := time.Now()
	if o.settle == 0 {
		o.settle = 2 * time.Second
	}
	r, err := NewRecord(folder, o.World)
	if err != nil {
		return nil, err
	}
	var first []AuditFinding
	for again := false; ; again = true {
		v := &verifier{Record: r, o: o, out: &AuditReport{World: r.world, Findings: []AuditFinding{}, Notes: []string{}}}
		before := v.pulse()
		if err := v.verify(ctx); err != nil {
			return nil, err
		}
		if again { // what is wrong stays wrong
			v.out.Findings = slices.DeleteFunc(v.out.Findings, func(f AuditFinding) bool {
				return !slices.ContainsFunc(first, func(g AuditFinding) bool { return f.Code == g.Code && f.Epoch == g.Epoch && f.Frame == g.Frame })
			})
		}
		v.out.Took = time.Since(start)
		if v.out.Whole() || again || o.settle < 0 {
			return v.out, nil
		}
		// Beside a server: a keyframe that no head names yet, a frame that was
		// trimmed while it was read.
		if err := sleep(ctx, o.settle); err != nil {
			return nil, err
		}
		if before == v.pulse() {
			return v.out, nil
		}
		first = v.out.Findings
	}
}

// pulse changes while a server works in the folder.
func (r *Record) pulse() (sum hash) {
	h := sha256.New()
	mark, _ := fs.ReadFile(r.fs, r.markName())
	h.Write(mark)
	for _, path := range []string{headsPath(r.world), "keyframes"} {
		if info, err := fs.Stat(r.fs, path); err == nil {
			fmt.Fprintln(h, info.Size(), info.ModTime().UnixNano())
		}
	}
	return hash(h.Sum(nil))
}

// verifier is the work of one verification.
type verifier struct {
	*Record
	o   AuditOptions
	out *AuditReport

	mark   highWater
	health markHealth
	files  []keyframeFile // newest first
	heads  []signedHead   // in order, the folder's and the copy's as one
	named  map[uint64]HeadKeyframe
	oldest uint64 // first frame that must be there, as far as heads tell; 0: they do not
	acts   actSet
}

// signedHead is a head that its signature proves.
type signedHead struct {
	Head
	sum    hash
	proven bool
	run    int // stretch of frames without a gap, and
	acts   int // acts read up to it: 0 and 0 when its frame was not read
}

func (v *verifier) find(code, epoch string, from, to uint64, format string, a ...any) {
	f := AuditFinding{Code: code, Epoch: epoch, Frame: from, What: fmt.Sprintf(format, a...)}
	if to > from {
		f.To = to
	}
	v.out.Findings = append(v.out.Findings, f)
}

func (v *verifier) note(format string, a ...any) {
	v.out.Notes = append(v.out.Notes, fmt.Sprintf(format, a...))
}

func (v *verifier) verify(ctx context.Context) (err error) {
	// In this order what is read first is covered by what is read later, also
	// while a server writes: a head speaks of frames that are recorded, the mark too.
	if err := v.readHeads(); err != nil {
		return err
	}
	if v.files, err = v.keyframes(); err != nil {
		return err
	}
	if v.mark, v.health, err = v.Record.mark(); err != nil {
		return err
	}
	switch v.health {
	case markOlder:
		v.find("mark-altered", v.mark.epoch, v.mark.seq, 0, "a part of the mark is damaged; the other holds frame %d", v.mark.seq)
	case markWhole:
	default:
		v.find("mark-altered", "", 0, 0, "the mark is damaged or missing: the folder does not say which frame was acknowledged last")
	}
	if v.mark.format > FormatVersion {
		return fmt.Errorf("%w: version %d, this program reads up to %d", ErrNewerFormat, v.mark.format, FormatVersion)
	}
	streams, err := v.streams()
	if err != nil {
		return err
	}
	v.before(streams)
	var last uint64
	seen := map[string]bool{}
	for i, s := range streams {
		seen[s.epoch] = true
		begin := cmp.Or(s.begin, s.first)
		if i > 0 && begin <= last+1 {
			v.find("epoch-overlaps", s.epoch, begin, 0, "epoch %s begins with frame %d, at or before the end of the epoch before it (frame %d)", s.epoch, begin, last)
		}
		if v.health.known() && s.epoch != v.mark.epoch && begin > v.mark.begin {
			v.find("epoch-unknown", s.epoch, begin, 0, "epoch %s begins with frame %d, after the one that the mark knows (%s)", s.epoch, begin, v.mark.epoch)
		}
		w := &epochWalk{v: v, s: s}
		if err := w.walk(ctx); err != nil {
			return err
		}
		last = max(last, w.at.seq)
		v.out.Epochs++
	}
	if v.health.known() && !seen[v.mark.epoch] {
		if v.mark.seq >= v.mark.begin {
			v.find("frame-missing", v.mark.epoch, v.mark.oldest, v.mark.seq, "the journal of epoch %s is missing: frames %d to %d; the folder of a node in a NATS cluster holds none, and cannot be verified by itself", v.mark.epoch, v.mark.oldest, v.mark.seq)
		} else {
			v.note("epoch %s has no frame yet", v.mark.epoch)
		}
	}
	v.lostKeyframes(seen)
	v.lostHeads()
	if aside, _ := fs.Glob(v.fs, "keyframes/"+v.world+".*"+keyframeSuffix+".damaged"); len(aside) > 0 {
		v.note("%d keyframes were set aside as damaged by the server", len(aside))
	}
	v.out.Last = max(v.out.Last, last)
	return ctx.Err()
}

// readHeads proves the folder's heads and those of the copy by their signatures
// and by each other.
func (v *verifier) readHeads() error {
	v.named = map[uint64]HeadKeyframe{}
	own, err := AuditKey(v.fs)
	keys := v.o.Keys
	b, missing := fs.ReadFile(v.fs, headsPath(v.world))
	switch {
	case errors.Is(missing, fs.ErrNotExist):
		if err == nil {
			v.find("heads-missing", "", 0, 0, "the folder signs heads, but its file %s is missing", headsPath(v.world))
		} else if v.o.Copy == nil {
			v.note("there are no signed heads: only who could not write into the folder is ruled out")
		}
	case missing != nil:
		return fmt.Errorf("read the heads: %w", missing)
	}
	if keys == nil {
		if err == nil {
			keys = []ed25519.PublicKey{own}
		} else if missing == nil || v.o.Copy != nil {
			v.find("key-missing", "", 0, 0, "there are signed heads but no key to check them with: %v", err)
			return nil
		}
	} else if err == nil && !slices.ContainsFunc(keys, func(k ed25519.PublicKey) bool { return own.Equal(k) }) {
		v.find("key-other", "", 0, 0, "the folder signs with another key than the one given: %s", AuditKeyString(own))
	} else if err != nil && missing == nil {
		v.find("key-missing", "", 0, 0, "the key that signs heads is damaged or missing: %v", err)
	}
	mine := v.parseHeads(b, keys, "the folder", true)
	if err == nil && missing == nil && len(mine) == 0 {
		v.find("heads-missing", "", 0, 0, "the folder signs heads, but its file %s holds none", headsPath(v.world))
	}
	theirs := v.parseHeads(v.o.Copy, keys, "the copy", false)
	v.heads = mine
	if len(theirs) > 0 {
		v.heads = v.join(mine, theirs)
	}
	for i, h := range v.heads {
		v.oldest = h.Oldest // the newest says
		for _, k := range h.Keyframes {
			v.named[k.Seq] = k
		}
		if i == 0 {
			continue
		}
		if p := v.heads[i-1]; h.Seq < p.Seq || h.Acts < p.Acts || h.Oldest < p.Oldest {
			v.find("head-back", h.Epoch, h.Seq, 0, "head %d (frame %d, %d acts) lies before head %d (frame %d, %d acts)", h.N, h.Seq, h.Acts, p.N, p.Seq, p.Acts)
		}
	}
	return nil
}

// parseHeads returns the heads of a file that are proven, each by its signature,
// and by naming the one before it.
func (v *verifier) parseHeads(b []byte, keys []ed25519.PublicKey, whose string, all bool) (out []signedHead) {
	if n := bytes.LastIndexByte(b, '\n') + 1; n < len(b) {
		if all {
			v.find("head-altered", "", 0, 0, "the last head of %s is cut off", whose)
		} else {
			v.note("the last head of %s is cut off: it was copied while it was written", whose)
		}
		b = b[:n]
	}
	whole := true // the line before was
	for line := range bytes.Lines(b) {
		line = bytes.TrimSuffix(line, []byte{'\n'})
		h, err := parseHead(line, keys)
		if err == nil && h.World != v.world {
			err = fmt.Errorf("it is of world %s", h.World)
		}
		if err == nil && (len(h.Frame) != 2*sha256.Size || h.Epoch == "") {
			err = errors.New("it names no frame")
		}
		next := uint64(len(out))
		if len(out) > 0 {
			next = out[len(out)-1].N + 1
		}
		if err != nil {
			v.find("head-altered", "", 0, 0, "head %d of %s: %v", next, whose, err)
			whole = false
			continue
		}
		switch {
		case len(out) == 0 && whole && h.N > 0 && all:
			v.find("head-missing", h.Epoch, 0, 0, "heads 0 to %d of %s are missing", h.N-1, whose)
		case len(out) == 0 || !whole && h.N > next:
		case h.N != next:
			v.find("head-missing", h.Epoch, h.Seq, 0, "head %d of %s stands where head %d must be", h.N, whose, next)
		case whole && h.Prev != hex.EncodeToString(out[len(out)-1].sum[:]):
			v.find("head-altered", h.Epoch, h.Seq, 0, "head %d of %s does not follow the head before it", h.N, whose)
		}
		whole = true
		out = append(out, signedHead{Head: h, sum: sha256.Sum256(line)})
	}
	return out
}

// join makes one row of the folder's heads and those of a copy.
func (v *verifier) join(mine, theirs []signedHead) []signedHead {
	byN := map[uint64]signedHead{}
	for _, h := range mine {
		byN[h.N] = h
	}
	for _, h := range theirs {
		if m, ok := byN[h.N]; ok && m.sum != h.sum {
			v.find("head-altered", h.Epoch, h.Seq, 0, "head %d of the folder (frame %d) is not the one of the copy (frame %d)", h.N, m.Seq, h.Seq)
		}
	}
	end := uint64(0)
	if n := len(mine); n > 0 {
		end = mine[n-1].N + 1
	}
	if last := theirs[len(theirs)-1]; last.N >= end {
		v.find("head-missing", last.Epoch, last.Seq, 0, "the folder has no head after %d; the copy knows head %d of frame %d", end, last.N, last.Seq)
	}
	// The copy's word counts: nobody at the folder could change it.
	for _, h := range theirs {
		byN[h.N] = h
	}
	out := make([]signedHead, 0, len(byN))
	for _, h := range byN {
		out = append(out, h)
	}
	slices.SortFunc(out, func(a, b signedHead) int { return cmp.Compare(a.N, b.N) })
	return out
}

// before looks at where the kept record begins.
func (v *verifier) before(streams []*epochStream) {
	if n := len(v.heads); n > 0 && v.health.known() {
		h := v.heads[n-1]
		if h.Seq > v.mark.seq {
			v.find("mark-behind", h.Epoch, v.mark.seq+1, h.Seq, "head %d knows frame %d, but the mark only frame %d", h.N, h.Seq, v.mark.seq)
		}
		if h.Epoch == v.mark.epoch && v.mark.oldest > v.mark.begin && v.mark.oldest > h.Oldest {
			v.find("trimmed-unsigned", v.mark.epoch, h.Oldest, v.mark.oldest-1,
				"the mark says that frames %d to %d were trimmed, but head %d still knew them; a server killed within seconds of a trim leaves this too", h.Oldest, v.mark.oldest-1, h.N)
		}
	}
	if len(streams) == 0 || v.oldest == 0 {
		return
	}
	first := streams[0]
	if begin := cmp.Or(first.begin, first.first); v.oldest < begin {
		v.find("frame-missing", first.epoch, v.oldest, begin-1, "the record begins with frame %d, but its heads know frames from %d on", begin, v.oldest)
	}
}

// lostKeyframes names keyframes that heads know and the folder lacks, and those
// of an epoch that has no stream.
func (v *verifier) lostKeyframes(epochs map[string]bool) {
	var bytes, largest int64
	have := map[uint64]bool{}
	for _, k := range v.files {
		have[k.seq] = true
		bytes += k.size
		largest = max(largest, k.size)
		if !epochs[k.epoch] && (k.epoch != v.mark.epoch || k.seq+1 != v.mark.begin) && (v.oldest == 0 || k.seq+1 >= v.oldest) {
			v.find("epoch-missing", k.epoch, k.seq, 0, "there is a keyframe of frame %d, but no journal of epoch %s", k.seq, k.epoch)
		}
	}
	if len(v.files) == 0 || bytes+largest > 4<<30 { // then the quota thins them out
		return
	}
	young := time.UnixMilli(int64(v.files[0].time)).Add(-2 * time.Hour)
	oldest := v.oldest
	if v.mark.oldest > v.mark.begin { // trimmed
		oldest = max(oldest, v.mark.oldest)
	}
	for _, h := range v.heads {
		for _, k := range h.Keyframes {
			if !have[k.Seq] && k.Seq+1 >= oldest && h.Time.After(young) {
				v.find("keyframe-missing", h.Epoch, k.Seq, 0, "the keyframe of frame %d, which head %d names, is missing", k.Seq, h.N)
			}
		}
	}
}

// lostHeads names heads whose frames were not read.
func (v *verifier) lostHeads() {
	trimmed := 0
	for i, h := range v.heads {
		switch {
		case h.proven:
			v.out.Heads++
		case h.Seq < v.oldest:
			trimmed++
		case h.run == 0:
			v.find("head-unproven", h.Epoch, h.Seq, 0, "frame %d of epoch %s, which head %d covers, is not in the record as it was", h.Seq, h.Epoch, h.N)
		}
		if i == 0 || h.run == 0 {
			continue
		}
		if p := v.heads[i-1]; p.run == h.run && h.Acts-p.Acts != uint64(h.acts-p.acts) {
			v.find("acts-differ", h.Epoch, h.Seq, 0, "between frames %d and %d heads count %d acts, the record has %d", p.Seq, h.Seq, h.Acts-p.Acts, h.acts-p.acts)
		}
	}
	if trimmed > 0 {
		v.note("%d heads are of frames that were trimmed", trimmed)
	}
}

// epochWalk reads the frames of one epoch.
type epochWalk struct {
	v     *verifier
	s     *epochStream
	files []keyframeFile // of the epoch, oldest first
	begin uint64
	want  uint64 // first frame that must be there
	at    position
	mark  hash       // of the frame that the mark names, when it was read
	world *geo.World // nil: not known since something is missing
	term  uint64
	run   int
	bad   stretch // frames that cannot be proven, one after the other
	code  string
}

// broken says that what follows does not follow from what was read.
func (w *epochWalk) broken() {
	w.run = -1
	w.world = nil
}

func (w *epochWalk) walk(ctx context.Context) error {
	v, s := w.v, w.s
	for _, k := range slices.Backward(v.files) {
		if k.epoch == s.epoch {
			w.files = append(w.files, k)
		}
	}
	if s.wrong != nil {
		v.find("stream-altered", s.epoch, 0, 0, "the description of the journal of epoch %s is damaged, so NATS does not give its frames: %v", s.epoch, s.wrong)
	}
	anchor := s.anchor
	w.begin = s.begin
	mine := v.health.known() && s.epoch == v.mark.epoch
	if mine {
		if s.wrong == nil && (s.begin != v.mark.begin || s.anchor != v.mark.anchor) {
			v.find("stream-altered", s.epoch, s.begin, 0, "the journal of epoch %s and the mark do not agree on how it began", s.epoch)
		}
		w.begin, anchor = v.mark.begin, v.mark.anchor
	}
	if w.begin == 0 {
		w.begin = s.first
		if len(w.files) > 0 && w.files[0].seq < s.first {
			w.begin = w.files[0].seq + 1
		}
	}
	w.want = max(w.begin, v.oldest)
	if mine {
		w.want = max(w.begin, v.mark.oldest)
	} else if v.oldest == 0 && s.first > w.begin {
		w.want = s.first // trimmed, as far as anything tells
	}
	if w.want > w.begin {
		v.note("frames of epoch %s before %d were trimmed", s.epoch, w.want)
	}
	w.run = 1 + v.runs()
	w.at = position{seq: w.want - 1}
	if w.want == w.begin {
		w.at.hash = anchor
	}
	if w.want == 2 { // the first epoch of all began with an empty world
		w.world = geo.NewWorld()
		w.world.Load(geo.Moment{Seq: 1}, geo.Delta{}, 1, nil, nil)
	}
	if !slices.ContainsFunc(w.files, func(k keyframeFile) bool { return k.seq == w.at.seq }) {
		v.find("keyframe-missing", s.epoch, w.at.seq, 0, "the keyframe of frame %d, with which what is kept of epoch %s begins, is missing", w.at.seq, s.epoch)
	}
	w.keyframesAt(w.at)
	v.out.First = cmp.Or(v.out.First, w.want)
	if err := w.records(ctx); err != nil {
		return err
	}
	w.flush()
	return w.end(ctx)
}

// runs is the highest number given to a stretch so far.
func (v *verifier) runs() (n int) {
	for _, h := range v.heads {
		n = max(n, h.run)
	}
	return n
}

// lost notes a frame that cannot be proven, and says so when the stretch ends.
func (w *epochWalk) lost(code string, seq uint64, why error) {
	if w.bad.n > 0 && (w.code != code || seq != w.bad.from+w.bad.n) {
		w.flush()
	}
	w.code = code
	w.bad.add(seq, why)
}

func (w *epochWalk) flush() {
	if w.bad.n > 0 {
		to := w.bad.from + w.bad.n - 1
		w.v.find(w.code, w.s.epoch, w.bad.from, to, "%s not as recorded: %v", spell(w.bad.from, to), w.bad.why)
		w.bad = stretch{}
	}
}

// missing notes that frames up to seq are not there.
func (w *epochWalk) missing(seq uint64) {
	for w.at.seq < seq {
		n := w.at.seq + 1
		// In steps from keyframe to keyframe: the numbers may be anything.
		step := seq
		if i := slices.IndexFunc(w.files, func(k keyframeFile) bool { return k.seq >= n && k.seq < seq }); i >= 0 {
			step = w.files[i].seq
		}
		w.lost("frame-missing", n, errors.New("it is missing"))
		w.bad.n = step - w.bad.from + 1
		w.at = position{seq: step}
		w.broken()
		w.keyframesAt(w.at)
	}
}

func (w *epochWalk) records(ctx context.Context) error {
	v, s := w.v, w.s
	var order uint64 // of the trimmed
	for rec, err := range v.Record.records(ctx, s, w.want-1) {
		var bad *badBytes
		switch {
		case errors.As(err, &bad):
			// What a power cut leaves of a frame that nobody was told of.
			if bad.next == w.at.seq+1 && s.epoch == v.mark.epoch && w.at.seq >= v.mark.seq {
				v.note("%s ends within frame %d, which was not acknowledged", bad.path, bad.next)
				continue
			}
			w.flush()
			v.find("block-altered", s.epoch, w.at.seq+1, 0, "after frame %d: %v", w.at.seq, bad)
			continue
		case err != nil:
			return err
		}
		if rec.gone {
			if rec.seq >= w.want {
				v.find("frame-erased", s.epoch, rec.seq, 0, "the journal says that frame %d was removed, and nobody removes a frame that is kept", rec.seq)
			}
			continue
		}
		if rec.seq < w.want && rec.seq > order { // trimmed, and its bytes are still there
			order = rec.seq
			continue
		}
		if rec.seq <= max(w.at.seq, order) {
			w.flush()
			v.find("frame-moved", s.epoch, rec.seq, 0, "frame %d stands after frame %d", rec.seq, max(w.at.seq, order))
			continue
		}
		if s.epoch == v.mark.epoch && v.health.known() && rec.seq > v.mark.seq+1 {
			now, _, err := v.Record.mark() // a server may be writing
			if err != nil {
				return err
			}
			if rec.seq > now.seq+1 {
				w.flush()
				v.find("frame-unknown", s.epoch, rec.seq, 0, "the journal goes on with frame %d, but the mark stands at frame %d", rec.seq, now.seq)
				return nil
			}
		}
		if rec.seq > w.at.seq+1 {
			w.missing(rec.seq - 1)
		}
		w.frame(rec)
	}
	return nil
}

// frame proves one frame and applies it.
func (w *epochWalk) frame(rec blockRecord) {
	v := w.v
	time := w.at.time
	f, next, err := proveFrame(rec.stored, v.world, w.s.epoch, w.at)
	switch {
	case err != nil:
	case rec.subject != subjectOf(v.world, w.s.epoch) || rec.before != strconv.FormatUint(rec.seq-1, 10):
		err = errors.New("it was recorded under another name")
	case f.Time < time:
		err = errors.New("its time lies before the frame before it")
	case f.Term < w.term:
		err = errors.New("it is of a pen that was taken away")
	case w.world != nil && highestID(f) > uint64(w.world.View().NextID())+frameBytesMax:
		// Nobody makes so many in a frame: the memory for them is what is asked for.
		err = errors.New("it skips numbers of features")
	}
	if err != nil {
		w.lost("frame-altered", rec.seq, err)
		w.broken()
		sum := sha256.Sum256(rec.data)
		if w.at = (position{seq: rec.seq}); messageID(sum) == rec.id {
			w.at.hash = sum
		}
		w.keyframesAt(w.at)
		return
	}
	w.flush()
	if w.run < 0 {
		w.run = 1 + v.runs()
	}
	w.at, w.term = next, f.Term
	if next.seq == v.mark.seq {
		w.mark = next.hash
	}
	v.out.Frames++
	v.out.Last = max(v.out.Last, next.seq)
	v.out.Acts += len(f.Acts)
	v.acts.add(f.Acts, f.Time)
	if w.world != nil {
		w.world.Apply(geo.Moment{Seq: f.Seq, Time: f.Time}, f.Delta)
		if got := w.world.View().Hash(); got != f.State {
			v.find("state-differs", w.s.epoch, f.Seq, 0, "after frame %d the state is %016x and not %016x as recorded", f.Seq, got, f.State)
			w.world = nil
		} else {
			v.out.States++
		}
	}
	w.headsAt()
	w.keyframesAt(w.at)
}

// highestID is the highest number that a frame names.
func highestID(f *Frame) (most uint64) {
	for _, p := range f.Put {
		most = max(most, uint64(p.ID))
	}
	for _, id := range f.Drop {
		most = max(most, uint64(id))
	}
	return most
}

// headsAt holds the heads of the frame just read against it.
func (w *epochWalk) headsAt() {
	v := w.v
	i, _ := slices.BinarySearchFunc(v.heads, w.at.seq, func(h signedHead, seq uint64) int { return cmp.Compare(h.Seq, seq) })
	for ; i < len(v.heads) && v.heads[i].Seq == w.at.seq; i++ {
		if h := &v.heads[i]; h.Epoch == w.s.epoch {
			if h.proven = h.Frame == hex.EncodeToString(w.at.hash[:]); h.proven {
				h.run, h.acts = w.run, v.out.Acts
			}
		}
	}
}

// keyframesAt proves the keyframes of the frame at which the walk stands, and
// goes on from one when the world was lost.
func (w *epochWalk) keyframesAt(at position) {
	for len(w.files) > 0 && w.files[0].seq <= at.seq {
		k := w.files[0]
		w.files = w.files[1:]
		if k.seq < at.seq {
			if k.seq+1 >= w.want { // never: keyframes are taken in order
				w.v.find("keyframe-altered", k.epoch, k.seq, 0, "the keyframe of frame %d could not be compared", k.seq)
			} else {
				w.v.note("the keyframe of frame %d is older than the frames that are kept", k.seq)
			}
			continue
		}
		if err := w.keyframe(k, at); err != nil {
			w.v.find("keyframe-altered", k.epoch, k.seq, 0, "the keyframe of frame %d: %v", k.seq, err)
			continue
		}
		w.v.out.Keyframes++
	}
}

func (w *epochWalk) keyframe(k keyframeFile, at position) error {
	v := w.v
	f, sum, err := v.Record.keyframe(k)
	if err != nil {
		return err
	}
	first := k.seq+1 == w.begin
	switch {
	case first != (f.Prev == hash{}):
		return errors.New("it does not stand where it says")
	case first && at.hash != (hash{}) && sum != at.hash:
		return errors.New("it is not the one that the epoch began with")
	case !first && at.hash != (hash{}) && f.Prev != at.hash:
		return errors.New("it is not of the frame that was recorded")
	case !first && at.time != 0 && f.Time != at.time:
		return errors.New("its time is not that of its frame")
	}
	if h, ok := v.named[k.seq]; ok && h.Sum != hex.EncodeToString(sum[:]) {
		return errors.New("it is not the one that was signed")
	} else if !ok && v.mustBeNamed(k.seq) {
		return errors.New("no head names it: it was put there by somebody else, or heads are missing; a server killed in the second after it was written leaves this too")
	}
	if w.world != nil && k.seq >= w.want {
		if err := w.sameWorld(f); err != nil {
			return err
		}
	} else {
		world, err := loadKeyframe(f)
		if err != nil {
			return err
		}
		if w.world != nil && f.Seq == 1 && len(f.Put) > 0 {
			return errors.New("it holds features, and the first world of all was empty")
		}
		w.world = world
		v.acts.begin(f.Acts, f.Time)
	}
	if w.at.seq == k.seq && w.at.hash == (hash{}) { // what comes after must follow from it
		if w.at.hash = f.Prev; first {
			w.at.hash = sum
		}
	}
	if w.at.time == 0 && !first {
		w.at.time = f.Time
	}
	return nil
}

// mustBeNamed tells whether a head names the keyframe of a frame: the first head
// names the newest one, the others all since.
func (v *verifier) mustBeNamed(seq uint64) bool {
	for _, h := range v.heads {
		if len(h.Keyframes) > 0 {
			return seq > h.Keyframes[0].Seq
		}
	}
	return false
}

// sameWorld compares a keyframe with the world that replay gave.
func (w *epochWalk) sameWorld(f *Frame) error {
	v := w.world.View()
	if f.State != v.Hash() {
		return fmt.Errorf("its state is %016x, replay gives %016x", f.State, v.Hash())
	}
	want := *f
	again := keyframeOf(v, nil)
	want.Delta, want.NextID, want.Changed, want.Tombs = again.Delta, again.NextID, again.Changed, again.Tombs
	_, a := encodeKeyframe(f)
	if _, b := encodeKeyframe(&want); a != b {
		return errors.New("it does not hold what replay gives")
	}
	if strange := w.v.acts.strange(f.Acts); strange != nil {
		return fmt.Errorf("it holds the act %s of %s, which is in no frame", strange.Name, strange.By.Name)
	}
	return nil
}

// end looks at what must be there and was not read.
func (w *epochWalk) end(ctx context.Context) error {
	v := w.v
	upTo := uint64(0)
	for _, h := range v.heads {
		if h.Epoch == w.s.epoch {
			upTo = max(upTo, h.Seq)
		}
	}
	mine := v.health.known() && w.s.epoch == v.mark.epoch
	if mine {
		upTo = v.mark.seq
	}
	if upTo > w.at.seq {
		w.missing(upTo)
		w.flush()
	}
	if mine && v.mark.seq >= w.want && w.mark != (hash{}) && w.mark != v.mark.hash {
		v.find("frame-altered", w.s.epoch, v.mark.seq, 0, "frame %d is not the one that was acknowledged", v.mark.seq)
	}
	if mine && w.at.seq == v.mark.seq+1 {
		v.note("frame %d is in the journal and was not acknowledged", w.at.seq)
	}
	for _, k := range w.files {
		v.find("keyframe-altered", k.epoch, k.seq, 0, "there is a keyframe of frame %d, but the journal of epoch %s ends with frame %d", k.seq, w.s.epoch, w.at.seq)
	}
	return ctx.Err()
}

// actSet remembers acts of the last day or two by their hashes: keyframes repeat
// those of the last 24 hours.
type actSet struct {
	known    [2]map[hash]bool // of this day, and of the day before
	day      geo.Millis
	complete geo.Millis // acts before were not read
}

func (s *actSet) begin(acts []geo.Act, at geo.Millis) {
	s.add(acts, at)
	s.complete = at
}

func (s *actSet) add(acts []geo.Act, at geo.Millis) {
	day := at / geo.Millis(answersFor.Milliseconds())
	if s.known[0] == nil || day > s.day {
		s.known[1] = s.known[0]
		if day > s.day+1 {
			s.known[1] = nil
		}
		s.known[0], s.day = map[hash]bool{}, day
	}
	for i := range acts {
		if acts[i].Key != "" {
			s.known[0][actSum(&acts[i])] = true
			kept := forAnswer(acts[i]) // as a keyframe repeats it
			s.known[0][actSum(&kept)] = true
		}
	}
}

// strange returns an act that is in no frame.
func (s *actSet) strange(acts []geo.Act) *geo.Act {
	for i := range acts {
		if sum := actSum(&acts[i]); !s.known[0][sum] && !s.known[1][sum] && acts[i].At > s.complete {
			return &acts[i]
		}
	}
	return nil
}

func actSum(a *geo.Act) hash { return sha256.Sum256(pbAct(nil, a)) }
