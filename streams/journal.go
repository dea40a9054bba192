package streams

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"rasad/geo"
)

// What a journal says beside [ErrNotRecording], [ErrPenLost] and
// [ErrFrameTooLarge].
var (
	// ErrJournalDamaged is a journal that lost acknowledged frames while it was
	// open. It takes no more; opening it again names them and starts an epoch.
	ErrJournalDamaged = errors.New("the journal has lost acknowledged frames")
	// ErrJournalClosed is a call after [Journal.Close].
	ErrJournalClosed = errors.New("the journal is closed")
)

// frameBytesMax is the largest frame, in bytes: well under the 1 MB message of
// NATS, and small enough to be sent and synced within a tick.
const frameBytesMax = 512 << 10

var (
	journalSync = promauto.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "rasad_journal_sync_seconds",
		Help:    "Time until a frame was durable, by step: journal (published, synced, acknowledged) and mark (high-water mark synced).",
		Buckets: prometheus.ExponentialBuckets(50e-6, 2, 16),
	}, []string{"step"})
	journalSyncJournal = journalSync.WithLabelValues("journal")
	journalSyncMark    = journalSync.WithLabelValues("mark")
	journalBytes       = promauto.NewCounter(prometheus.CounterOpts{
		Name: "rasad_journal_bytes_total", Help: "Bytes of frames journaled."})
	journalStored = promauto.NewGauge(prometheus.GaugeOpts{
		Name: "rasad_journal_stored_bytes", Help: "Bytes that the journal's streams take."})
	journalRecording = promauto.NewGauge(prometheus.GaugeOpts{
		Name: "rasad_journal_recording", Help: "1 while frames are recorded, 0 while not."})
	journalDamaged = promauto.NewGaugeVec(prometheus.GaugeOpts{
		Name: "rasad_journal_damaged_frames",
		Help: "Frames found missing or altered, by who found them: start, write, or check (the last background check).",
	}, []string{"found"})
	journalDamagedStart = journalDamaged.WithLabelValues("start")
	journalDamagedWrite = journalDamaged.WithLabelValues("write")
	journalDamagedCheck = journalDamaged.WithLabelValues("check")
	journalScrubbed     = promauto.NewGauge(prometheus.GaugeOpts{
		Name: "rasad_journal_scrubbed_frame", Help: "Last frame that the background check has read."})
	keyframeSeconds = promauto.NewHistogram(prometheus.HistogramOpts{
		Name: "rasad_keyframe_write_seconds", Help: "Time to write and verify a keyframe file.",
		Buckets: prometheus.ExponentialBuckets(1e-3, 2, 14)})
)

// JournalOptions say where and how a journal records. Only Dir is required.
type JournalOptions struct {
	Dir   string // data folder: mark, keyframes, and the embedded server's store
	World string // "live" by default; letters, digits and '-'
	URL   string // of an external NATS cluster; empty: embedded server
	// Replicas of the stream in an external cluster, 1 by default.
	Replicas int
	// NATS are further options of the connection, such as credentials.
	NATS []nats.Option
	Log  *slog.Logger

	// AckWithin is how long one attempt to record may take, 2 s by default.
	AckWithin time.Duration
	// Reserve is the free disk space in bytes below which nothing more is
	// written; by default 1/50 of the disk, at least 4 MB and at most 1 GB;
	// negative: none, and NATS meets the full disk itself.
	Reserve int64
	// Store caps the bytes of the journal's streams; 0: the disk alone does.
	Store int64
	// RetainFor and RetainBytes tell the trimmer what to keep: frames younger
	// than RetainFor (0: all), in at most RetainBytes (0: any).
	RetainFor   time.Duration
	RetainBytes int64
	// Archived returns the last sequence that the archive holds; frames after
	// it are never trimmed. Nil: there is no archive.
	Archived func() uint64
	// KeyframeQuota is how many bytes of keyframe files are kept, 4 GB by
	// default; the two newest and the oldest are always kept.
	KeyframeQuota int64
	// ScrubRate is how many bytes a second the background check reads, 4 MB by
	// default; negative: it does not run.
	ScrubRate int64

	// Unsynced leaves writes to the system until Close, which syncs them all. What a
	// journal acknowledges is then lost with the power: only for a history that can be
	// made again.
	Unsynced bool
	// Now is the time of the first frame of a new journal; nil: time.Now. Who writes a
	// history of another time begins it there.
	Now func() time.Time

	// OnDamage is told, in a sentence with frame numbers, what the background
	// check found. OnRecording is told whenever recording stops or goes on;
	// OnStore when the store passes 80 % of what it may take, and when it is
	// below again. They must not call the journal.
	OnDamage    func(what string)
	OnRecording func(JournalStatus)
	OnStore     func(used, limit int64)
}

