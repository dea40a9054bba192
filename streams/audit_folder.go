package streams

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/minio/highwayhash"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"rasad/geo"
)

// Record is the past of a world as it lies in a data folder, read from its files
// alone: it takes no pen and starts no server, so it can be opened on a folder
// that a server works in, on a copy, and by a person who may only read. It is a
// [History].
//
// The embedded NATS server would not do for that: opening its store repairs it,
// which is to say changes it, and hides what it could not read.
type Record struct {
	fs    fs.FS // has no way to write
	world string
}

// ErrNoRecord is a folder that keeps no record of the world.
var ErrNoRecord = errors.New("the folder keeps no record of this world")

// NewRecord returns the record of a world ("" is "live") in a data folder. The
// error is [ErrNoRecord].
func NewRecord(folder fs.FS, world string) (*Record, error) {
	r := &Record{folder, cmp.Or(world, "live")}
	if _, err := fs.Stat(folder, r.markName()); err != nil {
		if keys, _ := r.keyframes(); len(keys) == 0 {
			return nil, fmt.Errorf("read the record of world %s: %w", r.world, ErrNoRecord)
		}
	}
	return r, nil
}

func (r *Record) markName() string { return r.world + ".mark" }

// keyframes lists the keyframe files of the world, newest first.
func (r *Record) keyframes() ([]keyframeFile, error) {
	entries, err := fs.ReadDir(r.fs, "keyframes")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list the keyframes: %w", err)
	}
	var out []keyframeFile
	for _, e := range entries {
		k, ok := parseKeyframeName(e.Name(), r.world)
		if !ok {
			continue
		}
		if info, err := e.Info(); err == nil {
			k.size = info.Size()
		}
		k.path = "keyframes/" + e.Name()
		out = append(out, k)
	}
	sortKeyframes(out)
	return out, nil
}

func (r *Record) keyframe(k keyframeFile) (*Frame, hash, error) {
	b, err := fs.ReadFile(r.fs, k.path)
	if err != nil {
		return nil, hash{}, fmt.Errorf("%w: %w", errKeyframe, err)
	}
	return namedKeyframe(b, k, r.world)
}

func (r *Record) mark() (highWater, markHealth, error) {
	b, err := fs.ReadFile(r.fs, r.markName())
	if errors.Is(err, fs.ErrNotExist) {
		return highWater{}, markNew, nil
	}
	if err != nil {
		return highWater{}, 0, fmt.Errorf("read the mark: %w", err)
	}
	_, w, health := readSlots(b)
	if health == markWhole && len(b) != 2*markSlot {
		health = markOlder // what lies behind is not ours
	}
	return w, health, nil
}

// epochStream is the stream of an epoch as its files tell.
type epochStream struct {
	epoch, dir, name string
	blocks           []block // in order
	first            uint64  // sequence of the first record; 0: there is none
	begin            uint64  // as its description tells; 0: it does not
	anchor           hash
	wrong            error // why its description is not whole
}

// streams lists the streams of the world, in the order of their first frames.
func (r *Record) streams() ([]*epochStream, error) {
	const root = "nats/jetstream/$G/streams"
	entries, err := fs.ReadDir(r.fs, root)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list the streams: %w", err)
	}
	var out []*epochStream
	for _, e := range entries {
		epoch, ok := strings.CutPrefix(e.Name(), "RASAD_"+r.world+"_")
		if !ok || epoch == "" || !e.IsDir() {
			continue
		}
		s := &epochStream{epoch: epoch, name: e.Name(), dir: path.Join(root, e.Name())}
		if err := r.survey(s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b *epochStream) int {
		return cmp.Or(cmp.Compare(cmp.Or(a.begin, a.first), cmp.Or(b.begin, b.first)), strings.Compare(a.epoch, b.epoch))
	})
	return out, nil
}

// survey reads the description of a stream and lists its blocks.
func (r *Record) survey(s *epochStream) error {
	s.wrong = r.describe(s)
	entries, err := fs.ReadDir(r.fs, s.dir+"/msgs")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("list the blocks of epoch %s: %w", s.epoch, err)
	}
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), ".blk")
		if n, err := strconv.ParseUint(digits, 10, 32); ok && err == nil {
			s.blocks = append(s.blocks, block{path: s.dir + "/msgs/" + e.Name(), index: n})
		}
	}
	slices.SortFunc(s.blocks, func(a, b block) int { return cmp.Compare(a.index, b.index) })
	for _, b := range s.blocks {
		if s.first = r.firstOf(b); s.first != 0 {
			break
		}
	}
	return nil
}

