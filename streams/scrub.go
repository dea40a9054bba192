package streams

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// scrubAgain is the pause between two checks of the whole journal: disks rot
// slowly, and a day's journal is read in minutes.
const scrubAgain = 24 * time.Hour

// scrub checks the journal in the background, again and again.
func (j *Journal) scrub(ctx context.Context) {
	for {
		start := time.Now()
		found, err := j.check(ctx, j.o.ScrubRate, func(what string) {
			j.log.Error("the journal is damaged", "world", j.o.World, "what", what)
			if j.o.OnDamage != nil {
				j.o.OnDamage(what)
			}
		})
		pause := scrubAgain
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			j.log.Warn("the journal was not checked to its end", "error", err)
			pause = time.Minute
		default:
			journalDamagedCheck.Set(float64(found))
			j.log.Info("journal checked", "world", j.o.World, "through", j.Last(), "damaged", found, "took", time.Since(start))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// Check reads every frame and keyframe that is kept, as the background check
// does but without its pauses, and returns what is missing or altered, each in a
// sentence that names the frames. Nil means that all is proven.
func (j *Journal) Check(ctx context.Context) ([]string, error) {
	var out []string
	_, err := j.check(ctx, 0, func(what string) { out = append(out, what) })
	return out, err
}

// check reads everything at rate bytes a second (0: at full speed) and reports
// each stretch of damage. It returns how many frames are damaged.
func (j *Journal) check(ctx context.Context, rate int64, report func(string)) (uint64, error) {
	streams, err := j.worldStreams(ctx)
	if err != nil {
		return 0, err
	}
	var found uint64
	for _, s := range streams {
		n, err := j.checkStream(ctx, s, rate, report)
		if err != nil {
			return found, err
		}
		found += n
	}
	return found, j.checkKeyframes(ctx, rate, report)
}

func (j *Journal) checkStream(ctx context.Context, s *jetstream.StreamInfo, rate int64, report func(string)) (found uint64, err error) {
	w := j.streamMark(s)
	end, mine := s.State.LastSeq, w.epoch == j.epoch
	if mine {
		end = j.Last()
	}
	at := position{seq: max(s.State.FirstSeq, 1) - 1}
	if at.seq+1 == w.begin {
		at.hash = w.anchor
	}
	var bad stretch
	flush := func() {
		if bad.n > 0 {
			found += bad.n
			report(fmt.Sprintf("%s damaged in epoch %s: %v", spell(bad.from, bad.from+bad.n-1), w.epoch, bad.why))
			bad = stretch{}
		}
	}
	defer flush()
	for tries := 0; at.seq < end; {
		batch, err := j.b.read(ctx, s.Config.Name, at.seq+1, int(min(end-at.seq, readBatch)))
		if err != nil && len(batch) == 0 {
			if tries++; tries > 10 || ctx.Err() != nil {
				return found, err
			}
			if err := sleep(ctx, time.Second); err != nil { // NATS is being started again
				return found, err
			}
			continue
		}
		tries = 0
		if mine {
			if oldest := j.oldest(); at.seq+1 < oldest { // trimmed under our eyes
				flush()
				at = position{seq: oldest - 1}
				continue
			}
		}
		if len(batch) == 0 {
			bad.add(at.seq+1, errors.New("it cannot be read"))
			at = position{seq: at.seq + 1}
			continue
		}
		var n int64
		for _, m := range batch {
			n += int64(len(m.data)) + messageOverhead
			for at.seq+1 < m.seq {
				bad.add(at.seq+1, errors.New("it is missing"))
				at = position{seq: at.seq + 1}
			}
			_, next, err := proveFrame(m, j.o.World, w.epoch, at)
			if err != nil {
				bad.add(m.seq, err)
				next = position{seq: m.seq, hash: sha256.Sum256(m.data)}
				if messageID(next.hash) != m.id {
					next.hash = hash{} // the altered one says nothing of the next
				}
			} else {
				flush()
			}
			at = next
		}
		journalScrubbed.Set(float64(at.seq))
		if rate > 0 {
			if err := sleep(ctx, time.Duration(float64(n)/float64(rate)*float64(time.Second))); err != nil {
				return found, err
			}
		}
	}
	flush()
	if last := j.last.Load(); mine && at.seq == last.seq && at.hash != (hash{}) && at.hash != last.hash {
		found++
		report(fmt.Sprintf("frame %d of epoch %s is not the one that was acknowledged", at.seq, w.epoch))
	}
	return found, nil
}

// stretch is a run of damaged frames; the first says why.
type stretch struct {
	from, n uint64
	why     error
}

func (s *stretch) add(seq uint64, why error) {
	if s.n == 0 {
		s.from, s.why = seq, why
	}
	s.n = seq - s.from + 1
}

func (j *Journal) oldest() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.mark.now.oldest
}

// checkKeyframes sets aside keyframe files that are damaged: replay and the
// next start then use the one before.
func (j *Journal) checkKeyframes(ctx context.Context, rate int64, report func(string)) error {
	files, err := listKeyframes(j.keyframeDir, j.o.World)
	if err != nil {
		return err
	}
	for _, k := range files {
		_, _, err := readKeyframe(k, j.o.World)
		if errors.Is(err, os.ErrNotExist) {
			continue // trimmed meanwhile
		}
		if err != nil {
			report(fmt.Sprintf("the keyframe of frame %d is set aside: %v", k.seq, err))
			if err := os.Rename(k.path, k.path+".damaged"); err != nil {
				return err
			}
		}
		if rate > 0 {
			if err := sleep(ctx, time.Duration(float64(k.size)/float64(rate)*float64(time.Second))); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// sleep waits, or returns the error of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
