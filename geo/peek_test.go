package geo

import "testing"

func TestPeekAndFindAgreeWithGet(t *testing.T) {
	w := NewWorld()
	w.Apply(Moment{Seq: 1}, Delta{Put: []*Feature{{ID: 3, Key: "E7", Kind: Unit, Rev: 1}}})
	w.Apply(Moment{Seq: 2}, Delta{Move: []Move{{3, Fix{At: LngLat{1, 2}, Time: 9}}}})
	v := w.View()
	want, _ := v.Get("E7")
	if put, x, ok := v.Peek(3); !ok || x != want.Fix || put.Rev != want.Rev || put.Fix.Placed() {
		t.Errorf("Peek: got %+v %+v %t, want the feature as put and the fix of %+v", put, x, ok, want)
	}
	if id, kind := v.Find("E7"); id != 3 || kind != Unit {
		t.Errorf("Find: got %d %s", id, kind)
	}
	for _, id := range []ID{0, 2, 4, 1 << 30} {
		if _, _, ok := v.Peek(id); ok {
			t.Errorf("Peek(%d) found something", id)
		}
	}
	if id, _ := v.Find("E8"); id != 0 {
		t.Errorf("Find of nothing: %d", id)
	}
}
