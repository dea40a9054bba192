// Package streams puts changes in order and hands them to everyone: one frame
// per tick, recorded before anyone sees it.
//
// Its law is the order: decide, record, apply. Rules run on a draft and may
// refuse; then the frame is journaled and synced; then it is applied, which
// cannot fail. Replay only applies. Only the [Sequencer] writes.
package streams

import (
	"fmt"

	"rasad/geo"
)

// FormatVersion is the major version of the frame format. A newer one in a
// journal stops the server from starting.
const FormatVersion = 1

// Frame carries a world that stood at Base to Seq. The journal, the wire, the
// player and keyframe files hold this one type. A frame of Base zero starts from
// nothing: it is a keyframe.
type Frame struct {
	V     uint32
	World string
	Epoch string // identity of the history
	Term  uint64 // of the pen that wrote it
	Base  uint64
	Seq   uint64
	Live  uint64 // overlay: positions shown since Seq but not recorded
	Time  geo.Millis
	Prev  [32]byte // SHA-256 of the frame before, as journaled; zero on streams
	State uint64   // state hash after the frame, of the audience on a stream; 0 on an overlay
	geo.Delta
	Acts []geo.Act // history; stripped by hubs

	NextID  geo.ID     // keyframes: the first number that was never given
	Changed []uint64   // keyframe files: for each Put, the seq of its last change
	Tombs   []geo.Tomb // keyframe files: what was dropped, and when

	Status *Status // streams only

	// Extra holds fields of a newer format, as they came; they are written again.
	Extra string

	shared *frameBytes // of frames that many readers get; nil for others
}

// Status is the first line of fields of the stream: what a screen must know to
// say LIVE honestly. It stands on keyframes, heartbeats, and whenever one changes.
type Status struct {
	Mode      string // ModeLive or ModeReplay
	Exercise  bool
	Recording bool
	Build     string
	Tick      geo.Millis // the writer's last completed tick
	Audience  string
	Clock     geo.Millis // the server's clock when this was sent
	Echo      uint32     // the screen's clock request, echoed; 0 none
	Speed     float64    // replay only
	Simulated bool       // the world holds simulated units
}

// Values of [Status.Mode].
const (
	ModeLive   = "live"
	ModeReplay = "replay"
)

// Keyframe tells whether the frame starts from nothing.
func (f *Frame) Keyframe() bool { return f.Base == 0 }

// Heartbeat tells whether the frame changes nothing and only says what time it is.
func (f *Frame) Heartbeat() bool { return f.Base == f.Seq && f.Live == 0 && f.Delta.Empty() }

// Overlay tells whether the frame shows positions that are not recorded.
func (f *Frame) Overlay() bool { return f.Live > 0 }

// Merge returns one frame that does what f and then next do. It panics when the
// two do not meet, because a hole in the journal must never be papered over, and
// when an overlay follows something recorded, because what it shows must not
// pass for recorded.
func (f *Frame) Merge(next *Frame) *Frame {
	differ := func(a, b string) bool { return a != b && b != "" } // streams leave them out
	if next.Base > f.Seq || differ(f.World, next.World) || differ(f.Epoch, next.Epoch) {
		panic(fmt.Sprintf("streams: frame %s/%s:%d (base %d) does not follow %s/%s:%d",
			next.World, next.Epoch, next.Seq, next.Base, f.World, f.Epoch, f.Seq))
	}
	if next.Keyframe() {
		return next
	}
	if next.Seq < f.Seq || next.Seq == f.Seq && !next.Overlay() && !next.Heartbeat() {
		return f // sent again
	}
	if f.Overlay() && next.Seq > f.Seq { // what is recorded takes an overlay back before it applies
		out := *next
		if out.shared = nil; out.Status == nil {
			out.Status = f.Status
		}
		return &out
	}
	if next.Overlay() && !f.Overlay() && !f.Heartbeat() {
		panic(fmt.Sprintf("streams: overlay %d of %d merged into the recorded frame %d", next.Live, next.Seq, f.Seq))
	}
	out := *f
	out.Term, out.Seq, out.State = next.Term, next.Seq, next.State
	if !next.Heartbeat() {
		out.Live, out.Time = next.Live, next.Time
	}
	if out.Overlay() {
		out.State = 0
	}
	out.Delta = f.Delta.Merge(next.Delta)
	out.Acts = append(f.Acts[:len(f.Acts):len(f.Acts)], next.Acts...)
	out.Changed, out.Tombs, out.shared = nil, nil, nil
	out.Extra += next.Extra
	if next.Status != nil {
		out.Status = next.Status
	}
	return &out
}
