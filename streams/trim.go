package streams

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"rasad/geo"
)

// trimEvery is how often the trimmer looks; also how soon the store's alarm is
// raised.
const trimEvery = 15 * time.Second

// storeAlarm is the part of what the store may take at which the alarm is raised.
const storeAlarm = 0.8

// refreshStore asks how many bytes the world's streams take.
func (j *Journal) refreshStore(ctx context.Context) error {
	streams, err := j.worldStreams(ctx)
	if err != nil {
		return err
	}
	var used int64
	for _, s := range streams {
		used += int64(s.State.Bytes)
	}
	j.store.Store(used)
	journalStored.Set(float64(used))
	return nil
}

// checkStore raises the alarm, and takes it back, at 80 % of what the store may
// take: its cap, or the disk.
func (j *Journal) checkStore() error {
	used := j.store.Load()
	size, free, err := diskSpace(j.o.Dir)
	if err != nil {
		return err
	}
	limit := used + max(free-j.reserve(size), 0)
	if j.o.Store > 0 {
		limit = min(limit, j.o.Store)
	}
	over := float64(used) > storeAlarm*float64(limit)
	if over == j.alarmed {
		return nil
	}
	j.alarmed = over
	if over {
		j.log.Error("the journal's store is nearly full", "world", j.o.World, "used", used, "limit", limit)
	}
	if j.o.OnStore != nil {
		j.o.OnStore(used, limit)
	}
	return nil
}

// trim removes frames that need not be kept. Only what lies at or below a
// keyframe that was read and verified just now goes, and what the archive holds;
// the mark learns it first, so that frames missing for any other reason are
// known to be missing.
func (j *Journal) trim(ctx context.Context) error {
	if err := j.refreshStore(ctx); err != nil {
		return err
	}
	if err := j.checkStore(); err != nil {
		return err
	}
	if j.o.RetainFor <= 0 && j.o.RetainBytes <= 0 {
		return nil
	}
	j.snapMu.Lock() // keyframes stay what they are meanwhile
	defer j.snapMu.Unlock()
	files, err := listKeyframes(j.keyframeDir, j.o.World)
	if err != nil {
		return err
	}
	streams, err := j.worldStreams(ctx)
	if err != nil {
		return err
	}
	cut, ok := j.cutAt(files, streams)
	if !ok {
		return nil
	}
	if _, _, err := readKeyframe(cut, j.o.World); err != nil {
		return fmt.Errorf("trim below frame %d: %w", cut.seq, err)
	}
	for _, s := range streams {
		if err := j.trimStream(ctx, s, cut); err != nil {
			return fmt.Errorf("trim below frame %d: %w", cut.seq, err)
		}
	}
	for _, k := range files {
		if k.seq < cut.seq {
			if err := os.Remove(k.path); err != nil {
				return err
			}
		}
	}
	return j.refreshStore(ctx)
}

// cutAt chooses the keyframe up to which frames may go. Never one of the two
// newest: when the newest is damaged, the one before it needs its frames.
func (j *Journal) cutAt(files []keyframeFile, streams []*jetstream.StreamInfo) (cut keyframeFile, ok bool) {
	if len(files) < 3 {
		return cut, false
	}
	files = files[2:]
	// The age is counted by the world's own time: a clock that jumps must not
	// purge a year.
	young := j.last.Load().time - geo.Millis(j.o.RetainFor.Milliseconds())
	full := j.fullUpTo(streams)
	archived := ^uint64(0)
	if j.o.Archived != nil {
		archived = j.o.Archived()
	}
	for _, k := range files { // newest first
		if k.seq > archived {
			continue
		}
		// For room: the oldest that makes enough of it, or the newest there is.
		// For age: the newest that is old enough. The newer of both.
		if full > 0 && (!ok || k.seq >= full) {
			cut, ok = k, true
		}
		if j.o.RetainFor > 0 && k.time <= young {
			if !ok {
				cut, ok = k, true
			}
			break
		}
	}
	return cut, ok
}

// fullUpTo returns the sequence up to which frames must go for the streams to
// fit RetainBytes; 0 when they fit.
func (j *Journal) fullUpTo(streams []*jetstream.StreamInfo) uint64 {
	over := j.store.Load() - j.o.RetainBytes
	if j.o.RetainBytes <= 0 || over <= 0 {
		return 0
	}
	var upTo uint64
	for _, s := range streams {
		st := s.State
		if st.Msgs == 0 {
			continue
		}
		if int64(st.Bytes) >= over {
			return st.FirstSeq + uint64(float64(st.Msgs)*float64(over)/float64(st.Bytes))
		}
		over -= int64(st.Bytes)
		upTo = st.LastSeq
	}
	return upTo
}

func (j *Journal) trimStream(ctx context.Context, s *jetstream.StreamInfo, cut keyframeFile) error {
	if s.State.FirstSeq > cut.seq {
		return nil
	}
	_, js, err := j.b.conn()
	if err != nil {
		return err
	}
	if s.Config.Name != j.stream && s.State.LastSeq <= cut.seq {
		return js.DeleteStream(ctx, s.Config.Name)
	}
	if s.Config.Name == j.stream {
		if err := j.moveOldest(cut.seq + 1); err != nil {
			return err
		}
	}
	stream, err := js.Stream(ctx, s.Config.Name)
	if err != nil {
		return err
	}
	if err := stream.Purge(ctx, jetstream.WithPurgeSequence(cut.seq+1)); err != nil {
		return err
	}
	j.log.Info("journal trimmed", "world", j.o.World, "stream", s.Config.Name, "from", s.State.FirstSeq, "to", cut.seq)
	return nil
}

// moveOldest tells both slots of the mark which frame is the first one kept.
func (j *Journal) moveOldest(seq uint64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.dead != nil {
		return j.dead
	}
	w := j.mark.now
	w.oldest = max(w.oldest, seq)
	return j.mark.setBoth(w)
}