func (o *JournalOptions) fill() error {
	if o.Dir == "" {
		return errors.New("a journal needs a data folder")
	}
	if o.World == "" {
		o.World = "live"
	}
	for _, r := range o.World {
		if !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-') || len(o.World) > 32 {
			return fmt.Errorf("the world's name %.40q is not made of up to 32 small letters, digits and '-'", o.World)
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.AckWithin <= 0 {
		o.AckWithin = 2 * time.Second
	}
	if o.Replicas <= 0 {
		o.Replicas = 1
	}
	if o.KeyframeQuota <= 0 {
		o.KeyframeQuota = 4 << 30
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.ScrubRate == 0 {
		o.ScrubRate = 4 << 20 // about a tenth of a core
	}
	return nil
}

// JournalStatus tells whether frames are recorded now.
type JournalStatus struct {
	Recording bool
	Since     geo.Millis // since when that is so
	Reason    string     // why not, a sentence; empty while recording
}

// Journal records the frames of one world. It is the only durable thing of the
// world: what it has acknowledged survives a crash and a power cut, and what
// of that is ever missing is named.
//
// Append belongs to one goroutine, the writer; everything else is safe for any.
type Journal struct {
	o    JournalOptions
	log  *slog.Logger
	lock *os.File
	b    *broker

	epoch, stream, subject string
	term                   uint64
	keyframeDir            string
	answers                []geo.Act

	mu      sync.Mutex // one attempt to record, or one healing, at a time
	mark    *markFile
	next    *inFlight
	dead    error // ErrPenLost, ErrJournalDamaged or ErrJournalClosed: for good
	lastAck atomic.Int64
	last    atomic.Pointer[position]
	store   atomic.Int64 // bytes that the streams take

	statusMu sync.Mutex
	status   JournalStatus
	alarmed  bool

	snapMu sync.Mutex // one keyframe at a time

	sick chan struct{} // one place: the healer has work
	stop context.CancelFunc
	done sync.WaitGroup

	// publish is how bytes reach the stream; tests put faults in between.
	publish func(ctx context.Context, m *nats.Msg, seq uint64, id string) (*jetstream.PubAck, error)
}

// position is a frame by its number, its bytes' hash and its time.
type position struct {
	seq  uint64
	hash hash
	time geo.Millis
}

// inFlight is a frame whose bytes are fixed and that is not yet recorded. It is
// never changed and never given up.
type inFlight struct {
	position
	bytes  []byte
	id     string
	tried  bool // it may be in the stream
	stored bool // it is in the stream; the mark is missing
}

// Epoch is the identity of the history that is written.
func (j *Journal) Epoch() string { return j.epoch }

// Term is the number of this pen.
func (j *Journal) Term() uint64 { return j.term }

// Answers are the idempotency acts of the last 24 h found when the journal was
// opened, oldest first.
func (j *Journal) Answers() []geo.Act { return j.answers }

// Status tells whether frames are recorded now.
func (j *Journal) Status() JournalStatus {
	j.statusMu.Lock()
	defer j.statusMu.Unlock()
	return j.status
}

// Last is the sequence of the last frame recorded.
func (j *Journal) Last() uint64 { return j.last.Load().seq }

func (j *Journal) setStatus(recording bool, reason string) {
	j.statusMu.Lock()
	was := j.status
	if was.Recording == recording && was.Since != 0 {
		j.status.Reason = reason
		j.statusMu.Unlock()
		return
	}
	now := JournalStatus{recording, geo.Millis(time.Now().UnixMilli()), reason}
	j.status = now
	j.statusMu.Unlock()
	if recording {
		journalRecording.Set(1)
	} else {
		journalRecording.Set(0)
	}
	if was.Since == 0 {
		return
	}
	if recording {
		j.log.Info("recording again", "world", j.o.World, "frame", j.Last(), "after", time.Duration(now.Since-was.Since)*time.Millisecond)
	} else {
		j.log.Error("not recording", "world", j.o.World, "frame", j.Last(), "reason", reason)
	}
	if j.o.OnRecording != nil {
		j.o.OnRecording(now)
	}
}

// Append records a frame: it returns nil after NATS has acknowledged the synced
// write and the high-water mark is on the disk too.
//
// f.Seq must be one above the frame before and f.Base equal to it. Append sets
// V, World, Epoch, Term and Prev. The bytes are fixed by the first call for a
// sequence: after an error the caller offers the same frame again and the very
// same bytes are sent, whatever f holds by then.
//
// Errors: [ErrFrameTooLarge] (nothing was written, the sequence is free),
// [ErrNotRecording] (the frame may or may not be in the journal; offer it
// again, the journal heals itself meanwhile), [ErrPenLost], [ErrJournalDamaged]
// and [ErrJournalClosed] (stop), or the error of ctx, which is like
// ErrNotRecording.
func (j *Journal) Append(ctx context.Context, f *Frame) error {
	if s := j.Status(); !s.Recording {
		// The healer may hold the lock for seconds; a writer must not.
		if !j.mu.TryLock() {
			return fmt.Errorf("record frame %d: %w: %s", f.Seq, ErrNotRecording, s.Reason)
		}
	} else {
		j.mu.Lock()
	}
	defer j.mu.Unlock()
	if j.dead != nil {
		return fmt.Errorf("record frame %d: %w", f.Seq, j.dead)
	}
	last := j.last.Load()
	if f.Seq == last.seq && j.next == nil {
		j.stamp(f)
		return nil // the healer has recorded it
	}
	if j.next == nil {
		if f.Seq != last.seq+1 || f.Base != last.seq {
			return fmt.Errorf("record frame %d (base %d): the frame before is %d", f.Seq, f.Base, last.seq)
		}
		j.stamp(f)
		f.Prev = last.hash
		b := f.Encode()
		if len(b) > frameBytesMax {
			return fmt.Errorf("record frame %d: %w: %d bytes", f.Seq, ErrFrameTooLarge, len(b))
		}
		j.next = newInFlight(f, b)
	} else if f.Seq != j.next.seq {
		return fmt.Errorf("record frame %d: frame %d is in flight", f.Seq, j.next.seq)
	}
	if s := j.Status(); !s.Recording {
		return fmt.Errorf("record frame %d: %w: %s", f.Seq, ErrNotRecording, s.Reason)
	}
	j.stamp(f)
	f.Prev = last.hash
	return j.record(ctx)
}

func newInFlight(f *Frame, b []byte) *inFlight {
	sum := sha256.Sum256(b)
	return &inFlight{position: position{f.Seq, sum, f.Time}, bytes: b, id: messageID(sum)}
}

func (j *Journal) stamp(f *Frame) {
	f.V, f.World, f.Epoch, f.Term = FormatVersion, j.o.World, j.epoch, j.term
}

// messageID names a frame by its content: NATS then takes it for a duplicate
// only when it is the very same, and each message of the stream tells by
// itself whether it is what was sent. Half of the SHA-256 is plenty for both.
func messageID(sum hash) string { return base64.RawURLEncoding.EncodeToString(sum[:16]) }

// record brings j.next into the stream and the mark. The caller holds j.mu.
func (j *Journal) record(ctx context.Context) error {
	p := j.next
	if !p.stored {
		if err := j.send(ctx, p); err != nil {
			return fmt.Errorf("record frame %d: %w", p.seq, err)
		}
		p.stored = true
	}
	start := time.Now()
	w := j.mark.now
	w.format, w.term, w.seq, w.hash = FormatVersion, j.term, p.seq, p.hash
	if err := j.mark.set(w); err != nil {
		j.fall(err.Error())
		return fmt.Errorf("record frame %d: %w: %w", p.seq, ErrNotRecording, err)
	}
	journalSyncMark.Observe(time.Since(start).Seconds())
	journalBytes.Add(float64(len(p.bytes)))
	j.store.Add(int64(len(p.bytes)) + messageOverhead)
	position := p.position // not the bytes
	j.last.Store(&position)
	j.next = nil
	j.lastAck.Store(time.Now().UnixNano())
	return nil
}

// messageOverhead is about what NATS adds to a frame in its file: record
// header, checksum, subject, message id and expected sequence.
const messageOverhead = 150

// send publishes p unless the stream has it already, and returns nil when the
// stream has it.
func (j *Journal) send(ctx context.Context, p *inFlight) error {
	if err := j.room(int64(len(p.bytes))); err != nil {
		j.fall(err.Error())
		return fmt.Errorf("%w: %w", ErrNotRecording, err)
	}
	attempt, cancel := context.WithTimeout(ctx, j.o.AckWithin)
	defer cancel()
	if p.tried {
		if in, err := j.inStream(attempt, p); in || err != nil {
			return j.judge(ctx, err)
		}
	}
	p.tried = true
	m := &nats.Msg{Subject: j.subject, Data: p.bytes}
	start := time.Now()
	ack, err := j.publish(attempt, m, p.seq, p.id)
	if err == nil && ack.Sequence == p.seq && ack.Stream == j.stream {
		journalSyncJournal.Observe(time.Since(start).Seconds())
		return nil
	}
	if err == nil {
		err = fmt.Errorf("NATS acknowledges %s:%d", ack.Stream, ack.Sequence)
	}
	var api *jetstream.APIError
	if errors.As(err, &api) && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant) {
		in, tail := j.inStream(attempt, p)
		switch {
		case in:
			return nil
		case tail != nil:
			return j.judge(ctx, tail)
		}
		// Not there, and yet the stream does not end before it.
		return j.judge(ctx, j.explainGap(attempt, p))
	}
	return j.judge(ctx, err)
}

func (j *Journal) publishNATS(ctx context.Context, m *nats.Msg, seq uint64, id string) (*jetstream.PubAck, error) {
	_, js, err := j.b.conn()
	if err != nil {
		return nil, err
	}
	return js.PublishMsg(ctx, m, jetstream.WithMsgID(id), jetstream.WithExpectLastSequence(seq-1), jetstream.WithRetryAttempts(0))
}

// inStream tells whether the stream holds p. It returns ErrPenLost when
// another frame stands in its place.
func (j *Journal) inStream(ctx context.Context, p *inFlight) (bool, error) {
	got, err := j.b.get(ctx, j.stream, p.seq)
	switch {
	case errors.Is(err, errNoRecord):
		return false, nil
	case err != nil:
		return false, err
	case !bytes.Equal(got.data, p.bytes):
		return false, fmt.Errorf("%w: frame %d is another's", ErrPenLost, p.seq)
	}
	return true, nil
}

// explainGap says why the stream refuses p though it does not hold it.
func (j *Journal) explainGap(ctx context.Context, p *inFlight) error {
	s, err := j.streamState(ctx, j.stream)
	switch {
	case err != nil:
		return err
	case s.LastSeq >= p.seq:
		return fmt.Errorf("%w: the stream goes on to frame %d", ErrPenLost, s.LastSeq)
	case s.LastSeq < p.seq-1:
		return fmt.Errorf("%w: frames %d to %d are missing", ErrJournalDamaged, s.LastSeq+1, p.seq-1)
	}
	return errors.New("the stream refused a frame that follows its last") // a replica that was behind
}

// judge sorts the outcome of an attempt: over for good, the caller's patience
// ended, or to be healed.
func (j *Journal) judge(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrPenLost), errors.Is(err, ErrJournalDamaged):
		j.dead = err
		j.setStatus(false, err.Error())
		if errors.Is(err, ErrJournalDamaged) {
			journalDamagedWrite.Inc()
			if j.o.OnDamage != nil {
				j.o.OnDamage(err.Error())
			}
		}
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	}
	j.fall(err.Error())
	return fmt.Errorf("%w: %w", ErrNotRecording, err)
}

