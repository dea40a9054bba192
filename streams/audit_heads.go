package streams

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"golang.org/x/sys/unix"
)

var (
	headFrame = promauto.NewGauge(prometheus.GaugeOpts{
		Name: "rasad_audit_head_frame", Help: "Last frame that a signed head covers."})
	headFailures = promauto.NewCounter(prometheus.CounterOpts{
		Name: "rasad_audit_head_failures_total", Help: "Heads that could not be signed or written; they are caught up later."})
)

const (
	auditDir  = "audit"
	auditKey  = "audit/key"
	headEvery = time.Minute
	headLook  = time.Second // a keyframe is named in a head about this soon
)

// ErrHeads is a record that does not go on from the newest signed head: what that
// head covers was changed or is missing.
var ErrHeads = errors.New("the record is not the one that was signed")

// Head is one line of a heads file: where the record stood, under a signature.
// Each names the one before it by its hash, so a line cannot be taken out, and a
// copy that was shipped elsewhere vouches for every line before.
type Head struct {
	N     uint64    `json:"n"` // number of the line, from 0
	World string    `json:"world"`
	Epoch string    `json:"epoch"`
	Seq   uint64    `json:"seq"`   // last frame covered
	Frame string    `json:"frame"` // SHA-256 of that frame as journaled, hex
	Time  time.Time `json:"time"`  // of signing, by the server's clock
	Acts  uint64    `json:"acts"`  // counted so far
	// Oldest is the first frame that was kept: what is missing before it was
	// trimmed, what is missing after it was not.
	Oldest uint64 `json:"oldest"`
	// Keyframes are the keyframe files written since the head before.
	Keyframes []HeadKeyframe `json:"keyframes,omitempty"`
	Prev      string         `json:"prev"` // SHA-256 of the line before, without its end, hex; of the first: empty
}

// HeadKeyframe names a keyframe file by its checksum.
type HeadKeyframe struct {
	Seq uint64 `json:"seq"`
	Sum string `json:"sum"` // hex
}

// sigMember begins the last member of a line. What is signed is all before it, so
// that the signature can be checked by cutting a line and without a JSON parser.
const sigMember = `,"sig":"`

// sign returns the line of a head, without its end.
func (h Head) sign(key ed25519.PrivateKey) ([]byte, error) {
	b, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	b = b[:len(b)-1] // the closing brace comes after the signature
	sig := base64.StdEncoding.EncodeToString(ed25519.Sign(key, b))
	return append(append(append(b, sigMember...), sig...), `"}`...), nil
}

// parseHead reads a line as sign made it, and no other form of it.
func parseHead(line []byte, keys []ed25519.PublicKey) (Head, error) {
	var h Head
	i := bytes.LastIndex(line, []byte(sigMember))
	if i < 0 || !bytes.HasSuffix(line, []byte(`"}`)) {
		return h, errors.New("it is no signed head")
	}
	signed, text := line[:i], line[i+len(sigMember):len(line)-2]
	if err := json.Unmarshal(append(bytes.Clone(signed), '}'), &h); err != nil {
		return h, errors.New("it is no signed head")
	}
	again, err := json.Marshal(h)
	if err != nil || !bytes.Equal(again[:len(again)-1], signed) {
		return h, errors.New("it is not written as heads are")
	}
	sig, err := base64.StdEncoding.Strict().DecodeString(string(text))
	if err != nil || len(text) != base64.StdEncoding.EncodedLen(ed25519.SignatureSize) ||
		!slices.ContainsFunc(keys, func(k ed25519.PublicKey) bool { return ed25519.Verify(k, signed, sig) }) {
		return h, errors.New("its signature is not of the key given")
	}
	return h, nil
}

// keyPrefix begins a public key as it is shown and given.
const keyPrefix = "ed25519:"

// AuditKeyString shows a public key as [ParseAuditKey] reads it.
func AuditKeyString(k ed25519.PublicKey) string {
	return keyPrefix + base64.RawURLEncoding.EncodeToString(k)
}

// ParseAuditKey is the inverse of [AuditKeyString].
func ParseAuditKey(s string) (ed25519.PublicKey, error) {
	text, ok := strings.CutPrefix(s, keyPrefix)
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if !ok || err != nil || len(b) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%q is no public key: it begins with %s, as `rasad audit key` prints it", s, keyPrefix)
	}
	return b, nil
}

