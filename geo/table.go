package geo

import "math/bits"

// The copy-on-write rule of this package: whatever a [View] points to is marked
// with the edit that made it. A writer changes in place what its own edit made
// and copies everything else first, so a published view never changes and a frame
// costs what it touches.

const (
	pageBits   = 5 // 32 fixes and their seqs are 1 KB: 5,000 scattered moves copy 5 MB
	pageLen    = 1 << pageBits
	branchBits = 6
	branchLen  = 1 << branchBits
)

// table holds features by ID, in pages. What a move changes lies in pages
// without pointers; the features lie in pages that only puts and drops copy.
type table struct {
	edit uint64
	root []*branch
}

type branch struct {
	edit            uint64
	ownFeat, ownFix uint64 // bit i: page i was made by edit
	changed         uint64 // highest of seqs
	seqs            [branchLen]uint64
	kinds           [branchLen]kindSet // kinds of the page, and perhaps of what was dropped from it
	feat            [branchLen]*featPage
	fix             [branchLen]*fixPage
}

type featPage struct {
	at  [pageLen]*Feature
	rev [pageLen]uint64 // of at: a move needs it for the hash and must not chase the feature
}

type fixPage struct {
	fix [pageLen]Fix
	seq [pageLen]uint64 // of the last change
}

// kindSet is a set of kinds as bits; all kinds that this version does not know
// share one bit.
type kindSet uint16

func (k Kind) bit() kindSet {
	switch k {
	case Unit:
		return 1 << 0
	case Incident:
		return 1 << 1
	case Hazard:
		return 1 << 2
	case Shelter:
		return 1 << 3
	case Site:
		return 1 << 4
	case Zone:
		return 1 << 5
	case Call:
		return 1 << 6
	case Assignment:
		return 1 << 7
	case Alarm:
		return 1 << 8
	case Feed:
		return 1 << 9
	}
	return 1 << 10
}

func split(id ID) (top, page, slot int) {
	return int(id >> (pageBits + branchBits)), int(id>>pageBits) & (branchLen - 1), int(id) & (pageLen - 1)
}

// feature returns the feature as it was put, its fix perhaps an older one.
func (t *table) feature(id ID) *Feature {
	top, page, slot := split(id)
	if top >= len(t.root) || t.root[top] == nil {
		return nil
	}
	if p := t.root[top].feat[page]; p != nil {
		return p.at[slot]
	}
	return nil
}

// row returns what the table holds of a feature that is there.
func (t *table) row(id ID) (f *Feature, fix *Fix, seq uint64) {
	top, page, slot := split(id)
	b := t.root[top]
	x := b.fix[page]
	return b.feat[page].at[slot], &x.fix[slot], x.seq[slot]
}

// writable returns the branch of the id, made by the edit.
func (t *table) writable(edit uint64, top int) *branch {
	if t.edit != edit {
		root := make([]*branch, max(len(t.root), top+1))
		copy(root, t.root)
		t.edit, t.root = edit, root
	}
	for len(t.root) <= top {
		t.root = append(t.root, nil)
	}
	b := t.root[top]
	switch {
	case b == nil:
		b = &branch{edit: edit}
	case b.edit != edit:
		c := *b
		c.edit, c.ownFeat, c.ownFix = edit, 0, 0
		b = &c
	default:
		return b
	}
	t.root[top] = b
	return b
}

func (b *branch) writableFix(page int) *fixPage {
	if b.ownFix&(1<<page) == 0 {
		p := new(fixPage)
		if b.fix[page] != nil {
			*p = *b.fix[page]
		}
		b.fix[page] = p
		b.ownFix |= 1 << page
	}
	return b.fix[page]
}

func (b *branch) writableFeat(page int) *featPage {
	if b.ownFeat&(1<<page) == 0 {
		p := new(featPage)
		if b.feat[page] != nil {
			*p = *b.feat[page]
		}
		b.feat[page] = p
		b.ownFeat |= 1 << page
	}
	return b.feat[page]
}

// put sets the feature and its fix, changed at seq.
func (t *table) put(edit uint64, f *Feature, seq uint64) {
	top, page, slot := split(f.ID)
	b := t.writable(edit, top)
	b.kinds[page] |= f.Kind.bit()
	p := b.writableFeat(page)
	p.at[slot], p.rev[slot] = f, f.Rev
	b.set(page, slot, f.Fix, seq)
}

func (b *branch) set(page, slot int, x Fix, seq uint64) {
	p := b.writableFix(page)
	p.fix[slot], p.seq[slot] = x, seq
	b.seqs[page] = max(b.seqs[page], seq)
	b.changed = max(b.changed, seq)
}