// describe reads what NATS was told when the stream was made, and proves it by
// the checksum that NATS wrote beside.
func (r *Record) describe(s *epochStream) error {
	b, err := fs.ReadFile(r.fs, s.dir+"/meta.inf")
	if err != nil {
		return err
	}
	sum, err := fs.ReadFile(r.fs, s.dir+"/meta.sum")
	if err != nil {
		return err
	}
	if got := hex.EncodeToString(blockSum(s.name).sum(b)); got != string(sum) {
		return errors.New("its checksum differs")
	}
	var c struct {
		Name     string            `json:"name"`
		Metadata map[string]string `json:"metadata"`
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return err
	}
	if c.Name != s.name || c.Metadata[metaEpoch] != s.epoch || c.Metadata[metaWorld] != r.world {
		return fmt.Errorf("it is of %s", c.Name)
	}
	a, err := hex.DecodeString(c.Metadata[metaAnchor])
	if err != nil || len(a) != len(s.anchor) {
		return errors.New("it does not name what the epoch began with")
	}
	if s.begin, err = strconv.ParseUint(c.Metadata[metaBegin], 10, 64); err != nil {
		return errors.New("it does not say where the epoch began")
	}
	s.anchor = hash(a)
	return nil
}

// firstOf returns the sequence of the first record of a block, as it says.
func (r *Record) firstOf(b block) uint64 {
	f, err := r.fs.Open(b.path)
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }()
	var head [12]byte
	if n, _ := f.Read(head[:]); n < len(head) {
		return 0
	}
	return binary.LittleEndian.Uint64(head[4:]) &^ (recordErased | recordTomb)
}

// What NATS writes around a message: length (the high bit says that there is a
// header), sequence (two bits say that it was erased), time, length of the
// subject, subject, length of the header, header, message, checksum.
const (
	recordHead   = 22
	recordSum    = 8
	recordHeader = 1 << 31
	recordErased = 1 << 63
	recordTomb   = 1 << 62
)

// errTorn is a record that ends too early.
var errTorn = errors.New("a record is cut off")

// summer is the keyed checksum with which NATS closes records and descriptions.
type summer struct{ h *highwayhash.Digest64 }

func blockSum(key string) summer {
	k := sha256.Sum256([]byte(key))
	h, err := highwayhash.NewDigest64(k[:])
	if err != nil {
		panic(err) // the key has the length that it must have
	}
	return summer{h}
}

func (s summer) sum(parts ...[]byte) []byte {
	s.h.Reset()
	for _, p := range parts {
		_, _ = s.h.Write(p)
	}
	return s.h.Sum(nil)
}

// blockRecord is one record of a block.
type blockRecord struct {
	stored
	subject string
	before  string // the last sequence that its writer expected
	gone    bool   // erased, or the word that another record was
}

// parseRecord reads the record that b begins with and returns its size.
func parseRecord(b []byte, sum summer) (r blockRecord, size int, err error) {
	le := binary.LittleEndian
	if len(b) < recordHead {
		return r, 0, errTorn
	}
	length := le.Uint32(b)
	header := length&recordHeader != 0
	size = int(length &^ recordHeader)
	subject := int(le.Uint16(b[20:]))
	least := recordHead + subject + recordSum
	if header {
		least += 4
	}
	switch {
	case size < least:
		return r, 0, errors.New("a record is shorter than what it holds")
	case size > len(b):
		return r, 0, errTorn
	}
	body, end := recordHead+subject, size-recordSum
	if header {
		body += 4
	}
	if !bytes.Equal(sum.sum(b[4:20], b[recordHead:recordHead+subject], b[body:end]), b[end:size]) {
		return r, 0, errors.New("the checksum of a record differs")
	}
	r.seq = le.Uint64(b[4:])
	if r.seq&(recordErased|recordTomb) != 0 {
		r.seq &^= recordErased | recordTomb
		r.gone = true
		return r, size, nil
	}
	r.subject = string(b[recordHead : recordHead+subject])
	r.data = b[body:end]
	if !header {
		return r, size, nil
	}
	n := int64(le.Uint32(b[body-4:]))
	if n > int64(end-body) {
		return r, 0, errors.New("the header of a record is longer than the record")
	}
	h, err := nats.DecodeHeadersMsg(b[body : body+int(n)])
	if err != nil {
		return r, 0, errors.New("the header of a record cannot be read")
	}
	r.data = b[body+int(n) : end]
	r.id, r.before = h.Get(nats.MsgIdHdr), h.Get(jetstream.ExpectedLastSeqHeader)
	return r, size, nil
}

