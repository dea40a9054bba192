package streams

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// mutations is how often a record is harmed in an ordinary run. Ten thousand
// times is `make faults`.
var mutations = 600

// TestEveryMutationIsFound harms a whole record in every way that a disk, a
// mistake or a hand could, and demands that each is found. The seed of each is in
// its name.
func TestEveryMutationIsFound(t *testing.T) {
	g := newSignedGround(t)
	g.split(t, 9)
	if r := audited(t, g.files, AuditOptions{}); !r.Whole() || r.Frames != r.States {
		t.Fatalf("before any harm: %+v", r)
	}
	base := time.Now()
	same, by := 0, map[string]int{}
	for seed := 0; seed-same < mutations; seed++ {
		r := rand.New(rand.NewPCG(uint64(seed), 11))
		files := g.copy()
		how := g.harm(r, files)
		if unchanged(g.files, files) { // two equal bytes were exchanged
			same++
			continue
		}
		if report := audited(t, files, AuditOptions{}); report.Whole() && harmless(t, g.files, files) {
			same++
			continue
		} else if report.Whole() {
			t.Errorf("seed %d: %s: not found: %+v", seed, how, *report)
		}
		by[strings.Fields(how)[0]]++
	}
	t.Logf("%d mutations in %s, %d more left every byte of the record as it was: %v", mutations, time.Since(base).Round(time.Millisecond), same, by)
}

func unchanged(a, b fstest.MapFS) bool {
	if len(a) != len(b) {
		return false
	}
	for name, f := range a {
		if g, ok := b[name]; !ok || !bytes.Equal(f.Data, g.Data) {
			return false
		}
	}
	return true
}

// harmless tells whether only NATS's own notes differ, that the frames before the
// first one of an epoch do not exist: every byte of the record is as it was.
func harmless(t testing.TB, a, b fstest.MapFS) bool {
	frames := func(files fstest.MapFS) fstest.MapFS {
		out := fstest.MapFS{}
		for name, f := range files {
			if out[name] = f; !strings.HasSuffix(name, ".blk") {
				continue
			}
			rows := slices.DeleteFunc(rowsOf(t, f.Data), func(r []byte) bool {
				return binary.LittleEndian.Uint64(r[4:])&(recordTomb|recordErased) != 0
			})
			out[name] = &fstest.MapFile{Data: bytes.Join(rows, nil)}
		}
		return out
	}
	return unchanged(frames(a), frames(b))
}

// split spreads the records of each journal over blocks of n, as NATS does with
// larger ones.
func (g *signedGround) split(t testing.TB, n int) {
	t.Helper()
	for _, name := range g.names("nats/", ".blk") {
		stream := path.Base(path.Dir(path.Dir(name)))
		rows := rowsOf(t, g.files[name].Data)
		delete(g.files, name)
		for i, part := range slices.Collect(slices.Chunk(rows, n)) {
			index := 2 + i
			g.files[path.Join(path.Dir(name), fmt.Sprintf("%d.blk", index))] = &fstest.MapFile{Data: resum(part, stream, index), Mode: 0o600}
		}
	}
}

// rowsOf cuts a block into its records.
func rowsOf(t testing.TB, b []byte) (rows [][]byte) {
	t.Helper()
	for len(b) > 0 {
		n := int(binary.LittleEndian.Uint32(b) &^ recordHeader)
		if n < recordHead || n > len(b) {
			t.Fatal("not a block")
		}
		rows, b = append(rows, b[:n:n]), b[n:]
	}
	return rows
}

// recordOf makes a record of other bytes in the place of rec.
func recordOf(rec blockRecord, data []byte, id string) []byte {
	head := fmt.Sprintf("NATS/1.0\r\nNats-Msg-Id: %s\r\nNats-Expected-Last-Sequence: %s\r\n\r\n", id, rec.before)
	le := binary.LittleEndian
	n := recordHead + len(rec.subject) + 4 + len(head) + len(data) + recordSum
	b := le.AppendUint32(nil, uint32(n)|recordHeader)
	b = le.AppendUint64(b, rec.seq)
	b = le.AppendUint64(b, 1)
	b = le.AppendUint16(b, uint16(len(rec.subject)))
	b = append(b, rec.subject...)
	b = le.AppendUint32(b, uint32(len(head)))
	b = append(append(b, head...), data...)
	return append(b, make([]byte, recordSum)...)
}