// drop removes a feature that is there.
func (t *table) drop(edit uint64, id ID) {
	top, page, slot := split(id)
	b := t.writable(edit, top)
	p := b.writableFeat(page)
	p.at[slot], p.rev[slot] = nil, 0
	var kinds kindSet
	for _, f := range p.at {
		if f != nil {
			kinds |= f.Kind.bit()
		}
	}
	if b.kinds[page] = kinds; kinds == 0 { // nothing left: ids are never reused, so the page would stay for ever
		b.feat[page], b.fix[page] = nil, nil
		b.ownFeat &^= 1 << page
		b.ownFix &^= 1 << page
		return
	}
	x := b.writableFix(page)
	x.fix[slot], x.seq[slot] = Fix{}, 0
}

// rows yields, in ID order, the features of kinds that changed after seq (all of
// them when it is zero), and where their fix and the seq of their last change are. The pointers are good as
// long as the view is.
func (t *table) rows(kinds kindSet, seq uint64, yield func(f *Feature, fix *Fix, seq uint64) bool) bool {
	for _, b := range t.root {
		if b == nil || b.changed <= seq && seq > 0 {
			continue
		}
		for page, p := range b.feat {
			if p == nil || b.kinds[page]&kinds == 0 || b.seqs[page] <= seq && seq > 0 {
				continue
			}
			x := b.fix[page]
			for slot, f := range p.at {
				if f != nil && (x.seq[slot] > seq || seq == 0) && !yield(f, &x.fix[slot], x.seq[slot]) {
					return false
				}
			}
		}
	}
	return true
}

// current returns f with the fix x: f itself when it carries that already.
func current(f *Feature, x *Fix) *Feature {
	if f.Fix == *x {
		return f
	}
	moved := *f
	moved.Fix = *x
	return &moved
}

// slab makes current features many at a time: a keyframe of a million moved
// units costs some thousand allocations.
type slab struct{ free []Feature }

func (s *slab) current(f *Feature, x *Fix) *Feature {
	if f.Fix == *x {
		return f
	}
	if len(s.free) == 0 {
		s.free = make([]Feature, 64)
	}
	moved := &s.free[0]
	s.free = s.free[1:]
	*moved = *f
	moved.Fix = *x
	return moved
}

// pair is an element of an ordered list.
type pair struct {
	key int64
	val uint32
}

func (p pair) less(q pair) bool { return p.key < q.key || p.key == q.key && p.val < q.val }

const chunkLen = 128

// ordered is a sorted list of distinct pairs in copy-on-write chunks.
type ordered struct {
	edit   uint64
	chunks []*chunk
}

type chunk struct {
	edit uint64
	n    int
	at   [chunkLen]pair
}

// find returns the chunk that p belongs in, and the place in it.
func (o *ordered) find(p pair) (int, int) {
	lo, hi := 0, len(o.chunks)
	for lo < hi { // the first chunk that starts after p
		if m := (lo + hi) / 2; p.less(o.chunks[m].at[0]) {
			hi = m
		} else {
			lo = m + 1
		}
	}
	if lo == 0 {
		return 0, 0
	}
	c := o.chunks[lo-1]
	i, j := 0, c.n
	for i < j {
		if m := (i + j) / 2; c.at[m].less(p) {
			i = m + 1
		} else {
			j = m
		}
	}
	return lo - 1, i
}

func (o *ordered) writable(edit uint64, i int) *chunk {
	if o.edit != edit {
		o.edit, o.chunks = edit, append(make([]*chunk, 0, len(o.chunks)+1), o.chunks...)
	}
	if len(o.chunks) == 0 {
		o.chunks = append(o.chunks, &chunk{edit: edit})
	}
	c := o.chunks[i]
	if c.edit != edit {
		d := *c
		d.edit = edit
		c = &d
		o.chunks[i] = c
	}
	return c
}

func (o *ordered) insert(edit uint64, p pair) {
	i, j := o.find(p)
	c := o.writable(edit, i)
	if c.n == chunkLen {
		// A list that only grows at its end fills its chunks; any other splits them in halves.
		keep := chunkLen / 2
		if i == len(o.chunks)-1 && j == chunkLen {
			keep = chunkLen
		}
		d := &chunk{edit: edit}
		d.n = copy(d.at[:], c.at[keep:])
		c.n = keep
		o.chunks = append(o.chunks, nil)
		copy(o.chunks[i+2:], o.chunks[i+1:])
		o.chunks[i+1] = d
		if j >= keep {
			c, j = d, j-keep
		}
	}
	copy(c.at[j+1:c.n+1], c.at[j:c.n])
	c.at[j] = p
	c.n++
}

