package publish

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rasad/geo"
	"rasad/streams"
)

const (
	// chunkSize is how many numbers of the sequence a chunk spans. A surge is
	// thousands of readers and few changes, so a chunk is soon whole.
	chunkSize = 16
	// chunksMax is how many chunks back one can ask; who was away for longer takes the
	// snapshot.
	chunksMax = 64
)

// EpochOf is the epoch of the public world of a record. It is new when the record's is.
func EpochOf(record string) string {
	sum := sha256.Sum256([]byte("rasad public world\n" + record))
	return "p" + hex.EncodeToString(sum[:8])
}

// Page is an answer as it goes out, made once.
type Page struct {
	Body []byte // JSON
	Tag  string // names the bytes; without quotes
	// Whole: it is a chunk that is complete. Nothing will be added to it any more; what
	// changes again, or is withdrawn, leaves it.
	Whole bool

	zip atomic.Pointer[[]byte]
}

// Gzip returns the body gzipped, nil while it is not.
func (p *Page) Gzip() []byte {
	if z := p.zip.Load(); z != nil {
		return *z
	}
	return nil
}

func (p *Page) compress() {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(p.Body) // into memory
	_ = w.Close()
	z := b.Bytes()
	p.zip.Store(&z)
}

// WorldOptions say how a [World] is shown.
type WorldOptions struct {
	Name                string // of the world; empty: live
	Record              string // epoch of the record
	Exercise, Simulated bool
	Log                 *slog.Logger
	Metrics             prometheus.Registerer // may be nil
}

// World is the public world. One goroutine follows, any number read.
type World struct {
	name  string
	epoch string
	marks string // members of the snapshot that say what the world is not
	log   *slog.Logger
	world *geo.World
	hub   *streams.Hub
	now   atomic.Pointer[moments]
	zip   chan *Page

	// Keys of publications whose source changed.
	followMu sync.Mutex
	follow   map[string]bool
	wake     chan struct{}

	// Of the goroutine that follows.
	ids     map[string]geo.ID          // public, by key of the publication
	sources map[string]string          // key of the publication, by that of the source
	texts   map[geo.ID]json.RawMessage // of the features, for the snapshot
}

// moments is what is served at one moment.
type moments struct {
	view     *geo.View
	snapshot *Page
	mu       sync.Mutex
	chunks   map[uint64]*Page
}

// Open makes the public world of a recorded one.
func Open(v *geo.View, o WorldOptions) *World {
	w := &World{name: cmp.Or(o.Name, "live"), epoch: EpochOf(o.Record), log: o.Log, world: geo.NewWorld(), zip: make(chan *Page, 1), follow: map[string]bool{}, wake: make(chan struct{}, 1),
		ids: map[string]geo.ID{}, sources: map[string]string{}, texts: map[geo.ID]json.RawMessage{}}
	if w.log == nil {
		w.log = slog.Default()
	}
	if o.Exercise {
		w.marks += `,"exercise":true`
	}
	if o.Simulated {
		w.marks += `,"simulated":true`
	}
	h, _ := headOf(v.Get)
	var put []*geo.Feature
	var tombs []geo.Tomb
	for f := range v.All(Publication) {
		rec, err := recordOf(f)
		if err != nil {
			w.log.Error("a publication cannot be read and is not public", "key", f.Key, "err", err)
			continue
		}
		w.note(f.Key, rec)
		if rec.active() {
			w.ask(f.Key) // the stop may have come between a change and its being followed
		}
		switch {
		case rec.Shown != nil:
			put = append(put, rec.Shown.geo(rec.PublicNo, rec.PublicSeq, moment(rec.Shown.UpdatedAt)))
			w.ids[f.Key] = rec.PublicNo
		case rec.PublicNo != 0:
			tombs = append(tombs, geo.Tomb{ID: rec.PublicNo, Key: rec.PublicID, Seq: rec.PublicSeq})
		}
	}
	slices.SortFunc(put, func(a, b *geo.Feature) int { return int(a.ID) - int(b.ID) })
	slices.SortFunc(tombs, func(a, b geo.Tomb) int { return int(a.Seq) - int(b.Seq) })
	changed := make([]uint64, len(put))
	for i, f := range put {
		changed[i] = f.Rev
		w.write(f)
	}
	w.world.Load(geo.Moment{Seq: h.Seq, Time: v.Time()}, geo.Delta{Put: put}, h.Next, changed, tombs)
	w.hub = streams.NewHub(w.world, streams.HubOptions{World: w.name, Epoch: w.epoch, Audience: streams.Audience{Name: "public"},
		Exercise: o.Exercise, Simulated: o.Simulated, Retract: true, Metrics: o.Metrics})
	w.turn()
	return w
}

