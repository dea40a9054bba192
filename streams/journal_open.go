package streams

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"rasad/geo"
)

// ErrUnrecoverable is a data folder that holds a history but no keyframe that
// can be read. The server must not start with an empty world in its place.
var ErrUnrecoverable = errors.New("the history cannot be read: no keyframe is whole")

// Recovery is what was found when a journal was opened.
type Recovery struct {
	Epoch    string // of the history that is written from now on
	NewEpoch bool   // it began now: at the first start, or because of damage
	// Damaged names, by frames, what was acknowledged and is missing or
	// altered. Not empty means: raise the alarm, this history is not whole.
	Damaged []string
	// Repaired names what was wrong and could be made good without any loss.
	Repaired     []string
	FromKeyframe uint64 // sequence of the keyframe that the world was loaded from
	TailFrames   int    // frames applied on top of it
	Took         time.Duration
}

// OpenJournal opens the journal of a world, starts the embedded NATS server
// unless a URL is given, restores the world from the newest whole keyframe and
// the frames after it, and takes the pen: an empty frame with a new term fences
// every other writer.
//
// Damage is no error: the world is what could be proven, the [Recovery] names
// what is missing, and a new epoch begins whose sequences are above every one
// ever used. Errors are [ErrDirHeld], [ErrNewerFormat] (written by a newer
// version; nothing was changed), [ErrUnrecoverable], or those of disk and
// network.
func OpenJournal(ctx context.Context, o JournalOptions) (*Journal, *geo.World, *Recovery, error) {
	start := time.Now()
	if err := o.fill(); err != nil {
		return nil, nil, nil, fmt.Errorf("open the journal: %w", err)
	}
	j := &Journal{o: o, log: o.Log, sick: make(chan struct{}, 1), keyframeDir: filepath.Join(o.Dir, "keyframes")}
	j.publish = j.publishNATS
	w, r, err := j.open(ctx)
	if err != nil {
		if j.b != nil {
			j.b.close()
		}
		if j.mark != nil {
			_ = j.mark.close()
		}
		if j.lock != nil {
			_ = j.lock.Close()
		}
		return nil, nil, nil, fmt.Errorf("open the journal in %s: %w", o.Dir, err)
	}
	j.setStatus(true, "")
	ctx, j.stop = context.WithCancel(context.WithoutCancel(ctx))
	j.done.Go(func() { j.mend(ctx) })
	j.done.Go(func() { j.tidy(ctx) })
	if o.ScrubRate > 0 {
		j.done.Go(func() { j.scrub(ctx) })
	}
	r.Epoch, r.Took = j.epoch, time.Since(start)
	for _, what := range r.Damaged {
		j.log.Error("the journal is damaged", "world", o.World, "epoch", r.Epoch, "what", what)
	}
	for _, what := range r.Repaired {
		j.log.Warn("the journal was repaired", "world", o.World, "epoch", r.Epoch, "what", what)
	}
	j.log.Info("journal open", "world", o.World, "epoch", r.Epoch, "new", r.NewEpoch, "frame", j.Last(), "keyframe", r.FromKeyframe, "tail", r.TailFrames, "took", r.Took)
	return j, w, r, nil
}

func (j *Journal) open(ctx context.Context) (*geo.World, *Recovery, error) {
	var err error
	if j.lock, err = lockDir(j.o.Dir); err != nil {
		return nil, nil, err
	}
	store := filepath.Join(j.o.Dir, "nats")
	for _, d := range []string{j.keyframeDir, store} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, nil, err
		}
	}
	var health markHealth
	if j.mark, health, err = openMark(filepath.Join(j.o.Dir, j.o.World+".mark")); err != nil {
		return nil, nil, err
	}
	j.mark.loose = j.o.Unsynced
	if j.mark.now.format > FormatVersion {
		return nil, nil, fmt.Errorf("%w: version %d, this program reads up to %d", ErrNewerFormat, j.mark.now.format, FormatVersion)
	}
	var blocks []block
	if j.embedded() && j.mark.now.epoch != "" {
		blocks = holdBlocks(store, streamName(j.o.World, j.mark.now.epoch))
	}
	if j.b, err = openBroker(ctx, j.o.URL, store, j.o.Unsynced, j.log, j.o.NATS...); err != nil {
		return nil, nil, err
	}
	return j.recover(ctx, health, blocks)
}