// AuditKey returns the public half of the key with which the installation of a
// data folder signs heads. Without a key the error is [fs.ErrNotExist].
func AuditKey(folder fs.FS) (ed25519.PublicKey, error) {
	b, err := fs.ReadFile(folder, auditKey)
	if err != nil {
		return nil, fmt.Errorf("read the key of the audit: %w", err)
	}
	k, err := parsePrivateKey(b)
	if err != nil {
		return nil, err
	}
	return k.Public().(ed25519.PublicKey), nil
}

func parsePrivateKey(b []byte) (ed25519.PrivateKey, error) {
	p, rest := pem.Decode(b)
	if p == nil || len(rest) > 0 {
		return nil, errors.New("the key of the audit is damaged")
	}
	k, err := x509.ParsePKCS8PrivateKey(p.Bytes)
	if err != nil {
		return nil, errors.New("the key of the audit is damaged")
	}
	out, ok := k.(ed25519.PrivateKey)
	if !ok {
		return nil, errors.New("the key of the audit is not of Ed25519")
	}
	return out, nil
}

// openAuditKey reads the installation's key, or makes it.
func openAuditKey(dir string) (ed25519.PrivateKey, error) {
	path := filepath.Join(dir, auditKey)
	b, err := os.ReadFile(path)
	if err == nil {
		return parsePrivateKey(b)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	if err := writeSynced(path+".tmp", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})); err != nil {
		return nil, err
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return nil, err
	}
	return key, syncDir(filepath.Dir(path))
}

// headsPath is the heads file of a world in a data folder.
func headsPath(world string) string { return auditDir + "/" + world + ".heads" }

// Heads signs where the record of a journal stands: about once a minute, when
// there is a new keyframe, and when asked. It reads the frames back from the
// journal, from the newest head on, and so proves every minute that what was
// signed is still there. It never holds up recording: what cannot be written is
// said, counted, and written later.
type Heads struct {
	j    *Journal
	key  ed25519.PrivateKey
	path string

	mu     sync.Mutex
	opened bool
	size   int64  // of the file, as far as it is ours
	last   Head   // newest head; Frame empty: there is none
	sum    hash   // of its line
	named  uint64 // newest keyframe that a head names
	acts   uint64
	sick   string // what was last said to be wrong

	// writeAt puts bytes into the file; tests fill the disk in between.
	writeAt func(f *os.File, b []byte, at int64) (int, error)
}

// OpenHeads makes the installation's key when there is none (data folder,
// audit/key, mode 0600) and returns the signer of a journal's heads. [Heads.Run]
// must be called for any to be written.
func OpenHeads(j *Journal) (*Heads, error) {
	if err := os.MkdirAll(filepath.Join(j.o.Dir, auditDir), 0o700); err != nil {
		return nil, fmt.Errorf("open the heads: %w", err)
	}
	key, err := openAuditKey(j.o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the heads: %w", err)
	}
	return &Heads{j: j, key: key, path: filepath.Join(j.o.Dir, headsPath(j.o.World)), writeAt: (*os.File).WriteAt}, nil
}

// Public is the key that verifies the heads.
func (h *Heads) Public() ed25519.PublicKey { return h.key.Public().(ed25519.PublicKey) }

// Run signs until ctx ends.
func (h *Heads) Run(ctx context.Context) {
	var next time.Time
	for {
		if now := time.Now(); !now.Before(next) || h.news() {
			_ = h.Sign(ctx)
			next = now.Add(headEvery)
		}
		if sleep(ctx, headLook) != nil {
			return
		}
	}
}

// news tells whether a head must not wait.
func (h *Heads) news() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sick != "" { // once a minute is enough to try again
		return false
	}
	files, err := listKeyframes(h.j.keyframeDir, h.j.o.World)
	return err == nil && (len(files) > 0 && files[0].seq > h.named || h.oldest(files) > h.last.Oldest)
}

// Sign writes a head of the last frame recorded, unless the newest head is of it.
// What went wrong is said and counted; the error wraps [ErrHeads] when the record
// is not the one that the newest head covers.
func (h *Heads) Sign(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	err := h.sign(ctx)
	if ctx.Err() != nil {
		return err
	}
	text := ""
	if err != nil {
		text = err.Error()
		headFailures.Inc()
	}
	if text == h.sick {
		return err
	}
	h.sick = text
	switch {
	case err == nil:
		h.j.log.Info("heads are signed again", "world", h.j.o.World, "frame", h.last.Seq)
	case errors.Is(err, ErrHeads):
		h.j.log.Error("the record is not the one that was signed", "world", h.j.o.World, "error", err)
		if h.j.o.OnDamage != nil {
			h.j.o.OnDamage(text)
		}
	default:
		h.j.log.Error("no head was signed", "world", h.j.o.World, "error", err)
	}
	return err
}