// Epoch is the identity of the history of the public world.
func (w *World) Epoch() string { return w.epoch }

// Hub is where the frames of the public world come from.
func (w *World) Hub() *streams.Hub { return w.hub }

// View is the public world as it is.
func (w *World) View() *geo.View { return w.now.Load().view }

// Frame follows the record: f is recorded and applied, and led to v. It is called for each
// frame, in order, and waits for nobody.
func (w *World) Frame(f *streams.Frame, v *geo.View) {
	if f.Overlay() {
		return
	}
	var d geo.Delta
	news := false
	for _, p := range f.Put {
		switch {
		case p.Kind == Publication:
			news = w.publication(p, &d) || news
		case slices.Contains(sources, p.Kind):
			w.ask(w.sources[p.Key])
		}
	}
	if len(f.Drop) > 0 { // seldom: a source that was deleted is found by looking at all
		for source, key := range w.sources {
			if _, ok := v.Get(source); !ok {
				w.ask(key)
			}
		}
	}
	if !news {
		return
	}
	h, _ := headOf(v.Get)
	base := w.world.View().Seq()
	if h.Seq <= base {
		return // something was planned, and nothing shown
	}
	slices.Sort(d.Drop)
	slices.SortFunc(d.Put, func(a, b *geo.Feature) int { return int(a.ID) - int(b.ID) })
	for _, id := range d.Drop {
		delete(w.texts, id)
	}
	for _, p := range d.Put {
		w.write(p)
	}
	w.world.Apply(geo.Moment{Seq: h.Seq, Time: f.Time}, d)
	now := w.world.View()
	w.turn() // before the stream, so that who comes because of it finds it
	w.hub.Publish(&streams.Frame{V: streams.FormatVersion, World: w.name, Epoch: w.epoch, Base: base, Seq: h.Seq, Time: f.Time, State: now.Hash(), Delta: d})
}

// publication notes what a publication became; true when the public may see it.
func (w *World) publication(f *geo.Feature, d *geo.Delta) bool {
	rec, err := recordOf(f)
	if err != nil {
		w.log.Error("a publication cannot be read and is not public", "key", f.Key, "err", err)
		rec = &record{}
	}
	w.note(f.Key, rec)
	id, was := w.ids[f.Key]
	if rec.Shown == nil {
		if was {
			d.Drop = append(d.Drop, id)
			delete(w.ids, f.Key)
		}
		return was
	}
	if old, ok := w.world.View().ByID(rec.PublicNo); ok && old.Rev == rec.PublicSeq {
		return false
	}
	w.ids[f.Key] = rec.PublicNo
	d.Put = append(d.Put, rec.Shown.geo(rec.PublicNo, rec.PublicSeq, moment(rec.Shown.UpdatedAt)))
	return true
}

func (w *World) note(key string, rec *record) {
	if rec.active() {
		w.sources[rec.Source] = key
	} else {
		delete(w.sources, rec.Source)
	}
}

// ask puts a publication on the list of those to bring up to date.
func (w *World) ask(keys ...string) {
	w.followMu.Lock()
	for _, key := range keys {
		if key != "" {
			w.follow[key] = true
		}
	}
	news := len(w.follow) > 0
	w.followMu.Unlock()
	if news {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

func (w *World) write(f *geo.Feature) {
	b, err := geo.ToGeoJSON(f)
	if err != nil {
		panic(fmt.Sprintf("publish: %s cannot be written: %v", f.Key, err)) // shapes are ours or were read by geo
	}
	w.texts[f.ID] = b
}

// turn makes the world as it is what is served. The snapshot is put together from texts
// that are there; gzip, which takes longer, follows.
func (w *World) turn() {
	v := w.world.View()
	ids := make([]geo.ID, 0, len(w.texts))
	size := 256
	for id, b := range w.texts {
		ids = append(ids, id)
		size += len(b) + 1
	}
	slices.Sort(ids)
	b := fmt.Appendf(make([]byte, 0, size), `{"type":"FeatureCollection","v":1,"epoch":%q,"seq":%d,"time":%q%s,"since":%q,"features":[`,
		w.epoch, v.Seq(), stamp(v.Time()), w.marks, w.path(v.Seq()/chunkSize*chunkSize))
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, w.texts[id]...)
	}
	p := &Page{Body: append(b, "]}"...), Tag: w.epoch + "-" + strconv.FormatUint(v.Seq(), 10)}
	w.now.Store(&moments{view: v, snapshot: p, chunks: map[uint64]*Page{}})
	select {
	case <-w.zip: // nobody needs the one before any more
	default:
	}
	w.zip <- p // only this goroutine sends
}

