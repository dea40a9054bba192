package geo

// tombsMax is how many drops a world remembers. A screen that missed more of
// them gets a keyframe, which at that point is the smaller answer anyway.
const tombsMax = 100_000

// tombs remembers what was dropped. The list is shared by all views: each sees
// its own stretch, and the writer only ever appends behind the last.
type tombs struct {
	list  []Tomb
	first int64   // how many were forgotten: the number of list[0]
	floor uint64  // newest seq of a tomb that was forgotten
	byID  ordered // (ID, number mod 2³²), newest of each
}

// find returns where in list the newest tomb of the id is.
func (t *tombs) find(id ID) (int, bool) {
	at, ok := 0, false
	t.byID.from(pair{key: int64(id)}, func(p pair) bool {
		if ok = p.key == int64(id); ok {
			at = int(p.val - uint32(t.first))
		}
		return false
	})
	return at, ok
}

func (t *tombs) key(id ID) string {
	if i, ok := t.find(id); ok {
		return t.list[i].Key
	}
	return ""
}

func (t *tombs) add(edit uint64, tomb Tomb) {
	if i, ok := t.find(tomb.ID); ok {
		t.byID.remove(edit, t.pair(i))
	}
	t.list = append(t.list, tomb)
	t.byID.insert(edit, t.pair(len(t.list)-1))
	for len(t.list) > tombsMax {
		t.byID.remove(edit, t.pair(0)) // does nothing when the id was dropped again
		t.floor = max(t.floor, t.list[0].Seq)
		t.list = t.list[1:]
		t.first++
	}
}

func (t *tombs) pair(i int) pair { return pair{int64(t.list[i].ID), uint32(t.first + int64(i))} }

// counts is how many features there are of each kind.
type counts struct {
	edit uint64
	of   []count
}

type count struct {
	kind Kind
	n    int
}

func (c *counts) add(edit uint64, kind Kind, n int) {
	if c.edit != edit {
		c.edit, c.of = edit, append(make([]count, 0, len(c.of)+1), c.of...)
	}
	for i := range c.of {
		if c.of[i].kind == kind {
			c.of[i].n += n
			return
		}
	}
	c.of = append(c.of, count{kind, n})
}
