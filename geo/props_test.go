package geo

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestParseProps(t *testing.T) {
	tests := map[string]struct {
		in   string
		want Props
	}{
		"nothing":                   {`{}`, ""},
		"sorted and compact":        {` { "b" : 1 , "a" : [ 1, {"z":2, "y":3} ] } `, `{"a":[1,{"z":2,"y":3}],"b":1}`},
		"null is nothing":           {`{"a":null}`, ""},
		"null within stays":         {`{"a":[null]}`, `{"a":[null]}`},
		"numbers keep their digits": {`{"a":12345678901234567890.10}`, `{"a":12345678901234567890.10}`},
	}
	for name, tt := range tests {
		if got, err := ParseProps([]byte(tt.in)); err != nil || got != tt.want {
			t.Errorf("%s: got %s, %v; want %s", name, got, err, tt.want)
		}
	}
	for name, in := range map[string]string{
		"nothing at all": ``, "null": `null`, "a list": `[]`, "text": `"a"`, "two": `{} {}`, "open": `{"a":1`, "bad UTF-8": "{\"a\":\"\xc3\x28\"}",
		"a name twice": `{"a":1,"a":2}`, "a name twice, deep down": `{"a":[{"b":1,"b":2}]}`,
		"a name twice among many": `{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1,"m":1,"n":1,"o":1,"p":1,"q":1,"q":2}`,
		"too deep":                `{"a":` + strings.Repeat(`{"a":`, 40) + `1` + strings.Repeat(`}`, 41),
		"too long":                `{"a":"` + strings.Repeat("x", PropsMax) + `"}`,
	} {
		if got, err := ParseProps([]byte(in)); !errors.Is(err, ErrProps) {
			t.Errorf("%s: got %.100s, %v; want ErrProps", name, got, err)
		}
	}
	given := map[string]json.RawMessage{"a": json.RawMessage("1"), "b": nil, "c": json.RawMessage("null")}
	if p, err := MakeProps(given); err != nil || p != `{"a":1}` || len(given) != 3 {
		t.Errorf("MakeProps: got %s, %v, and left %v", p, err, given)
	}
	if _, err := MakeProps(map[string]json.RawMessage{"a": json.RawMessage(`{"b":1,"b":2}`)}); !errors.Is(err, ErrProps) {
		t.Errorf("MakeProps of a name twice: got %v, want ErrProps", err)
	}
}

// Reading by scanning equals reading by parsing.
func FuzzProps(f *testing.F) {
	for _, s := range []string{
		`{"name":"Engine \"7\"","capabilities":["als","b\u006cs"],"crew":4,"dispatchable":true,"x":{"capabilities":[1]}}`,
		`{"capabilities":["a",null],"dispatchable":"true"}`, `{"capabilities":["a",["b"]]}`, `{"capabilities":[ ],"crew":-1e3}`, `{"":""}`,
		`{"capabilities":["a","b,]"],"name":"}{,"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParseProps(b)
		if err != nil {
			if !errors.Is(err, ErrProps) {
				t.Fatalf("%q: error %v is no ErrProps", b, err)
			}
			return
		}
		if again, err := ParseProps([]byte(p)); p != "" && (err != nil || again != p) {
			t.Fatalf("%q: canonical %s became %s, %v", b, p, again, err)
		}
		m := p.Map()
		n := 0
		for name, raw := range p.members {
			n++
			var s string
			if err := json.Unmarshal([]byte(`"`+name+`"`), &s); err != nil || string(m[s]) != raw {
				t.Fatalf("%q: member %q: got %s, want %s", b, name, raw, m[s])
			}
			if s != name {
				continue // the scan compares names as they are written
			}
			var text string
			if json.Unmarshal(m[s], &text) != nil {
				text = ""
			}
			if got := p.Text(s); got != text {
				t.Fatalf("%q: text %q: got %q, want %q", b, s, got, text)
			}
			var texts []string
			if json.Unmarshal(m[s], &texts) != nil || len(texts) == 0 {
				texts = nil
			}
			if got := p.Texts(s); !slices.Equal(got, texts) {
				t.Fatalf("%q: texts %q: got %q, want %q", b, s, got, texts)
			}
			var yes bool
			if json.Unmarshal(m[s], &yes) != nil {
				yes = false
			}
			if got := p.Bool(s); got != yes {
				t.Fatalf("%q: bool %q: got %t", b, s, got)
			}
		}
		if n != len(m) {
			t.Fatalf("%q: %d members, want %d", b, n, len(m))
		}
	})
}

func TestInputSurvivesJSON(t *testing.T) {
	in := Input{
		Key: "H1", Kind: Hazard, At: &LngLat{-755_466_000, 397_447_000},
		Shape: &Shape{Type: Polygon, Points: []LngLat{{0, 0}, {1, 0}, {1, 1}, {0, 0}}, Ends: []uint32{4}},
		Props: `{"name":"سیل"}`, Sealed: []Sealed{{"caller", "k1", []byte{1, 2, 255}}}, IfMatch: 1 << 60,
	}
	for _, in := range []Input{in, {Key: "C1", Kind: Call}} {
		b, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		var out Input
		if err := json.Unmarshal(b, &out); err != nil || !reflect.DeepEqual(out, in) {
			t.Errorf("%s became %+v, %v; want %+v", b, out, err, in)
		}
	}
	for _, bad := range []string{`{"at":[1]}`, `{"at":[1,2,3]}`, `{"at":[1800000001,0]}`, `{"at":[1.5,0]}`, `{"props":[]}`, `{"props":{"a":1,"a":2}}`, `{"shape":{"type":4,"points":[[0,900000001]]}}`} {
		var out Input
		if err := json.Unmarshal([]byte(bad), &out); err == nil {
			t.Errorf("%s became %+v, want an error", bad, out)
		}
	}
}