// resum writes records as a block of that index, each with its checksum.
func resum(rows [][]byte, stream string, index int) (out []byte) {
	sum := blockSum(fmt.Sprintf("%s-%d", stream, index))
	for _, r := range rows {
		r = bytes.Clone(r)
		subject := int(binary.LittleEndian.Uint16(r[20:]))
		body := recordHead + subject
		if binary.LittleEndian.Uint32(r)&recordHeader != 0 {
			body += 4
		}
		end := len(r) - recordSum
		copy(r[end:], sum.sum(r[4:20], r[recordHead:recordHead+subject], r[body:end]))
		out = append(out, r...)
	}
	return out
}

// harm does one thing to the files and says what.
func (g *signedGround) harm(r *rand.Rand, files fstest.MapFS) string {
	blocks, keyframes := g.names("nats/", ".blk"), g.names("keyframes/", ".keyframe")
	kinds := []struct {
		what  string
		names []string
		rows  func([]byte) [][]byte
	}{
		{"block", blocks, func(b []byte) (rows [][]byte) {
			for len(b) > 0 {
				n := binary.LittleEndian.Uint32(b) &^ recordHeader
				rows, b = append(rows, b[:n:n]), b[n:]
			}
			return rows
		}},
		{"keyframe", keyframes, func(b []byte) [][]byte { return slices.Collect(slices.Chunk(b, 64)) }},
		{"mark", []string{"live.mark"}, func(b []byte) [][]byte { return slices.Collect(slices.Chunk(b, markSlot)) }},
		{"heads", []string{"audit/live.heads"}, func(b []byte) [][]byte { return slices.Collect(bytes.Lines(b)) }},
	}
	k := kinds[[]int{0, 0, 0, 1, 1, 2, 3, 3}[r.IntN(8)]]
	name := k.names[r.IntN(len(k.names))]
	b := bytes.Clone(files[name].Data)
	at := r.IntN(len(b))
	n := 1 + r.IntN(min(200, len(b)-at))
	rows := k.rows(b)
	i, j := r.IntN(len(rows)), r.IntN(len(rows))
	how, to := "", b
	switch r.IntN(14) {
	case 0, 1, 2:
		bit := r.IntN(8)
		how = fmt.Sprintf("flip bit %d of byte %d", bit, at)
		b[at] ^= 1 << bit
	case 3:
		how = fmt.Sprintf("overwrite %d bytes at %d", n, at)
		for i := range n {
			b[at+i] = byte(r.Uint32())
		}
	case 4:
		how = fmt.Sprintf("zero %d bytes at %d", n, at)
		clear(b[at : at+n])
	case 5:
		how = fmt.Sprintf("truncate at %d of %d", at, len(b))
		to = b[:at]
	case 6:
		how = fmt.Sprintf("cut out %d bytes at %d", n, at)
		to = slices.Delete(b, at, at+n)
	case 7:
		where := r.IntN(len(b) + 1)
		how = fmt.Sprintf("repeat %d bytes of %d at %d", n, at, where)
		to = slices.Insert(b, where, bytes.Clone(b[at:at+n])...)
	case 8:
		where := r.IntN(len(b) - n + 1)
		how = fmt.Sprintf("copy %d bytes of %d over %d", n, at, where)
		copy(b[where:], bytes.Clone(b[at:at+n]))
	case 9:
		last := min(len(rows), i+1+r.IntN(4))
		how = fmt.Sprintf("delete rows %d to %d of %d", i, last-1, len(rows))
		to = bytes.Join(slices.Delete(rows, i, last), nil)
	case 10:
		how = fmt.Sprintf("exchange rows %d and %d", i, j)
		rows[i], rows[j] = rows[j], rows[i]
		to = bytes.Join(rows, nil)
	case 11:
		how = fmt.Sprintf("repeat row %d at %d", i, j)
		to = bytes.Join(slices.Insert(rows, j, rows[i]), nil)
	case 12:
		how = "delete file"
		delete(files, name)
		return how + " " + name
	case 13:
		other := k.names[r.IntN(len(k.names))]
		if r.IntN(2) == 0 {
			how = "exchange file with " + other
			files[name], files[other] = files[other], files[name]
		} else {
			how = "overwrite file with " + other
			files[name] = files[other]
		}
		return how + " " + name
	}
	files[name] = &fstest.MapFile{Data: to, Mode: 0o600}
	return how + " of " + name
}