// badBytes is a stretch of a block that holds no whole record.
type badBytes struct {
	path     string
	from, to int
	torn     bool   // the stretch is the end of the block
	next     uint64 // frame whose record may have been cut off here; 0: none
	why      error
}

func (b *badBytes) Error() string {
	return fmt.Sprintf("%s: bytes %d to %d hold no whole record: %v", path.Base(b.path), b.from, b.to, b.why)
}

// records yields the records of a stream from sequence after+1 on, block after
// block, and where there is none that is whole a [*badBytes]. The bytes of a
// record are good until the next one is asked for.
func (r *Record) records(ctx context.Context, s *epochStream, after uint64) iter.Seq2[blockRecord, error] {
	return func(yield func(blockRecord, error) bool) {
		from := 0
		for i := len(s.blocks) - 1; i > 0 && from == 0; i-- { // skip what ends before
			if first := r.firstOf(s.blocks[i]); first != 0 && first <= after+1 {
				from = i
			}
		}
		for _, b := range s.blocks[from:] {
			if err := ctx.Err(); err != nil {
				yield(blockRecord{}, err)
				return
			}
			data, err := fs.ReadFile(r.fs, b.path)
			if err != nil {
				if !yield(blockRecord{}, &badBytes{path: b.path, why: err}) {
					return
				}
				continue
			}
			if !scanRecords(data, s, b, subjectOf(r.world, s.epoch), yield) {
				return
			}
		}
	}
}

// scanRecords yields the records of one block. Where a record is not whole it
// goes on with the next that is: any length may be the damaged one, so that is
// looked for by the subject.
func scanRecords(data []byte, s *epochStream, b block, subject string, yield func(blockRecord, error) bool) bool {
	sum := blockSum(fmt.Sprintf("%s-%d", s.name, b.index))
	for at := 0; at < len(data); {
		rec, size, err := parseRecord(data[at:], sum)
		if err == nil {
			if !yield(rec, nil) {
				return false
			}
			at += size
			continue
		}
		bad := &badBytes{path: b.path, from: at, to: len(data), why: err, torn: true}
		for look := at + 1; ; {
			i := bytes.Index(data[min(look+recordHead, len(data)):], []byte(subject))
			if i < 0 {
				break
			}
			start := look + i
			if _, _, err := parseRecord(data[start:], sum); err == nil {
				bad.to, bad.torn = start, false
				break
			}
			look = start + 1
		}
		if rest := data[at:]; bad.torn && errors.Is(err, errTorn) && len(rest) >= 12 {
			if size := binary.LittleEndian.Uint32(rest); size&recordHeader != 0 && size&^recordHeader < frameBytesMax+1024 {
				bad.next = binary.LittleEndian.Uint64(rest[4:])
			}
		}
		if !yield(blockRecord{}, bad) {
			return false
		}
		at = bad.to
	}
	return true
}

// KeyframeAt returns the newest whole keyframe at or before t, or the oldest one
// that is kept when history begins later. The error is [ErrNoHistory] when no
// keyframe can be read.
func (r *Record) KeyframeAt(ctx context.Context, t geo.Millis) (*Frame, error) {
	files, err := r.keyframes()
	if err != nil {
		return nil, err
	}
	from := slices.IndexFunc(files, func(k keyframeFile) bool { return k.time <= t })
	if from < 0 {
		from = max(len(files)-1, 0)
	}
	for _, k := range files[from:] {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if f, _, err := r.keyframe(k); err == nil {
			return f, nil
		}
	}
	return nil, fmt.Errorf("read the record from %s: %w", time.UnixMilli(int64(t)).UTC().Format(time.RFC3339), ErrNoHistory)
}