// embedded tells whether the streams are ours alone. In a cluster another node
// may have written after our mark, and then its frames prove themselves by the
// chain from our mark on.
func (j *Journal) embedded() bool { return j.o.URL == "" }

// recovery is the work of one start.
type recovery struct {
	j       *Journal
	r       *Recovery
	health  markHealth
	files   []keyframeFile
	streams []*jetstream.StreamInfo // of the world, in the order of their first frames
	mark    highWater
	world   *geo.World
	last    position // last frame that is proven
	used    uint64   // highest sequence that may ever have been used
	term    uint64   // highest seen
	acts    []geo.Act
	fatal   bool    // the history cannot go on: a new epoch is needed
	blocks  []block // of the stream's files, as they were before NATS started
	renew   bool    // a keyframe was lost: write another
}

func (j *Journal) recover(ctx context.Context, health markHealth, blocks []block) (*geo.World, *Recovery, error) {
	c := &recovery{j: j, r: &Recovery{}, health: health, mark: j.mark.now, blocks: blocks}
	if err := c.survey(ctx); err != nil {
		return nil, nil, err
	}
	if c.first() {
		c.world = geo.NewWorld()
		if err := c.begin(ctx, geo.Millis(j.o.Now().UnixMilli())); err != nil {
			return nil, nil, err
		}
	} else {
		if err := c.restore(ctx); err != nil {
			return nil, nil, err
		}
	}
	if err := c.takePen(ctx); err != nil {
		return nil, nil, err
	}
	j.answers = recentAnswers(c.acts, c.world.View().Time())
	if c.renew {
		if err := j.Snapshot(ctx, c.world.View(), j.answers); err != nil {
			return nil, nil, err
		}
	}
	return c.world, c.r, nil
}

// survey lists what there is.
func (c *recovery) survey(ctx context.Context) (err error) {
	j := c.j
	if c.files, err = listKeyframes(j.keyframeDir, j.o.World); err != nil {
		return err
	}
	if c.streams, err = j.worldStreams(ctx); err != nil {
		return err
	}
	if !j.embedded() {
		if err := c.fetchKeyframes(ctx); err != nil {
			return err
		}
	}
	c.used = c.mark.seq
	if c.health.known() {
		c.used++ // one may have been in flight
	}
	if c.health == markOlder {
		c.used++
	}
	for _, s := range c.streams {
		c.used = max(c.used, s.State.LastSeq)
	}
	for _, k := range c.files {
		c.used = max(c.used, k.seq)
	}
	return nil
}

// first tells whether nothing was ever recorded here. The mark file is made
// before the first keyframe, and says something only after it: a keyframe beside
// a blank mark is a first start that did not come to its end, a keyframe
// without a mark is a mark that was lost.
func (c *recovery) first() bool {
	switch {
	case len(c.streams) > 0:
		return false
	case c.health == markBlank:
		return len(c.files) == 0 || c.files[0].seq == 1
	}
	return c.health == markNew && len(c.files) == 0
}

func (c *recovery) damage(frames uint64, format string, v ...any) {
	journalDamagedStart.Add(float64(frames))
	c.r.Damaged = append(c.r.Damaged, fmt.Sprintf(format, v...))
}

func (c *recovery) repaired(format string, v ...any) {
	c.r.Repaired = append(c.r.Repaired, fmt.Sprintf(format, v...))
}