// fall notes that recording has stopped and wakes the healer.
func (j *Journal) fall(reason string) {
	j.setStatus(false, reason)
	select {
	case j.sick <- struct{}{}:
	default:
	}
}

// room returns an error unless n more bytes may be written.
func (j *Journal) room(n int64) error {
	used := j.store.Load()
	if j.o.Store > 0 && used+n > j.o.Store {
		return fmt.Errorf("the journal is full: %d of %d bytes", used, j.o.Store)
	}
	size, free, err := diskSpace(j.o.Dir)
	if err != nil {
		return err
	}
	if reserve := j.reserve(size); free-n < reserve {
		return fmt.Errorf("the disk is full: %d bytes free, %d are kept", free, reserve)
	}
	return nil
}

func (j *Journal) reserve(size int64) int64 {
	if j.o.Reserve != 0 {
		return j.o.Reserve
	}
	return min(max(size/50, 4<<20), 1<<30)
}

// heal brings the journal back: it waits for space, starts the embedded server
// again, reads the tail, and proves the cure by recording the frame in flight.
func (j *Journal) heal(ctx context.Context) {
	const slowest = 2 * time.Second // so that it is done well within 10 s of the cure
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, slowest) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		if err := j.room(0); err != nil {
			j.setStatus(false, err.Error())
			continue
		}
		if j.cure(ctx) {
			return
		}
	}
}