// Frames yields the recorded frames after sequence seq, in order, each proven by
// the chain, up to the last one acknowledged. Where an epoch ends it yields the
// first keyframe of the next one. It ends with the first error.
func (r *Record) Frames(ctx context.Context, after uint64) iter.Seq2[*Frame, error] {
	return func(yield func(*Frame, error) bool) {
		m, health, err := r.mark()
		if err == nil && !health.known() {
			err = errors.New("the mark cannot be read")
		}
		streams, err2 := r.streams()
		files, err3 := r.keyframes()
		if err := errors.Join(err, err2, err3); err != nil {
			yield(nil, err)
			return
		}
		i := len(streams) - 1
		for i > 0 && cmp.Or(streams[i].begin, streams[i].first) > after+1 {
			i--
		}
		for first := true; i >= 0 && i < len(streams); i, first = i+1, false {
			s := streams[i]
			at := position{seq: after}
			if !first || after+1 < s.begin {
				k := slices.IndexFunc(files, func(k keyframeFile) bool { return k.epoch == s.epoch && k.seq+1 == s.begin })
				if k < 0 {
					yield(nil, fmt.Errorf("read epoch %s: its first keyframe is missing: %w", s.epoch, ErrNoHistory))
					return
				}
				f, sum, err := r.keyframe(files[k])
				if !yield(f, err) || err != nil {
					return
				}
				at = position{seq: f.Seq, hash: sum}
			}
			for rec, err := range r.records(ctx, s, at.seq) {
				if s.epoch == m.epoch && at.seq >= m.seq {
					return
				}
				var bad *badBytes
				if err == nil && (rec.gone || rec.seq <= at.seq) || errors.As(err, &bad) && s.epoch != m.epoch && bad.torn {
					continue
				}
				var f *Frame
				if err == nil {
					f, at, err = proveFrame(rec.stored, r.world, s.epoch, at)
				}
				if err != nil {
					yield(nil, fmt.Errorf("read epoch %s: %w", s.epoch, err))
					return
				}
				if !yield(f, nil) {
					return
				}
			}
			if s.epoch == m.epoch && at.seq < m.seq {
				yield(nil, fmt.Errorf("read epoch %s: %s missing", s.epoch, spell(at.seq+1, m.seq)))
				return
			}
		}
	}
}

// Span returns the times of the oldest keyframe and of the newest one.
func (r *Record) Span() (first, last geo.Millis) {
	files, err := r.keyframes()
	if err != nil || len(files) == 0 {
		return 0, 0
	}
	return files[len(files)-1].time, files[0].time
}

// SealedKeys returns the ids of all keys under which the property name of the
// feature key was ever sealed, as far as the record is kept: a field that was
// changed leaves its older boxes in the past. It reads the whole record, but
// decodes only what holds the feature's key. Beside an error it returns what it
// found all the same.
func (r *Record) SealedKeys(ctx context.Context, key, name string) ([]string, error) {
	var unread []error
	seen := map[string]bool{}
	see := func(f *Frame) {
		for _, p := range f.Put {
			if p.Key != key {
				continue
			}
			for _, s := range p.Sealed {
				if s.Name == name && s.KeyID != "" {
					seen[s.KeyID] = true
				}
			}
		}
	}
	files, err := r.keyframes()
	if err != nil {
		return nil, err
	}
	for _, k := range files {
		b, err := fs.ReadFile(r.fs, k.path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // thinned out meanwhile: what it held, its frames hold
		}
		var f *Frame
		if err == nil && bytes.Contains(b, []byte(key)) {
			f, _, err = namedKeyframe(b, k, r.world)
		}
		if err != nil {
			unread = append(unread, fmt.Errorf("read the keyframe of frame %d: %w", k.seq, err))
		} else if f != nil {
			see(f)
		}
	}
	streams, err := r.streams()
	if err != nil {
		return nil, err
	}
	for _, s := range streams {
		for rec, err := range r.records(ctx, s, 0) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			// A stretch that cannot be read holds nothing that replay could show.
			if err != nil || !bytes.Contains(rec.data, []byte(key)) {
				continue
			}
			if f, err := ParseFrame(rec.data); err == nil {
				see(f)
			}
		}
	}
	out := make([]string, 0, len(seen))
	for id := range seen {
		out = append(out, id)
	}
	slices.Sort(out)
	return out, errors.Join(unread...)
}