// restore brings back the world as far as it can be proven, says what cannot,
// and goes on in the same epoch when nothing that counts is missing.
func (c *recovery) restore(ctx context.Context) error {
	j := c.j
	if err := c.settleMark(); err != nil {
		return err
	}
	epoch := c.mark.epoch
	stream := c.streamOf(epoch)
	frame, err := c.newestKeyframe(epoch)
	if err != nil {
		return err
	}
	c.term = max(c.mark.term, frame.Term)
	c.acts = frame.Acts
	c.r.FromKeyframe = frame.Seq
	c.last = position{frame.Seq, frame.Prev, frame.Time}
	if frame.Epoch != epoch {
		c.fatal = true
		c.damage(c.mark.seq-min(frame.Seq, c.mark.seq), "frames %d to %d of epoch %s are lost: no keyframe of that epoch is whole", frame.Seq+1, c.mark.seq, epoch)
	} else if frame.Prev == (hash{}) { // the epoch's first keyframe: its frames chain to the file
		c.last.hash = c.mark.anchor
	}
	var why error // the journal does not lead from the keyframe to the mark
	switch {
	case c.fatal:
	case stream == nil && c.mark.seq >= c.mark.begin:
		why = errors.New("it is missing")
	case stream == nil:
		// The crash came between the mark of a new epoch and its stream, or while
		// NATS made it. It would take what it finds of a half-made stream for
		// granted, write no checksum beside it, and not know the stream at the
		// next start; nothing in it was acknowledged.
		if j.embedded() {
			if err := os.RemoveAll(streamDir(filepath.Join(j.o.Dir, "nats"), streamName(j.o.World, epoch))); err != nil {
				return err
			}
		}
		if err := c.makeStream(ctx, c.mark); err != nil {
			return err
		}
	default:
		if why, err = c.replay(ctx, stream); err != nil {
			return err
		}
	}
	if why != nil {
		c.rescue(why)
	}
	if err := c.compare(ctx, stream); err != nil {
		return err
	}
	if !c.health.known() {
		c.fatal = c.fatal || j.embedded()
	}
	if c.fatal {
		return c.begin(ctx, c.world.View().Time())
	}
	j.epoch = epoch
	j.adopt()
	w := c.mark
	w.seq, w.hash = c.last.seq, c.last.hash
	if c.health != markWhole {
		if err := j.mark.setBoth(w); err != nil {
			return err
		}
	}
	if w.seq != c.mark.seq {
		return j.mark.set(w)
	}
	return nil
}

// settleMark finds out which epoch is the present one when the mark does not say.
func (c *recovery) settleMark() error {
	switch c.health {
	case markOlder:
		c.repaired("one slot of the mark was damaged; the other holds frame %d", c.mark.seq)
		return nil
	case markWhole:
		return nil
	}
	// The newest history is the one with the highest first frame.
	c.mark = highWater{format: FormatVersion}
	for _, s := range c.streams {
		w := c.j.streamMark(s)
		if w.begin > c.mark.begin {
			c.mark = w
			c.mark.seq = max(s.State.LastSeq, w.begin-1)
			c.mark.oldest = max(s.State.FirstSeq, w.begin)
		}
	}
	for _, k := range c.files {
		if k.seq >= max(c.mark.begin, c.mark.seq) && (c.mark.epoch == "" || k.epoch == c.mark.epoch) {
			c.mark.epoch, c.mark.seq = k.epoch, k.seq
		}
	}
	if c.mark.epoch == "" {
		return ErrUnrecoverable
	}
	if !c.j.embedded() {
		c.repaired("this node had no mark; the journal of epoch %s in the cluster ends with frame %d", c.mark.epoch, c.mark.seq)
		return nil
	}
	// How much was acknowledged is not known any more: leave room for it.
	const room = 1 << 20
	c.used += room
	c.damage(0, "both slots of the mark are damaged or missing: whether frames after %d of epoch %s were acknowledged cannot be proven", c.mark.seq, c.mark.epoch)
	return nil
}

func (c *recovery) streamOf(epoch string) *jetstream.StreamInfo {
	for _, s := range c.streams {
		if s.Config.Metadata[metaEpoch] == epoch || s.Config.Name == streamName(c.j.o.World, epoch) {
			return s
		}
	}
	return nil
}

// newestKeyframe loads the newest whole keyframe of the epoch, or of any.
func (c *recovery) newestKeyframe(epoch string) (*Frame, error) {
	for _, same := range []bool{true, false} {
		for _, k := range c.files {
			if (k.epoch == epoch) != same {
				continue
			}
			f, sum, err := readKeyframe(k, c.j.o.World)
			if err == nil {
				if f.Prev == (hash{}) && c.mark.epoch == k.epoch && c.mark.anchor == (hash{}) {
					c.mark.anchor, c.mark.begin = sum, k.seq+1 // nothing else knows it
				}
				c.world, err = loadKeyframe(f)
			}
			switch {
			case err == nil:
				return f, nil
			case errors.Is(err, ErrNewerFormat):
				return nil, err
			}
			c.repaired("the keyframe of frame %d is not used: %v", k.seq, err)
			c.renew = true
			if err := os.Rename(k.path, k.path+".damaged"); err != nil {
				return nil, err
			}
		}
	}
	// The first epoch of all began with an empty world: as long as its journal
	// was never trimmed, that needs no file.
	if s := c.streamOf(epoch); s != nil && c.mark.begin == 2 && s.State.FirstSeq == 2 {
		c.repaired("no keyframe is left; the world is made from the journal's first frame on")
		c.renew = true
		c.world = geo.NewWorld()
		c.world.Load(geo.Moment{Seq: 1}, geo.Delta{}, 1, nil, nil)
		return &Frame{World: c.j.o.World, Epoch: epoch, Seq: 1}, nil
	}
	return nil, ErrUnrecoverable
}