// cure makes one attempt and tells whether healing is over.
func (j *Journal) cure(ctx context.Context) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.dead != nil {
		return true
	}
	if j.next == nil || !j.next.stored { // else only the mark is missing
		start := time.Now()
		if err := j.b.restart(ctx); err != nil {
			j.setStatus(false, err.Error())
			return false
		}
		j.log.Info("NATS was started again", "took", time.Since(start))
		attempt, cancel := context.WithTimeout(ctx, j.o.AckWithin)
		defer cancel()
		s, err := j.streamState(attempt, j.stream)
		last := j.last.Load()
		if err == nil && s.LastSeq < last.seq {
			err = fmt.Errorf("%w: frames %d to %d are missing", ErrJournalDamaged, s.LastSeq+1, last.seq)
		}
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			err = fmt.Errorf("%w: the stream is missing", ErrJournalDamaged)
		}
		if err != nil {
			return j.judge(ctx, err) != nil && j.dead != nil
		}
	}
	if j.next != nil {
		if err := j.record(ctx); err != nil {
			return j.dead != nil || ctx.Err() != nil
		}
	}
	j.setStatus(true, "")
	return true
}

// probeFresh is how recent an acknowledged frame must be to prove that frames
// can be written; a beat is journaled every 10 s.
const probeFresh = 10 * time.Second

