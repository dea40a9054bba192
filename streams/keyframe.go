package streams

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"rasad/geo"
)

// A keyframe file holds one encoded frame of base 0, cut where a decoder may
// cut it: protobuf says that messages written one after the other are their
// merge, so the parts are decoded side by side and any other reader takes the
// whole as one frame. FORMAT.md has the layout.
const (
	keyframeMagic  = "RASADKF1"
	keyframeSuffix = ".keyframe"
	keyframePart   = 20_000 // features: a few MB, enough work for one goroutine
)

// errKeyframe is a keyframe file that is not what was written.
var errKeyframe = errors.New("the keyframe file is damaged")

// keyframeFile is a keyframe on the disk, as far as its name tells.
type keyframeFile struct {
	path  string
	epoch string
	seq   uint64
	time  geo.Millis
	size  int64
}

func keyframePath(dir, world, epoch string, seq uint64, at geo.Millis) string {
	return filepath.Join(dir, fmt.Sprintf("%s.%s.%020d.%d%s", world, epoch, seq, at, keyframeSuffix))
}

// listKeyframes returns the keyframe files of a world, newest first. Files of
// other names are left alone.
func listKeyframes(dir, world string) ([]keyframeFile, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list the keyframes: %w", err)
	}
	var out []keyframeFile
	for _, e := range entries {
		k, ok := parseKeyframeName(e.Name(), world)
		info, err := e.Info()
		if !ok || err != nil {
			continue
		}
		k.path, k.size = filepath.Join(dir, e.Name()), info.Size()
		out = append(out, k)
	}
	sortKeyframes(out)
	return out, nil
}

// parseKeyframeName is the inverse of keyframePath, without the folder.
func parseKeyframeName(name, world string) (k keyframeFile, ok bool) {
	name, ok = strings.CutSuffix(name, keyframeSuffix)
	part := strings.Split(name, ".")
	if !ok || len(part) != 4 || part[0] != world || part[1] == "" {
		return k, false
	}
	seq, err1 := strconv.ParseUint(part[2], 10, 64)
	at, err2 := strconv.ParseInt(part[3], 10, 64)
	k.epoch, k.seq, k.time = part[1], seq, geo.Millis(at)
	return k, err1 == nil && err2 == nil
}

// sortKeyframes puts the newest first.
func sortKeyframes(files []keyframeFile) {
	slices.SortFunc(files, func(a, b keyframeFile) int { return cmp.Compare(b.seq, a.seq) })
}

// encodeKeyframe makes the bytes of a keyframe file of f and returns them with
// their checksum.
func encodeKeyframe(f *Frame) ([]byte, hash) {
	b := []byte(keyframeMagic)
	var ends []uint64
	part := *f
	for first := true; first || len(part.Put) > 0; first = false {
		rest, changed := part.Put, part.Changed
		n := min(len(rest), keyframePart)
		part.Put, part.Changed = rest[:n], changed[:min(n, len(changed))]
		b = part.AppendEncode(b)
		ends = append(ends, uint64(len(b)))
		part.Put, part.Changed = rest[n:], changed[min(n, len(changed)):]
		part.Acts, part.Tombs = nil, nil // said once
	}
	for _, end := range ends {
		b = binary.LittleEndian.AppendUint64(b, end)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(ends)))
	sum := sha256.Sum256(b)
	return append(b, sum[:]...), sum
}

// decodeKeyframe is the inverse of encodeKeyframe, and returns the checksum
// too. Errors wrap errKeyframe, or ErrNewerFormat when the bytes are whole and of
// a newer version.
func decodeKeyframe(b []byte) (*Frame, hash, error) {
	body := len(b) - sha256.Size
	if body < len(keyframeMagic)+4+8 || string(b[:8]) != keyframeMagic {
		return nil, hash{}, fmt.Errorf("%w: it is cut short", errKeyframe)
	}
	sum := hash(b[body:])
	// The checksum is computed beside decoding: at a start both cores wait.
	same := make(chan bool, 1)
	go func() { same <- sha256.Sum256(b[:body]) == sum }()
	f, err := decodeParts(b[len(keyframeMagic):body])
	if !<-same {
		return nil, sum, fmt.Errorf("%w: its checksum differs", errKeyframe)
	}
	return f, sum, err
}

// decodeParts decodes what lies between the magic and the checksum. It trusts
// nothing: the checksum may yet turn out wrong.
func decodeParts(b []byte) (*Frame, error) {
	n := int64(binary.LittleEndian.Uint32(b[len(b)-4:]))
	table := int64(len(b)) - 4 - 8*n
	if n == 0 || table < 0 {
		return nil, fmt.Errorf("%w: it has no parts", errKeyframe)
	}
	parts := make([]*Frame, n)
	g := errgroup.Group{}
	g.SetLimit(runtime.GOMAXPROCS(0))
	at := uint64(0)
	for i := range parts {
		from, to := at, binary.LittleEndian.Uint64(b[table+8*int64(i):])-uint64(len(keyframeMagic))
		if to < from || to > uint64(table) {
			_ = g.Wait()
			return nil, fmt.Errorf("%w: its parts do not meet", errKeyframe)
		}
		at = to
		g.Go(func() (err error) {
			parts[i], err = ParseFrame(b[from:to])
			return err
		})
	}
	if err := g.Wait(); errors.Is(err, ErrNewerFormat) {
		return nil, err
	} else if err != nil {
		return nil, fmt.Errorf("%w: %w", errKeyframe, err)
	}
	f := parts[0]
	total := 0
	for _, p := range parts {
		total += len(p.Put)
	}
	f.Put, f.Changed = slices.Grow(f.Put, total-len(f.Put)), slices.Grow(f.Changed, total-len(f.Put))
	for _, p := range parts[1:] {
		f.Put, f.Changed = append(f.Put, p.Put...), append(f.Changed, p.Changed...)
	}
	if !f.Keyframe() || len(f.Changed) != len(f.Put) {
		return nil, fmt.Errorf("%w: it does not hold a keyframe", errKeyframe)
	}
	return f, nil
}