func (w *World) path(seq uint64) string {
	return fmt.Sprintf("/public/v1/since/%s/%d.json", w.epoch, seq)
}

// Snapshot is the whole public world.
func (w *World) Snapshot() *Page { return w.now.Load().snapshot }

// Since returns what changed after a boundary, up to the next one or to now. When seq is
// none, at is the boundary before it, for the reader to go to; at is -1 when only the
// snapshot helps: another epoch, too long ago, or not yet.
func (w *World) Since(epoch string, seq uint64) (p *Page, at int64) {
	m := w.now.Load()
	head := m.view.Seq()
	if epoch != w.epoch || seq > head || seq+chunkSize*chunksMax < head {
		return nil, -1
	}
	if from := seq / chunkSize * chunkSize; from != seq {
		return nil, int64(from)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.chunks[seq]; p != nil {
		return p, int64(seq)
	}
	d, ok := m.view.Since(seq)
	if !ok {
		return nil, -1
	}
	end := min(seq+chunkSize, head)
	whole := end == seq+chunkSize
	b := fmt.Appendf(nil, `{"type":"FeatureCollection","v":1,"epoch":%q,"base":%d,"seq":%d,"complete":%t,"next":%q,"drop":[`,
		w.epoch, seq, end, whole, w.path(end/chunkSize*chunkSize))
	more := false
	for _, t := range m.view.Tombs() {
		if t.Seq <= seq || t.Seq > end || !slices.Contains(d.Drop, t.ID) {
			continue
		}
		if more {
			b = append(b, ',')
		}
		b, more = strconv.AppendQuote(b, t.Key), true
	}
	b = append(b, `],"features":[`...)
	more = false
	for _, f := range d.Put {
		if f.Rev > end {
			continue
		}
		text, err := geo.ToGeoJSON(f)
		if err != nil {
			panic(fmt.Sprintf("publish: %s cannot be written: %v", f.Key, err))
		}
		if more {
			b = append(b, ',')
		}
		b, more = append(b, text...), true
	}
	b = append(b, "]}"...)
	sum := sha256.Sum256(b)
	p = &Page{Body: b, Whole: whole, Tag: hex.EncodeToString(sum[:8])}
	p.compress()
	m.chunks[seq] = p
	return p, int64(seq)
}

// followAgain is the pause after commands of the server that were not taken.
const followAgain = time.Second

// Run gzips snapshots, and asks that publications whose source changed are brought up to
// date, until ctx ends. propose gives a command of the server; what it could not give
// is given again.
func (w *World) Run(ctx context.Context, propose func(ctx context.Context, name string, args any) error) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case p := <-w.zip:
				p.compress()
			}
		}
	})
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		}
		w.followMu.Lock()
		list := slices.Sorted(maps.Keys(w.follow))
		clear(w.follow)
		w.followMu.Unlock()
		if again := w.propose(ctx, list, propose); len(again) > 0 {
			w.log.Warn("publications were not followed and will be", "count", len(again))
			select {
			case <-ctx.Done():
				return
			case <-time.After(followAgain):
			}
			w.ask(again...)
		}
	}
}

// propose gives a command for each key, some at a time, because commands that wait
// together share a frame. It returns the keys whose command was not taken.
func (w *World) propose(ctx context.Context, list []string, propose func(context.Context, string, any) error) (again []string) {
	var mu sync.Mutex
	for some := range slices.Chunk(list, 64) {
		var wg sync.WaitGroup
		for _, key := range some {
			wg.Go(func() {
				err := propose(ctx, FollowName, map[string]string{"publication": key})
				var no *geo.Refusal
				if err == nil || ctx.Err() != nil {
					return
				}
				if errors.As(err, &no) || errors.Is(err, streams.ErrRule) {
					w.log.Error("a publication cannot be followed", "key", key, "err", err)
					return
				}
				mu.Lock()
				again = append(again, key)
				mu.Unlock()
			})
		}
		wg.Wait()
	}
	return again
}