func (o *ordered) remove(edit uint64, p pair) {
	i, j := o.find(p)
	if i >= len(o.chunks) || j >= o.chunks[i].n || o.chunks[i].at[j] != p {
		return
	}
	c := o.writable(edit, i)
	copy(c.at[j:c.n-1], c.at[j+1:c.n])
	if c.n--; c.n == 0 {
		o.chunks = append(o.chunks[:i], o.chunks[i+1:]...)
	}
}

// from yields the pairs not less than p, in order.
func (o *ordered) from(p pair, yield func(pair) bool) {
	i, j := o.find(p)
	for ; i < len(o.chunks); i, j = i+1, 0 {
		for ; j < o.chunks[i].n; j++ {
			if !yield(o.chunks[i].at[j]) {
				return
			}
		}
	}
}

const (
	keyPageLen = 128
	keyPageMax = 96 // fuller pages split: probes stay short
)

// keyIndex finds the ID of a key: an extendible hash table of copy-on-write
// pages, so that no frame ever pays for rehashing everything. It holds hashes and
// IDs only; whoever asks compares the key of the feature.
type keyIndex struct {
	edit  uint64
	depth uint // dir has 1<<depth entries, chosen by the highest bits of the hash
	dir   []*keyPage
}

type keyPage struct {
	edit  uint64
	depth uint
	n     int
	slot  [keyPageLen]keySlot
}

type keySlot struct {
	hash uint32
	id   ID // zero: free
}

func (k *keyIndex) page(h uint32) int { return int(uint64(h) >> (32 - k.depth)) }

// find returns the ID with the hash for which is returns true, or zero.
func (k *keyIndex) find(h uint32, is func(ID) bool) ID {
	if len(k.dir) == 0 {
		return 0
	}
	p := k.dir[k.page(h)]
	for i := h % keyPageLen; p.slot[i].id != 0; i = (i + 1) % keyPageLen {
		if p.slot[i].hash == h && is(p.slot[i].id) {
			return p.slot[i].id
		}
	}
	return 0
}

func (k *keyIndex) writable(edit uint64, h uint32) *keyPage {
	if k.edit != edit {
		k.edit, k.dir = edit, append([]*keyPage(nil), k.dir...)
	}
	if len(k.dir) == 0 {
		k.dir = []*keyPage{{edit: edit}}
	}
	p := k.dir[k.page(h)]
	if p.edit != edit {
		q := *p
		q.edit = edit
		p = &q
		k.spread(h, p)
	}
	return p
}

// spread enters a page everywhere in dir where it belongs.
func (k *keyIndex) spread(h uint32, p *keyPage) {
	n := 1 << (k.depth - p.depth)
	from := k.page(h) &^ (n - 1)
	for i := range n {
		k.dir[from+i] = p
	}
}

func (k *keyIndex) insert(edit uint64, h uint32, id ID) {
	p := k.writable(edit, h)
	for p.n >= keyPageMax && p.depth < 32-uint(bits.Len(keyPageLen-1)) {
		if p.depth == k.depth {
			dir := make([]*keyPage, 2*len(k.dir))
			for i, p := range k.dir {
				dir[2*i], dir[2*i+1] = p, p
			}
			k.depth, k.dir = k.depth+1, dir
		}
		halves := [2]*keyPage{{edit: edit, depth: p.depth + 1}, {edit: edit, depth: p.depth + 1}}
		bit := 31 - p.depth
		for _, s := range p.slot {
			if s.id != 0 {
				halves[s.hash>>bit&1].add(s)
			}
		}
		k.spread(h&^(1<<bit), halves[0])
		k.spread(h|1<<bit, halves[1])
		p = halves[h>>bit&1]
	}
	p.add(keySlot{h, id})
}

func (p *keyPage) add(s keySlot) {
	if p.n == keyPageLen-1 {
		panic("geo: more keys with one hash than a page holds") // 2⁻³² each, under a secret seed
	}
	i := s.hash % keyPageLen
	for p.slot[i].id != 0 {
		i = (i + 1) % keyPageLen
	}
	p.slot[i] = s
	p.n++
}

func (k *keyIndex) remove(edit uint64, h uint32, id ID) {
	if k.find(h, func(x ID) bool { return x == id }) == 0 {
		return
	}
	p := k.writable(edit, h)
	i := h % keyPageLen
	for p.slot[i].id != id {
		i = (i + 1) % keyPageLen
	}
	p.n--
	// Close the gap: every slot that a probe would no longer reach moves into it.
	for j := (i + 1) % keyPageLen; p.slot[j].id != 0; j = (j + 1) % keyPageLen {
		if home := p.slot[j].hash % keyPageLen; (j-home)%keyPageLen >= (j-i)%keyPageLen {
			p.slot[i], i = p.slot[j], j
		}
	}
	p.slot[i] = keySlot{}
}