// Probe returns nil when frames can be recorded: one was within the last 10 s,
// or a real, synced write succeeds now. Otherwise the error wraps
// [ErrNotRecording].
func (j *Journal) Probe(ctx context.Context) error {
	if s := j.Status(); !s.Recording {
		return fmt.Errorf("%w: %s", ErrNotRecording, s.Reason)
	}
	if time.Since(time.Unix(0, j.lastAck.Load())) < probeFresh {
		return nil
	}
	if err := j.room(0); err != nil {
		return fmt.Errorf("%w: %w", ErrNotRecording, err)
	}
	ctx, cancel := context.WithTimeout(ctx, j.o.AckWithin)
	defer cancel()
	err := j.writeProbe(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotRecording, err)
	}
	return nil
}

func (j *Journal) writeProbe(ctx context.Context) error {
	_, js, err := j.b.conn()
	if err != nil {
		return err
	}
	if _, err = js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: "RASAD_PROBE", Subjects: []string{"rasad.probe"}, MaxMsgs: 1, Discard: jetstream.DiscardOld,
		Storage: jetstream.FileStorage, Replicas: j.o.Replicas,
	}); err != nil {
		return fmt.Errorf("make the probe's stream: %w", err)
	}
	if _, err = js.Publish(ctx, "rasad.probe", []byte("probe"), jetstream.WithRetryAttempts(0)); err != nil {
		return fmt.Errorf("write the probe: %w", err)
	}
	return nil
}

