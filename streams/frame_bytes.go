package streams

import (
	"sync"
	"time"

	"rasad/geo"
)

// frameBytes is what the readers of one frame share: each of its encodings,
// made once, by the first who asks.
type frameBytes struct {
	keyOf  func(geo.ID) (string, bool)
	body   func() []byte                   // of a keyframe: drops, puts and moves as bytes, when others share them
	made   func(took time.Duration, n int) // told of each encoding; may be nil
	pbOnce sync.Once
	pb     []byte
	jsOnce sync.Once
	js     []byte
}

// Wire returns the bytes of the frame for a binary stream: without what only the
// journal needs (acts, pen, chain) and, when there is no status, without the
// header that the reader knows already. Frames of a [Hub] or a [Player] are
// encoded once; the bytes are shared and must not be changed.
func (f *Frame) Wire() []byte {
	s := f.shared
	if s == nil {
		return f.appendWire(nil)
	}
	s.pbOnce.Do(func() {
		start := time.Now()
		s.pb = f.appendWire(nil)
		if s.made != nil {
			s.made(time.Since(start), len(s.pb))
		}
	})
	return s.pb
}

// JSON returns the frame as text for a stream, as FORMAT.md has it. keyOf names
// the features that it moves and drops; what it does not know is left out. For
// frames of a [Hub] or a [Player] it may be nil, and the text is made once and
// shared.
func (f *Frame) JSON(keyOf func(geo.ID) (string, bool)) []byte {
	s := f.shared
	if s == nil {
		if keyOf == nil {
			keyOf = func(geo.ID) (string, bool) { return "", false }
		}
		return f.appendJSON(nil, keyOf)
	}
	s.jsOnce.Do(func() {
		start := time.Now()
		s.js = f.appendJSON(nil, s.keyOf)
		if s.made != nil {
			s.made(time.Since(start), len(s.js))
		}
	})
	return s.js
}

func (f *Frame) appendWire(b []byte) []byte {
	if f.Status != nil {
		b = f.appendHeader(b)
	}
	b = pbUint(b, frameBase, f.Base)
	b = pbUint(b, frameSeq, f.Seq)
	b = pbUint(b, frameLive, f.Live)
	b = pbSint(b, frameTime, int64(f.Time))
	b = pbState(b, f.State)
	if f.shared != nil && f.shared.body != nil {
		b = append(b, f.shared.body()...)
	} else {
		b = pbDelta(b, f.Delta)
	}
	if f.Status != nil {
		b = f.Status.append(b)
	}
	return b
}