// replay applies the frames after the keyframe, each proven by the chain, its
// own message id and the state hash. It returns why they do not lead to the
// mark, if they do not.
func (c *recovery) replay(ctx context.Context, s *jetstream.StreamInfo) (why, err error) {
	j := c.j
	end := s.State.LastSeq
	if end < min(c.last.seq, c.mark.seq) || end < c.mark.begin && c.mark.seq >= c.mark.begin {
		return fmt.Errorf("it ends with frame %d", end), nil
	}
	if c.last.seq < end {
		// Read and decode beside applying: that is about half of the work each.
		steps := make(chan step, 256)
		readCtx, stop := context.WithCancel(ctx)
		defer stop()
		go func() {
			defer close(steps)
			for f, at := range j.chain(readCtx, s.Config.Name, j.o.World, c.mark.epoch, c.last, end) {
				select {
				case steps <- step{f, at.position, at.err}:
				case <-readCtx.Done():
					return
				}
			}
		}()
		for x := range steps {
			if x.err == nil {
				x.err = c.apply(x)
			}
			switch {
			case ctx.Err() != nil:
				return nil, ctx.Err()
			case errors.Is(x.err, ErrNewerFormat):
				return nil, x.err // its bytes are proven: a newer program has written here
			case x.err != nil:
				return x.err, nil
			}
		}
	}
	if c.last.seq < c.mark.seq {
		why = fmt.Errorf("it ends with frame %d", end)
	}
	return why, ctx.Err()
}

// step is one frame on the way to the present, proven.
type step struct {
	f   *Frame
	at  position
	err error
}

// apply takes one proven frame into the world. A frame after which the state
// is not the recorded one is an error, and the world is then not to be used
// beyond the frame before: it is made again from there.
func (c *recovery) apply(x step) error {
	v := c.world.View()
	c.world.Apply(geo.Moment{Seq: x.f.Seq, Time: x.f.Time}, x.f.Delta)
	if got := c.world.View().Hash(); got != x.f.State {
		c.world = geo.NewWorld()
		k := keyframeOf(v, nil)
		c.world.Load(geo.Moment{Seq: v.Seq(), Time: v.Time()}, k.Delta, k.NextID, k.Changed, k.Tombs)
		return fmt.Errorf("after frame %d the state is %016x and not %016x as recorded", x.f.Seq, got, x.f.State)
	}
	c.last = x.at
	c.term = max(c.term, x.f.Term)
	for _, a := range x.f.Acts {
		if a.Key != "" {
			c.acts = append(c.acts, a)
		}
	}
	c.r.TailFrames++
	return nil
}

// rescue goes on where the journal, as NATS gives it, ends too early: with
// frames found in the bytes of its files. The history cannot go on either way,
// but the world is whole when the frames lead to the mark.
func (c *recovery) rescue(why error) {
	c.fatal = true
	epoch, from := c.mark.epoch, c.last.seq
	for _, m := range salvage(c.blocks, subjectOf(c.j.o.World, epoch), from) {
		f, at, err := proveFrame(m, c.j.o.World, epoch, c.last)
		if err == nil {
			err = c.apply(step{f: f, at: at})
		}
		if err != nil {
			break
		}
	}
	switch last := c.last.seq; {
	case last < c.mark.seq:
		c.damage(c.mark.seq-last, "the journal of epoch %s is damaged: %v; frames %d to %d are lost", epoch, why, last+1, c.mark.seq)
	case last > from:
		c.damage(0, "the journal of epoch %s is damaged: %v; frames %d to %d were read from its files, so the world is whole as of frame %d, but not its past", epoch, why, from+1, last, last)
	default:
		c.damage(0, "the journal of epoch %s is damaged: %v; the world is whole as of frame %d, from its keyframe, but not its past", epoch, why, last)
	}
}