func (h *Heads) sign(ctx context.Context) error {
	if err := h.open(); err != nil {
		return fmt.Errorf("sign a head: %w", err)
	}
	h.j.mu.Lock()
	m := h.j.mark.now
	h.j.mu.Unlock()
	at := position{seq: m.begin - 1, hash: m.anchor}
	acts := h.acts
	switch {
	case h.last.Epoch == m.epoch && h.last.Frame != "":
		sum, err := hex.DecodeString(h.last.Frame)
		if err != nil || len(sum) != len(at.hash) {
			return fmt.Errorf("sign a head: head %d is damaged", h.last.N)
		}
		if at = (position{seq: h.last.Seq, hash: hash(sum)}); at.seq > m.seq || at.seq == m.seq && at.hash != m.hash {
			return fmt.Errorf("sign a head: %w: head %d covers frame %d of epoch %s, the record ends with another frame %d", ErrHeads, h.last.N, at.seq, m.epoch, m.seq)
		}
	case h.last.Frame != "":
		if err := h.finish(ctx, m.epoch); err != nil {
			h.j.log.Warn("the epoch before has no last head", "world", h.j.o.World, "epoch", h.last.Epoch, "error", err)
		}
		acts = h.acts
	}
	if m.oldest > at.seq+1 { // trimmed while no head could be written, or before there were any
		at = position{seq: m.oldest - 1}
	}
	at, acts, err := h.walk(ctx, h.j.stream, m.epoch, at, m.seq, acts)
	if err != nil {
		return fmt.Errorf("sign a head: %w", err)
	}
	return h.write(m.epoch, at, acts)
}

// walk proves the frames after at up to end, and counts their acts.
func (h *Heads) walk(ctx context.Context, stream, epoch string, at position, end, acts uint64) (position, uint64, error) {
	for at.seq < end {
		from := at.seq
		for f, l := range h.j.chain(ctx, stream, h.j.o.World, epoch, at, end) {
			if l.err != nil {
				return at, acts, h.explain(ctx, stream, epoch, at, l.err)
			}
			at = l.position
			acts += uint64(len(f.Acts))
		}
		if at.seq == from {
			return at, acts, fmt.Errorf("frame %d cannot be read", at.seq+1)
		}
	}
	return at, acts, nil
}

// explain tells a record that was changed from one that cannot be read just now.
func (h *Heads) explain(ctx context.Context, stream, epoch string, at position, why error) error {
	got, err := h.j.b.get(ctx, stream, at.seq+1)
	switch {
	case err == nil:
		_, _, err = proveFrame(got, h.j.o.World, epoch, at)
	case errors.Is(err, errNoRecord) && h.j.oldest() <= at.seq+1:
		err = fmt.Errorf("frame %d is missing", at.seq+1)
	default:
		return why
	}
	if err == nil { // it is there now
		return why
	}
	return fmt.Errorf("%w: %w", ErrHeads, err)
}

// finish signs the last frame of the epoch that the newest head is of: nothing
// after it would say where that epoch ended.
func (h *Heads) finish(ctx context.Context, now string) error {
	s, err := h.j.streamState(ctx, streamName(h.j.o.World, h.last.Epoch))
	if err != nil {
		return err
	}
	sum, err := hex.DecodeString(h.last.Frame)
	if err != nil || len(sum) != sha256.Size {
		return fmt.Errorf("head %d is damaged", h.last.N)
	}
	// What was lost is why there is a new epoch: as far as it can be proven.
	at, acts, why := h.walk(ctx, streamName(h.j.o.World, h.last.Epoch), h.last.Epoch, position{h.last.Seq, hash(sum), 0}, s.LastSeq, h.acts)
	if at.seq == h.last.Seq {
		return why
	}
	return errors.Join(why, h.write(h.last.Epoch, at, acts))
}

// oldest is the first frame that is kept.
func (h *Heads) oldest(files []keyframeFile) uint64 {
	h.j.mu.Lock()
	m := h.j.mark.now
	h.j.mu.Unlock()
	if n := len(files); m.oldest <= m.begin && n > 0 { // epochs before this one may be kept
		return min(m.begin, files[n-1].seq+1)
	}
	return max(m.oldest, m.begin)
}

