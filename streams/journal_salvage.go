package streams

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
)

// After an unclean stop NATS cuts a block file at the first record that it
// cannot read, and with it the acknowledged frames behind: one flipped bit in an
// old frame would cost the newest. So the last blocks are read before NATS
// starts, and frames that NATS no longer gives are looked for in their bytes.
// Each frame proves itself, by its message id and by the chain to the mark, so
// the layout of the file needs no trust.

// salvageBlocks is how many of the last block files are held while NATS
// starts; a block has at most 8 MB.
const salvageBlocks = 2

// block is one file of a stream: its path, and its bytes when they are held.
type block struct {
	path  string
	index uint64
	held  []byte
}

// streamDir is where the embedded server, whose store is given, keeps a stream.
func streamDir(store, stream string) string {
	return filepath.Join(store, "jetstream", "$G", "streams", stream)
}

// holdBlocks lists the block files of a stream in the embedded server's store,
// newest first, and holds the bytes of the last ones. Without a stream there is
// nothing to hold.
func holdBlocks(store, stream string) []block {
	paths, err := filepath.Glob(filepath.Join(streamDir(store, stream), "msgs", "*.blk"))
	if err != nil {
		return nil
	}
	var out []block
	for _, p := range paths {
		if n, err := strconv.ParseUint(strings.TrimSuffix(filepath.Base(p), ".blk"), 10, 64); err == nil {
			out = append(out, block{path: p, index: n})
		}
	}
	slices.SortFunc(out, func(a, b block) int { return cmp.Compare(b.index, a.index) })
	for i := range out[:min(salvageBlocks, len(out))] {
		out[i].held, _ = os.ReadFile(out[i].path) // unreadable: then there is nothing to salvage
	}
	return out
}

// salvage returns the whole messages after sequence seq that the bytes of the
// blocks hold, in order. It looks only as far back as it must.
func salvage(blocks []block, subject string, seq uint64) []stored {
	found := map[uint64]stored{}
	for _, b := range blocks {
		if b.held == nil {
			b.held, _ = os.ReadFile(b.path)
		}
		oldest := ^uint64(0)
		for _, m := range scanBlock(b.held, subject) {
			oldest = min(oldest, m.seq)
			if m.seq > seq {
				found[m.seq] = m
			}
		}
		if oldest <= seq+1 {
			break
		}
	}
	out := make([]stored, 0, len(found))
	for _, m := range found {
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b stored) int { return cmp.Compare(a.seq, b.seq) })
	return out
}

// scanBlock finds the records of a subject in the bytes of a block: length (the
// high bit says that there is a header), sequence, time, length of the subject,
// subject, length of the header, header, message, checksum. It looks for the
// subject and not for lengths, because any length may be the damaged one.
func scanBlock(b []byte, subject string) (out []stored) {
	const fixed, checksum, hasHeader = 22, 8, 1 << 31
	le := binary.LittleEndian
	for at := 0; ; at++ {
		i := bytes.Index(b[at:], []byte(subject))
		if i < 0 {
			return out
		}
		at += i
		start := at - fixed
		if start < 0 {
			continue
		}
		size := le.Uint32(b[start:])
		end := start + int(size&^hasHeader) - checksum
		body := at + len(subject) + 4
		if size&hasHeader == 0 || end > len(b) || end < body {
			continue
		}
		head := int64(le.Uint32(b[body-4:]))
		if head > int64(end-body) {
			continue
		}
		h, err := nats.DecodeHeadersMsg(b[body : body+int(head)])
		if err != nil {
			continue
		}
		out = append(out, stored{le.Uint64(b[start+4:]), b[body+int(head) : end], h.Get(nats.MsgIdHdr)})
	}
}