// compare holds what was replayed against the mark, and the ends of the stream,
// if there is one, against what the trimmer left.
func (c *recovery) compare(ctx context.Context, s *jetstream.StreamInfo) error {
	m, end := c.mark, c.last.seq
	ahead := uint64(1)
	if c.health == markOlder {
		ahead = 2
	}
	switch {
	case !c.health.known() || end < m.seq: // nothing to compare with, or said already
	case c.j.embedded() && end > m.seq+ahead:
		c.fatal = true
		c.damage(end-m.seq, "the journal of epoch %s goes on to frame %d, but the mark stands at frame %d: one of the two is not of this history", m.epoch, end, m.seq)
	case m.seq >= m.begin:
		got, err := c.hashAt(ctx, s, m.seq)
		if err != nil {
			return err
		}
		if got != m.hash {
			c.fatal = true
			c.damage(1, "frame %d of epoch %s is not the one that was acknowledged", m.seq, m.epoch)
		}
	}
	// Older frames: the world does not depend on them, replay does.
	if s == nil || m.seq < m.begin {
		return nil
	}
	if m.oldest < s.State.FirstSeq {
		c.damage(s.State.FirstSeq-m.oldest, "frames %d to %d of epoch %s are missing; the world of today does not depend on them", m.oldest, s.State.FirstSeq-1, m.epoch)
	}
	if s.State.NumDeleted > 0 && !c.fatal {
		c.damage(uint64(s.State.NumDeleted), "%s of epoch %s are missing; the world of today does not depend on them", ranges(s.State.Deleted), m.epoch)
	}
	return nil
}

// hashAt returns the hash of a frame that lies at or before the end.
func (c *recovery) hashAt(ctx context.Context, s *jetstream.StreamInfo, seq uint64) (hash, error) {
	if seq == c.last.seq {
		return c.last.hash, nil
	}
	if s == nil {
		return c.mark.hash, nil // frames after it were rescued, and they chain
	}
	got, err := c.j.b.get(ctx, s.Config.Name, seq)
	if errors.Is(err, errNoRecord) {
		return hash{}, nil
	}
	return sha256.Sum256(got.data), err
}

// ranges writes sequences in order as a person would.
func ranges(seqs []uint64) string {
	var b strings.Builder
	for i := 0; i < len(seqs); {
		k := i
		for k+1 < len(seqs) && seqs[k+1] == seqs[k]+1 {
			k++
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		if b.Len() > 400 { // a sentence, not a list
			fmt.Fprintf(&b, "and %d more", len(seqs)-i)
			break
		}
		if k == i {
			fmt.Fprintf(&b, "%d", seqs[i])
		} else {
			fmt.Fprintf(&b, "%d to %d", seqs[i], seqs[k])
		}
		i = k + 1
	}
	return "frames " + b.String()
}

// begin starts an epoch at the state of c.world: first its keyframe, then the
// mark that makes it count, then its stream.
func (c *recovery) begin(ctx context.Context, now geo.Millis) error {
	j := c.j
	epoch, err := newEpoch()
	if err != nil {
		return err
	}
	f := keyframeOf(c.world.View(), c.acts)
	f.Base, f.Seq, f.Time = 0, c.used+1, now
	c.term++
	j.epoch, j.term = epoch, c.term
	j.stamp(f)
	f.Prev = hash{}
	_, sum, err := writeKeyframe(j.keyframeDir, f)
	if err != nil {
		return err
	}
	w := highWater{FormatVersion, epoch, c.term, f.Seq + 1, sum, f.Seq + 1, f.Seq, sum}
	if err := j.mark.setBoth(w); err != nil {
		return err
	}
	if err := c.makeStream(ctx, w); err != nil {
		return err
	}
	// Load again: the world stands at the new sequence now, and its changes too.
	c.world.Load(geo.Moment{Seq: f.Seq, Time: f.Time}, f.Delta, f.NextID, f.Changed, f.Tombs)
	c.last = position{f.Seq, sum, f.Time}
	c.r.NewEpoch = true
	j.adopt()
	return nil
}

// newEpoch names a history: sorted by time of birth, and never given twice.
func newEpoch() (string, error) {
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("name an epoch: %w", err)
	}
	return strconv.FormatInt(time.Now().UnixMilli(), 36) + "-" + hex.EncodeToString(b[:]), nil
}

func (j *Journal) adopt() {
	j.stream, j.subject = streamName(j.o.World, j.epoch), subjectOf(j.o.World, j.epoch)
}

func subjectOf(world, epoch string) string { return "rasad." + world + "." + epoch }

// Metadata of a stream: what the mark says of an epoch's beginning.
const (
	metaWorld  = "rasad_world"
	metaEpoch  = "rasad_epoch"
	metaBegin  = "rasad_begin"
	metaAnchor = "rasad_anchor"
)