// write adds a line for a position, unless it says nothing new.
func (h *Heads) write(epoch string, at position, acts uint64) error {
	files, err := listKeyframes(h.j.keyframeDir, h.j.o.World)
	if err != nil {
		return fmt.Errorf("sign a head: %w", err)
	}
	next := Head{World: h.j.o.World, Epoch: epoch, Seq: at.seq, Frame: hex.EncodeToString(at.hash[:]),
		Time: time.Now().UTC().Truncate(time.Millisecond), Acts: acts, Oldest: h.oldest(files)}
	if h.last.Frame != "" {
		next.N, next.Prev = h.last.N+1, hex.EncodeToString(h.sum[:])
	}
	for _, k := range files { // newest first
		if k.seq <= h.named || k.seq > at.seq {
			continue
		}
		sum, err := keyframeSum(k.path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("sign a head: %w", err)
		}
		next.Keyframes = append(next.Keyframes, HeadKeyframe{k.seq, hex.EncodeToString(sum[:])})
		if h.last.Frame == "" {
			break // those of before are as they are; this one is signed, and all after it
		}
	}
	if next.Epoch == h.last.Epoch && next.Seq == h.last.Seq && next.Oldest == h.last.Oldest && len(next.Keyframes) == 0 {
		return nil
	}
	line, err := next.sign(h.key)
	if err != nil {
		return fmt.Errorf("sign a head: %w", err)
	}
	if err := h.add(line); err != nil {
		return fmt.Errorf("write head %d of frame %d: %w", next.N, next.Seq, err)
	}
	h.last, h.sum, h.acts = next, sha256.Sum256(line), acts
	if len(next.Keyframes) > 0 {
		h.named = next.Keyframes[0].Seq
	}
	headFrame.Set(float64(next.Seq))
	return nil
}

// keyframeSum returns the checksum that a keyframe file ends with.
func keyframeSum(path string) (sum hash, err error) {
	f, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return sum, err
	}
	_, err = f.ReadAt(sum[:], max(info.Size()-sha256.Size, 0))
	return sum, err
}

// open reads what the heads file says. A last line that was not finished is taken
// away by the next one that is written: it never was a head.
func (h *Heads) open() error {
	if h.opened {
		return nil
	}
	b, err := os.ReadFile(h.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	h.size = int64(bytes.LastIndexByte(b, '\n') + 1)
	lines := uint64(bytes.Count(b, []byte{'\n'}))
	// From the end: a year has half a million lines, and two are needed.
	for rest, n := b[:h.size], lines; n > 0 && (h.last.Frame == "" || h.named == 0); n-- {
		rest = rest[:len(rest)-1]
		line := rest[bytes.LastIndexByte(rest, '\n')+1:]
		rest = rest[:len(rest)-len(line)]
		if n == lines {
			h.sum = sha256.Sum256(line)
		}
		head, err := parseHead(line, []ed25519.PublicKey{h.Public()})
		if err != nil {
			// Verification says what is wrong with it; the next goes on behind it.
			h.j.log.Error("a head is damaged", "world", h.j.o.World, "line", n, "error", err)
			continue
		}
		if h.last.Frame == "" {
			h.last, h.acts = head, head.Acts
			h.last.N += lines - n
		}
		if len(head.Keyframes) > 0 {
			h.named = head.Keyframes[0].Seq
		}
	}
	h.opened = true
	return nil
}

// add appends a line and waits until it is on the disk. Of a line that does not
// fit nothing stays.
func (h *Heads) add(line []byte) error {
	f, err := os.OpenFile(h.path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() < h.size {
		h.j.log.Error("the heads file was cut by somebody else", "world", h.j.o.World, "bytes", info.Size(), "before", h.size)
		h.size = info.Size()
	}
	if info.Size() > h.size { // a line that was not finished
		if err := f.Truncate(h.size); err != nil {
			return err
		}
	}
	line = append(line[:len(line):len(line)], '\n')
	_, err = h.writeAt(f, line, h.size)
	if err == nil {
		err = unix.Fdatasync(int(f.Fd()))
	}
	if err != nil {
		return errors.Join(err, f.Truncate(h.size))
	}
	if h.size == 0 {
		err = syncDir(filepath.Dir(h.path))
	}
	h.size += int64(len(line))
	return err
}
