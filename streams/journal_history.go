package streams

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"rasad/geo"
)

// ErrNoHistory is a question about a past of which nothing is kept.
var ErrNoHistory = errors.New("nothing of that time is kept")

// link is one step along the chain of frames: where it arrived, or why it
// cannot go on.
type link struct {
	position
	err error
}

// chain reads the frames after a position up to the sequence end and proves
// each one: by its own message id, and by the hash of the frame before. A zero
// hash in after proves the first by its id alone. It ends with the first error.
func (j *Journal) chain(ctx context.Context, stream, world, epoch string, after position, end uint64) iter.Seq2[*Frame, link] {
	return func(yield func(*Frame, link) bool) {
		at := after
		for tries := 0; at.seq < end; {
			batch, err := j.b.read(ctx, stream, at.seq+1, int(min(end-at.seq, readBatch)))
			if len(batch) == 0 {
				if tries++; err == nil && j.o.Replicas > 1 && tries < 20 {
					time.Sleep(100 * time.Millisecond) // a replica that is behind
					continue
				}
				yield(nil, link{at, cmp.Or(err, fmt.Errorf("frame %d cannot be read", at.seq+1))})
				return
			}
			tries = 0
			for _, m := range batch {
				f, next, err := proveFrame(m, world, epoch, at)
				if !yield(f, link{next, err}) || err != nil {
					return
				}
				at = next
			}
		}
	}
}

// proveFrame decodes a stored frame and checks that it is the one that was
// written after at. Errors name the frame; ErrNewerFormat is returned only for
// bytes that are proven.
func proveFrame(m stored, world, epoch string, at position) (*Frame, position, error) {
	if m.seq != at.seq+1 {
		return nil, at, fmt.Errorf("%s missing or unreadable", spell(at.seq+1, m.seq-1))
	}
	sum := sha256.Sum256(m.data)
	if messageID(sum) != m.id {
		return nil, at, fmt.Errorf("frame %d was altered", m.seq)
	}
	f, err := ParseFrame(m.data)
	switch {
	case err != nil:
		return nil, at, fmt.Errorf("frame %d: %w", m.seq, err)
	case f.World != world || f.Epoch != epoch || f.Seq != m.seq || f.Base != at.seq:
		return nil, at, fmt.Errorf("frame %d is %s/%s:%d (base %d)", m.seq, f.World, f.Epoch, f.Seq, f.Base)
	case at.hash != hash{} && f.Prev != at.hash:
		return nil, at, fmt.Errorf("frame %d does not follow the frame before it", m.seq)
	}
	return f, position{f.Seq, sum, f.Time}, nil
}

func spell(from, to uint64) string {
	if from == to {
		return fmt.Sprintf("frame %d is", from)
	}
	return fmt.Sprintf("frames %d to %d are", from, to)
}

// KeyframeAt returns the newest whole keyframe at or before t, or the oldest
// one that is kept when history begins later. Its Time tells which. The error is
// [ErrNoHistory] when no keyframe can be read.
func (j *Journal) KeyframeAt(ctx context.Context, t geo.Millis) (*Frame, error) {
	files, err := listKeyframes(j.keyframeDir, j.o.World)
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
		f, _, err := readKeyframe(k, j.o.World)
		if err == nil {
			return f, nil
		}
		j.log.Warn("a keyframe cannot be used for replay", "frame", k.seq, "error", err)
	}
	return nil, fmt.Errorf("replay from %s: %w", time.UnixMilli(int64(t)).UTC().Format(time.RFC3339), ErrNoHistory)
}

// Frames yields the recorded frames after sequence seq, in order, each proven
// by the chain, up to the last one recorded. Where an epoch ends it yields the
// first keyframe of the next one. It ends with the first error, which names the
// frame that is missing or altered; a later keyframe goes on after it.
func (j *Journal) Frames(ctx context.Context, after uint64) iter.Seq2[*Frame, error] {
	return func(yield func(*Frame, error) bool) {
		streams, err := j.worldStreams(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		i := len(streams) - 1
		for ; i > 0; i-- {
			if j.streamMark(streams[i]).begin <= after+1 {
				break
			}
		}
		at := position{seq: after}
		for first := true; i >= 0 && i < len(streams); i++ {
			s, w := streams[i], j.streamMark(streams[i])
			if !first || after+1 < w.begin {
				f, err := j.firstKeyframe(w)
				if !yield(f, err) || err != nil {
					return
				}
				at = position{seq: f.Seq}
			}
			if at.seq+1 == w.begin {
				at.hash = w.anchor
			} else if got, err := j.b.get(ctx, s.Config.Name, at.seq); err == nil {
				at.hash = sha256.Sum256(got.data)
			}
			first = false
			for {
				end := s.State.LastSeq
				if w.epoch == j.epoch {
					end = j.Last()
				}
				if at.seq >= end {
					break
				}
				for f, l := range j.chain(ctx, s.Config.Name, j.o.World, w.epoch, at, end) {
					if l.err != nil {
						yield(nil, fmt.Errorf("replay epoch %s: %w", w.epoch, l.err))
						return
					}
					if !yield(f, nil) {
						return
					}
					at = l.position
				}
			}
		}
	}
}

// firstKeyframe reads the keyframe that an epoch began with.
func (j *Journal) firstKeyframe(w highWater) (*Frame, error) {
	files, err := listKeyframes(j.keyframeDir, j.o.World)
	if err != nil {
		return nil, err
	}
	for _, k := range files {
		if k.epoch == w.epoch && k.seq+1 == w.begin {
			f, _, err := readKeyframe(k, j.o.World)
			return f, err
		}
	}
	return nil, fmt.Errorf("replay epoch %s: its first keyframe is missing: %w", w.epoch, ErrNoHistory)
}

// Span returns the times between which the past can be played: of the oldest
// keyframe and of the last frame recorded.
func (j *Journal) Span() (first, last geo.Millis) {
	last = j.last.Load().time
	files, err := listKeyframes(j.keyframeDir, j.o.World)
	if err != nil || len(files) == 0 {
		return last, last
	}
	return files[len(files)-1].time, last
}

// sortStreams puts streams into the order of their epochs.
func sortStreams(s []*jetstream.StreamInfo) {
	slices.SortFunc(s, func(a, b *jetstream.StreamInfo) int {
		return cmp.Compare(a.Config.FirstSeq, b.Config.FirstSeq)
	})
}
