package city

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sort"
	"sync"
)

const (
	directoryBytesMax = 32 << 20 // uncompressed; the largest leaf we write has well under 1 MiB
	tileBytesMax      = 16 << 20
	leavesMax         = 64 // kept parsed: some 4 million tiles
	leafDepthMax      = 3  // as the PMTiles specification advises
)

// archive reads a PMTiles file. It may be used by many goroutines.
type archive struct {
	f    io.ReaderAt
	head *pmHeader
	root []entry

	mu     sync.Mutex
	leaves map[uint64][]entry // by offset
}

// openArchive reads the header and the root directory of size bytes at f.
func openArchive(f io.ReaderAt, size int64) (*archive, error) {
	head := make([]byte, pmHeaderBytes)
	if _, err := f.ReadAt(head, 0); err != nil {
		return nil, fmt.Errorf("read PMTiles header: %w", err)
	}
	h, err := parseHeader(head, uint64(size))
	if err != nil {
		return nil, err
	}
	a := &archive{f: f, head: h, leaves: map[uint64][]entry{}}
	if a.root, err = a.directory(h.rootOffset, h.rootLength); err != nil {
		return nil, fmt.Errorf("read root directory: %w", err)
	}
	return a, nil
}

func (a *archive) section(offset, length uint64, most int) ([]byte, error) {
	if length > uint64(most) {
		return nil, fmt.Errorf("%d bytes at %d: more than %d", length, offset, most)
	}
	b := make([]byte, length)
	if _, err := a.f.ReadAt(b, int64(offset)); err != nil {
		return nil, fmt.Errorf("%d bytes at %d: %w", length, offset, err)
	}
	return b, nil
}

func gunzip(b []byte, most int64) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(out)) > most {
		err = fmt.Errorf("more than %d bytes uncompressed", most)
	}
	return out, err
}

func (a *archive) directory(offset, length uint64) ([]entry, error) {
	b, err := a.section(offset, length, directoryBytesMax)
	if err != nil {
		return nil, err
	}
	if b, err = gunzip(b, directoryBytesMax); err != nil {
		return nil, err
	}
	return parseDirectory(b)
}

func (a *archive) leaf(e entry) ([]entry, error) {
	if e.offset > a.head.leafLength || uint64(e.length) > a.head.leafLength-e.offset {
		return nil, errDirectory
	}
	a.mu.Lock()
	dir, ok := a.leaves[e.offset]
	a.mu.Unlock()
	if ok {
		return dir, nil
	}
	dir, err := a.directory(a.head.leafOffset+e.offset, uint64(e.length))
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.leaves) >= leavesMax {
		clear(a.leaves) // rare, and each comes back by one read
	}
	a.leaves[e.offset] = dir
	return dir, nil
}

// tile gives a gzipped vector tile. It is false when the file has none there.
func (a *archive) tile(z uint8, x, y uint32) ([]byte, bool, error) {
	if z < a.head.minZoom || z > a.head.maxZoom || x >= 1<<z || y >= 1<<z {
		return nil, false, nil
	}
	id, dir := tileID(z, x, y), a.root
	for range leafDepthMax + 1 {
		i := sort.Search(len(dir), func(i int) bool { return dir[i].id > id }) - 1
		if i < 0 {
			return nil, false, nil
		}
		e := dir[i]
		if e.run > 0 {
			if id-e.id >= uint64(e.run) {
				return nil, false, nil
			}
			if e.offset > a.head.dataLength || uint64(e.length) > a.head.dataLength-e.offset {
				return nil, false, fmt.Errorf("read tile %d/%d/%d: %w", z, x, y, errDirectory)
			}
			b, err := a.section(a.head.dataOffset+e.offset, uint64(e.length), tileBytesMax)
			if err != nil {
				return nil, false, fmt.Errorf("read tile %d/%d/%d: %w", z, x, y, err)
			}
			return b, true, nil
		}
		var err error
		if dir, err = a.leaf(e); err != nil {
			return nil, false, fmt.Errorf("read tile %d/%d/%d: leaf directory: %w", z, x, y, err)
		}
	}
	return nil, false, fmt.Errorf("read tile %d/%d/%d: leaf directories nest too deep", z, x, y)
}

// metadata gives the JSON of the file.
func (a *archive) metadata() (map[string]any, error) {
	b, err := a.section(a.head.metaOffset, a.head.metaLength, directoryBytesMax)
	if err != nil {
		return nil, fmt.Errorf("read tile metadata: %w", err)
	}
	if b, err = gunzip(b, directoryBytesMax); err != nil {
		return nil, fmt.Errorf("read tile metadata: %w", err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("read tile metadata: %w", err)
	}
	return m, nil
}

func openArchiveFile(path string) (*archive, *os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	st, err := f.Stat()
	if err == nil {
		var a *archive
		if a, err = openArchive(f, st.Size()); err == nil {
			return a, f, nil
		}
	}
	f.Close()
	return nil, nil, err
}
