package streams

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"rasad/geo"
)

// appendJSON writes the frame as FORMAT.md has it. It is written by hand because
// a row of a move costs a tenth of what reflection takes.
func (f *Frame) appendJSON(b []byte, keyOf func(geo.ID) (string, bool)) []byte {
	var t jsonTimes
	b = append(slices.Grow(b, 512+96*len(f.Move)+384*len(f.Put)), '{')
	tick := f.Time // a frame is made by a tick that completed
	if s := f.Status; s != nil {
		v := f.V
		if v == 0 {
			v = FormatVersion
		}
		b = strconv.AppendUint(append(b, `"v":`...), uint64(v), 10)
		b = jsonText(append(b, `,"world":`...), f.World)
		b = jsonText(append(b, `,"audience":`...), s.Audience)
		b = jsonText(append(b, `,"mode":`...), s.Mode)
		b = strconv.AppendBool(append(b, `,"exercise":`...), s.Exercise)
		b = strconv.AppendBool(append(b, `,"recording":`...), s.Recording)
		b = jsonText(append(b, `,"build":`...), s.Build)
		b = jsonText(append(b, `,"epoch":`...), f.Epoch)
		b = strconv.AppendBool(append(b, `,"simulated":`...), s.Simulated)
		b = t.append(append(b, `,"clock":`...), s.Clock)
		if s.Echo != 0 {
			b = strconv.AppendUint(append(b, `,"echo":`...), uint64(s.Echo), 10)
		}
		if s.Mode == ModeReplay {
			b = strconv.AppendFloat(append(b, `,"speed":`...), s.Speed, 'g', -1, 64)
		}
		b = append(b, ',')
		tick = s.Tick
	}
	b = strconv.AppendUint(append(b, `"base":`...), f.Base, 10)
	b = strconv.AppendUint(append(b, `,"seq":`...), f.Seq, 10)
	b = strconv.AppendUint(append(b, `,"live":`...), f.Live, 10)
	b = t.append(append(b, `,"time":`...), f.Time)
	b = t.append(append(b, `,"tick":`...), tick)
	if !f.Overlay() {
		const digits = "0123456789abcdef"
		b = append(b, `,"hash":"`...)
		for shift := 60; shift >= 0; shift -= 4 {
			b = append(b, digits[f.State>>shift&15])
		}
		b = append(b, '"')
	}
	b = append(b, `,"drop":[`...)
	n := len(b)
	for _, id := range f.Drop {
		if key, ok := keyOf(id); ok {
			b = jsonText(jsonNext(b, n), key)
		}
	}
	b = append(b, `],"put":[`...)
	n = len(b)
	for _, p := range f.Put {
		b = append(jsonNext(b, n), jsonFeature(p)...)
	}
	b = append(b, `],"move":[`...)
	n = len(b)
	for i := range f.Move {
		m := &f.Move[i]
		key, ok := keyOf(m.ID)
		if !ok {
			continue
		}
		b = jsonText(append(jsonNext(b, n), '['), key)
		b = jsonDegrees(append(b, ','), m.Fix.At.Lng)
		b = jsonDegrees(append(b, ','), m.Fix.At.Lat)
		b = append(b, ',')
		if m.Fix.Heading == geo.HeadingUnknown {
			b = append(b, "null,"...)
		} else {
			b = append(strconv.AppendUint(b, uint64(m.Fix.Heading), 10), ',')
		}
		if m.Fix.Speed == geo.SpeedUnknown {
			b = append(b, "null,"...)
		} else {
			b = strconv.AppendUint(b, uint64(m.Fix.Speed/10), 10)
			if tenth := m.Fix.Speed % 10; tenth != 0 {
				b = append(b, '.', '0'+byte(tenth))
			}
			b = append(b, ',')
		}
		b = t.append(b, m.Fix.Time)
		b = strconv.AppendUint(append(b, ','), uint64(m.Fix.Accuracy), 10)
		b = strconv.AppendUint(append(b, ','), uint64(m.Fix.Flags), 10)
		b = append(b, ']')
	}
	return append(b, "]}"...)
}

// jsonNext puts a comma before every member of an array but the first, which
// begins at n.
func jsonNext(b []byte, n int) []byte {
	if len(b) > n {
		return append(b, ',')
	}
	return b
}

// jsonFeature never fails: a feature that is stored is shown, if need be
// without its geometry.
func jsonFeature(f *geo.Feature) []byte {
	b, err := geo.ToGeoJSON(f)
	if err != nil {
		bare := *f
		bare.Shape, bare.Fix, bare.Props = nil, geo.Fix{}, ""
		if b, err = geo.ToGeoJSON(&bare); err != nil {
			panic("streams: a feature without anything: " + err.Error())
		}
	}
	if !utf8.Valid(b) { // a text message of a WebSocket must be
		b = bytes.ToValidUTF8(b, []byte("\uFFFD"))
	}
	return b
}

// jsonText appends s as a JSON string.
func jsonText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil {
				panic("streams: a string is always JSON: " + err.Error())
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// jsonDegrees appends a coordinate of 1e-7 degree exactly, without zeros at the end.
func jsonDegrees(b []byte, v int32) []byte {
	n := int64(v)
	if n < 0 {
		b = append(b, '-')
		n = -n
	}
	b = strconv.AppendInt(b, n/1e7, 10)
	n %= 1e7
	if n == 0 {
		return b
	}
	b = append(b, '.')
	for scale := int64(1e6); n > 0; scale /= 10 {
		b = append(b, '0'+byte(n/scale))
		n %= scale
	}
	return b
}

// jsonTimes writes moments, and remembers the text of the last second: the
// fixes of a frame lie close together.
type jsonTimes struct {
	second int64
	text   [len("2006-01-02T15:04:05")]byte
	known  bool
}

func (t *jsonTimes) append(b []byte, at geo.Millis) []byte {
	second, ms := int64(at)/1000, int64(at)%1000
	if ms < 0 {
		second, ms = second-1, ms+1000
	}
	if !t.known || second != t.second {
		u := time.Unix(second, 0).UTC()
		if y := u.Year(); y < 0 || y > 9999 { // RFC 3339 has no such year
			return append(b, "null"...)
		}
		u.AppendFormat(t.text[:0], "2006-01-02T15:04:05")
		t.second, t.known = second, true
	}
	b = append(append(b, '"'), t.text[:]...)
	return append(b, '.', '0'+byte(ms/100), '0'+byte(ms/10%10), '0'+byte(ms%10), 'Z', '"')
}