// readKeyframe reads and verifies a keyframe file. A file whose content is not
// what its name says is as damaged as one with a wrong checksum.
func readKeyframe(k keyframeFile, world string) (*Frame, hash, error) {
	b, err := os.ReadFile(k.path)
	if err != nil {
		return nil, hash{}, fmt.Errorf("%w: %w", errKeyframe, err)
	}
	return namedKeyframe(b, k, world)
}

// namedKeyframe decodes a keyframe file and checks that it is what its name says.
func namedKeyframe(b []byte, k keyframeFile, world string) (*Frame, hash, error) {
	f, sum, err := decodeKeyframe(b)
	if err != nil {
		return nil, sum, err
	}
	if f.World != world || f.Epoch != k.epoch || f.Seq != k.seq || f.Time != k.time {
		return nil, sum, fmt.Errorf("%w: it is of %s/%s:%d", errKeyframe, f.World, f.Epoch, f.Seq)
	}
	return f, sum, nil
}

// writeKeyframe puts a keyframe file into dir: under another name first, synced,
// renamed, and read back, so that a file of the right name is always whole.
func writeKeyframe(dir string, f *Frame) (keyframeFile, hash, error) {
	k := keyframeFile{keyframePath(dir, f.World, f.Epoch, f.Seq, f.Time), f.Epoch, f.Seq, f.Time, 0}
	b, sum := encodeKeyframe(f)
	k.size = int64(len(b))
	fail := func(err error) (keyframeFile, hash, error) {
		_ = os.Remove(k.path + ".tmp")
		return keyframeFile{}, hash{}, fmt.Errorf("write the keyframe of frame %d: %w", f.Seq, err)
	}
	if err := writeSynced(k.path+".tmp", b); err != nil {
		return fail(err)
	}
	back, err := os.ReadFile(k.path + ".tmp")
	if err != nil {
		return fail(err)
	}
	if sha256.Sum256(back[:max(len(back)-sha256.Size, 0)]) != sum {
		return fail(errKeyframe)
	}
	if err := os.Rename(k.path+".tmp", k.path); err != nil {
		return fail(err)
	}
	if err := syncDir(dir); err != nil {
		return fail(err)
	}
	return k, sum, nil
}

// keyframeOf makes the frame of a keyframe file from a view.
func keyframeOf(v *geo.View, acts []geo.Act) *Frame {
	f := &Frame{Seq: v.Seq(), Time: v.Time(), State: v.Hash(), Delta: v.Keyframe(), NextID: v.NextID(), Tombs: v.Tombs()}
	f.Changed = make([]uint64, len(f.Put))
	for i, p := range f.Put {
		f.Changed[i] = v.Changed(p.ID)
	}
	f.Acts = recentAnswers(acts, v.Time())
	return f
}

// answersFor is how long a caller's idempotency key is remembered.
const answersFor = 24 * time.Hour

// recentAnswers returns those acts that a retry may still ask for.
func recentAnswers(acts []geo.Act, now geo.Millis) []geo.Act {
	var out []geo.Act
	for _, a := range acts {
		if a.Key != "" && a.At > now-geo.Millis(answersFor.Milliseconds()) {
			out = append(out, a)
		}
	}
	return out
}

// loadKeyframe makes the world that a keyframe describes, and proves it by the
// state hash.
func loadKeyframe(f *Frame) (*geo.World, error) {
	w := geo.NewWorld()
	w.Load(geo.Moment{Seq: f.Seq, Time: f.Time}, f.Delta, f.NextID, f.Changed, f.Tombs)
	if got := w.View().Hash(); got != f.State {
		return nil, fmt.Errorf("%w: its features have the state %016x, not %016x", errKeyframe, got, f.State)
	}
	return w, nil
}

// spareKeyframes returns which of the files, newest first, may go: beyond the
// two newest, those of the last two hours are kept, then the newest of each
// hour; over the quota the closest in time go first. The oldest file and the
// first of each epoch always stay, because replay begins, and goes on, there.
func spareKeyframes(files []keyframeFile, now geo.Millis, quota int64) []keyframeFile {
	const hour = geo.Millis(time.Hour / time.Millisecond)
	var keep, spare []keyframeFile
	var total int64
	lastHour := geo.Millis(-1)
	for i, k := range files {
		begins := i == len(files)-1 || files[i+1].epoch != k.epoch
		if i >= 2 && !begins && k.time < now-2*hour && k.time/hour == lastHour {
			spare = append(spare, k)
			continue
		}
		lastHour = k.time / hour
		keep = append(keep, k)
		total += k.size
	}
	for total > quota && len(keep) > 3 {
		// The one whose neighbours lie closest together is missed least.
		best, gap := 2, geo.Millis(1<<62)
		for i := 2; i < len(keep)-1; i++ {
			if g := keep[i-1].time - keep[i+1].time; g < gap && keep[i+1].epoch == keep[i].epoch {
				best, gap = i, g
			}
		}
		if gap == 1<<62 {
			break // each begins an epoch
		}
		total -= keep[best].size
		spare = append(spare, keep[best])
		keep = slices.Delete(keep, best, best+1)
	}
	return spare
}