func streamName(world, epoch string) string { return "RASAD_" + world + "_" + epoch }

func (j *Journal) streamMark(s *jetstream.StreamInfo) highWater {
	m := s.Config.Metadata
	w := highWater{format: FormatVersion, epoch: m[metaEpoch]}
	w.begin, _ = strconv.ParseUint(m[metaBegin], 10, 64)
	if b, err := hex.DecodeString(m[metaAnchor]); err == nil {
		copy(w.anchor[:], b)
	}
	w.hash = w.anchor
	return w
}

// makeStream makes the stream of an epoch, numbered as its frames are.
func (c *recovery) makeStream(ctx context.Context, w highWater) error {
	j := c.j
	_, js, err := j.b.conn()
	if err != nil {
		return err
	}
	_, err = js.CreateStream(ctx, jetstream.StreamConfig{
		Name:        streamName(j.o.World, w.epoch),
		Description: "frames of world " + j.o.World,
		Subjects:    []string{subjectOf(j.o.World, w.epoch)},
		Storage:     jetstream.FileStorage,
		Retention:   jetstream.LimitsPolicy, // without limits: only our trimmer removes anything
		Discard:     jetstream.DiscardNew,
		Replicas:    j.o.Replicas,
		FirstSeq:    w.begin,
		AllowDirect: true,
		Metadata: map[string]string{
			metaWorld: j.o.World, metaEpoch: w.epoch,
			metaBegin: strconv.FormatUint(w.begin, 10), metaAnchor: hex.EncodeToString(w.anchor[:]),
		},
	})
	if err != nil {
		return fmt.Errorf("make the stream of epoch %s: %w", w.epoch, err)
	}
	return syncDisk(j.o.Dir)
}

// takePen appends the empty frame that fences every other writer. When there
// was damage, its act tells the history why it begins anew.
func (c *recovery) takePen(ctx context.Context) error {
	j := c.j
	last := c.last
	j.last.Store(&last)
	j.lastAck.Store(0)
	if !c.r.NewEpoch {
		c.term++
	}
	j.term = c.term
	j.setStatus(true, "")
	if err := j.refreshStore(ctx); err != nil {
		return err
	}
	f := &Frame{Base: last.seq, Seq: last.seq + 1, Time: last.time, State: c.world.View().Hash()}
	if len(c.r.Damaged) > 0 {
		f.Acts = []geo.Act{{At: last.time, Name: "journal.damaged", By: geo.Principal{Name: "system"}, Why: clip(strings.Join(c.r.Damaged, "; "), 4096)}}
	}
	if err := j.Append(ctx, f); err != nil {
		return fmt.Errorf("take the pen: %w", err)
	}
	c.world.Apply(geo.Moment{Seq: f.Seq, Time: f.Time}, f.Delta)
	return nil
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

// worldStreams returns the streams of the world, oldest first.
func (j *Journal) worldStreams(ctx context.Context) ([]*jetstream.StreamInfo, error) {
	_, js, err := j.b.conn()
	if err != nil {
		return nil, err
	}
	var out []*jetstream.StreamInfo
	list := js.StreamNames(ctx, jetstream.WithStreamListSubject(subjectOf(j.o.World, "*")))
	for name := range list.Name() {
		if strings.HasPrefix(name, "RASAD_"+j.o.World+"_") {
			s, err := js.Stream(ctx, name)
			if err != nil {
				return nil, fmt.Errorf("look at the stream %s: %w", name, err)
			}
			info, err := s.Info(ctx, jetstream.WithDeletedDetails(true))
			if err != nil {
				return nil, fmt.Errorf("look at the stream %s: %w", name, err)
			}
			out = append(out, info)
		}
	}
	if err := list.Err(); err != nil {
		return nil, fmt.Errorf("list the streams: %w", err)
	}
	sortStreams(out)
	return out, nil
}

// streamState asks the leader of a stream how it stands.
func (j *Journal) streamState(ctx context.Context, stream string) (jetstream.StreamState, error) {
	_, js, err := j.b.conn()
	if err != nil {
		return jetstream.StreamState{}, err
	}
	s, err := js.Stream(ctx, stream)
	if err != nil {
		return jetstream.StreamState{}, fmt.Errorf("look at the stream %s: %w", stream, err)
	}
	return s.CachedInfo().State, nil
}