// Close stops recording and the embedded server. A frame in flight stays what
// it is: in the journal or not, as the next start will see.
func (j *Journal) Close() error {
	j.stop()
	j.done.Wait()
	j.mu.Lock()
	defer j.mu.Unlock()
	if errors.Is(j.dead, ErrJournalClosed) {
		return nil
	}
	j.dead = ErrJournalClosed
	j.snapMu.Lock() // a keyframe that is being written comes to its end
	defer j.snapMu.Unlock()
	j.b.close()
	var unsynced error
	if j.o.Unsynced {
		unsynced = syncAll(j.o.Dir)
	}
	return errors.Join(unsynced, j.mark.close(), j.lock.Close())
}

// mend heals whenever recording has stopped.
func (j *Journal) mend(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-j.sick:
			if !j.Status().Recording {
				j.heal(ctx)
			}
		}
	}
}

// tidy trims every now and then, recording or not: it is what makes room again.
func (j *Journal) tidy(ctx context.Context) {
	for sleep(ctx, trimEvery) == nil {
		if err := j.trim(ctx); err != nil && ctx.Err() == nil {
			j.log.Warn("the journal was not trimmed", "world", j.o.World, "error", err)
		}
	}
}

// Snapshot writes a keyframe file of a recorded view, with those acts of the
// last 24 h that carry an idempotency key, verifies it, and removes keyframes
// that are no longer needed. It takes as long as the world is large and holds up
// no Append; call it from a goroutine of its own, every minute or so.
//
// A view that shows positions not recorded, or frames not yet recorded, is an
// error; so is a disk that has no room ([ErrNotRecording]).
func (j *Journal) Snapshot(ctx context.Context, v *geo.View, acts []geo.Act) error {
	j.snapMu.Lock()
	defer j.snapMu.Unlock()
	last := j.last.Load()
	if v.Live() > 0 || v.Seq() > last.seq {
		return fmt.Errorf("write a keyframe of frame %d (live %d): it is not recorded (the last is %d)", v.Seq(), v.Live(), last.seq)
	}
	start := time.Now()
	prev := last.hash
	if v.Seq() != last.seq {
		got, err := j.b.get(ctx, j.stream, v.Seq())
		if err != nil {
			return fmt.Errorf("write a keyframe of frame %d: %w", v.Seq(), err)
		}
		prev = sha256.Sum256(got.data)
		if messageID(prev) != got.id {
			return fmt.Errorf("write a keyframe of frame %d: %w: that frame was altered", v.Seq(), ErrJournalDamaged)
		}
	}
	f := keyframeOf(v, acts)
	j.stamp(f)
	f.Prev = prev
	if err := j.room(int64(len(f.Put)) * 300); err != nil {
		return fmt.Errorf("write a keyframe of frame %d: %w: %w", v.Seq(), ErrNotRecording, err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	k, _, err := writeKeyframe(j.keyframeDir, f)
	if err != nil {
		return err
	}
	keyframeSeconds.Observe(time.Since(start).Seconds())
	if err := j.shareKeyframe(ctx, k); err != nil {
		return err
	}
	files, err := listKeyframes(j.keyframeDir, j.o.World)
	if err != nil {
		return err
	}
	for _, k := range spareKeyframes(files, v.Time(), j.o.KeyframeQuota) {
		if err := os.Remove(k.path); err != nil {
			j.log.Warn("an old keyframe was not removed", "file", filepath.Base(k.path), "error", err)
		}
	}
	return nil
}
