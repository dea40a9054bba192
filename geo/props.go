package geo

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"strings"
)

// Props are the properties of a feature: one JSON object, compact, keys sorted,
// without duplicates. The empty string is the empty object. Being a string it
// is immutable and shared freely; unknown members are kept.
type Props string

// PropsMax is the longest Props, in bytes: half a frame.
const PropsMax = 256 << 10

// propsDepth is how deep values may be nested: far deeper than a person fills in
// a form, far less than what makes a parser of somebody else fall over.
const propsDepth = 32

// ErrProps is text that is not a JSON object that can be properties.
var ErrProps = errors.New("properties must be a JSON object")

// ParseProps makes canonical Props of a JSON object: valid UTF-8, no name twice in
// any object, at most [PropsMax] long and 32 levels deep. It returns [ErrProps],
// wrapped, for everything else.
func ParseProps(b []byte) (Props, error) {
	if err := strictJSON(b); err != nil {
		return "", fmt.Errorf("%w: %w", ErrProps, err)
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(b, &m); err != nil || m == nil { // nil: null
		return "", ErrProps
	}
	return makeProps(m)
}

// MakeProps makes Props of members that are JSON already. Members that are
// null are left out. It checks and returns what ParseProps does.
func MakeProps(m map[string]json.RawMessage) (Props, error) {
	p, err := makeProps(m)
	if err == nil && p != "" {
		if err := strictJSON([]byte(p)); err != nil {
			return "", fmt.Errorf("%w: %w", ErrProps, err)
		}
	}
	return p, err
}

func makeProps(m map[string]json.RawMessage) (Props, error) {
	nothing := func(_ string, v json.RawMessage) bool { return len(v) == 0 || string(v) == "null" }
	for k, v := range m {
		if nothing(k, v) {
			m = maps.Clone(m) // it is the caller's
			maps.DeleteFunc(m, nothing)
			break
		}
	}
	if len(m) == 0 {
		return "", nil
	}
	b, err := json.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrProps, err)
	}
	if len(b) > PropsMax {
		return "", fmt.Errorf("%w of at most %d bytes, this has %d", ErrProps, PropsMax, len(b))
	}
	return Props(b), nil
}

// Map returns the members. The map is the caller's.
func (p Props) Map() map[string]json.RawMessage {
	m := map[string]json.RawMessage{}
	if p != "" {
		_ = json.Unmarshal([]byte(p), &m) // canonical by construction
	}
	return m
}

// Raw returns one member as JSON, or "" when there is none.
func (p Props) Raw(name string) string {
	for n, raw := range p.members {
		if n == name {
			return raw
		}
	}
	return ""
}

// members yields the members in order, values as JSON. It scans and does not
// parse: a million units are filed by this at restart. It may trust its input,
// which ParseProps made.
func (p Props) members(yield func(name, raw string) bool) {
	for i := 1; i < len(p) && p[i] == '"'; {
		keyEnd := skipString(p, i)
		valueEnd := skipValue(p, keyEnd+1)
		if keyEnd+1 > valueEnd || !yield(string(p[i+1:keyEnd-1]), string(p[keyEnd+1:valueEnd])) {
			return
		}
		i = valueEnd + 1
	}
}

func skipValue(p Props, i int) int {
	depth := 0
	for i < len(p) {
		switch p[i] {
		case '"':
			i = skipString(p, i)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return i
}

// Text returns a member that is a JSON string, else "".
func (p Props) Text(name string) string { return text(p.Raw(name)) }

func text(raw string) string {
	if len(raw) < 2 || raw[0] != '"' {
		return ""
	}
	if strings.IndexByte(raw, '\\') >= 0 {
		var s string
		_ = json.Unmarshal([]byte(raw), &s)
		return s
	}
	return raw[1 : len(raw)-1]
}

// Bool returns a member that is a JSON boolean, else false.
func (p Props) Bool(name string) bool { return p.Raw(name) == "true" }

// Number returns a member that is a JSON number.
func (p Props) Number(name string) (float64, bool) {
	raw := p.Raw(name)
	if raw == "" {
		return 0, false
	}
	var v float64
	if json.Unmarshal([]byte(raw), &v) != nil {
		return 0, false
	}
	return v, true
}

// Texts returns a member that is an array of strings, else nil.
func (p Props) Texts(name string) []string {
	var v []string
	for s := range texts(p.Raw(name)) {
		v = append(v, s)
	}
	return v
}

// texts yields the strings of a JSON array of strings, and nothing of anything else.
func texts(raw string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if len(raw) < 3 || raw[0] != '[' {
			return
		}
		for i := 1; ; { // is it plain?
			if raw[i] != '"' {
				break
			}
			end := skipString(raw, i)
			if strings.IndexByte(raw[i:end], '\\') >= 0 || end >= len(raw) {
				break
			}
			if raw[end] == ']' {
				for i := 1; i < len(raw); {
					end := skipString(raw, i)
					if !yield(raw[i+1 : end-1]) {
						return
					}
					i = end + 1
				}
				return
			}
			i = end + 1
			if i >= len(raw) {
				break
			}
		}
		var v []string
		if json.Unmarshal([]byte(raw), &v) == nil {
			for _, s := range v {
				if !yield(s) {
					return
				}
			}
		}
	}
}

// With returns p with members set; a nil value removes the member. It panics
// when a value cannot be JSON, because only our own code gives values here.
func (p Props) With(set map[string]any) Props {
	m := p.Map()
	for k, v := range set {
		if v == nil {
			delete(m, k)
			continue
		}
		b, err := json.Marshal(v)
		if err != nil {
			panic(fmt.Sprintf("geo: property %s: %v", k, err))
		}
		m[k] = b
	}
	out, err := makeProps(m)
	if err != nil {
		panic(fmt.Sprintf("geo: properties: %v", err))
	}
	return out
}
