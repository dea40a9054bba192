package streams

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// hash is the SHA-256 of a frame's bytes as journaled.
type hash = [sha256.Size]byte

// highWater is what the mark file remembers: the last acknowledged frame, and
// where its history begins. NATS returns a shorter or a holed stream without an
// error after one flipped bit, so what was acknowledged is known only from here.
type highWater struct {
	format uint32 // FormatVersion of the writer
	epoch  string
	term   uint64
	begin  uint64 // first sequence of the epoch
	anchor hash   // what the frame begin names as its Prev
	oldest uint64 // first frame that the trimmer has left
	seq    uint64 // last acknowledged frame; begin-1 when there is none
	hash   hash   // of that frame; anchor when there is none
}

const (
	markMagic   = "RASADMK1"
	markVersion = 1
	// markSlot is the distance of the two slots: a page, so that no torn
	// write of one can reach into the other.
	markSlot = 4096
	epochMax = 32 // bytes of an epoch's name
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// markFile keeps the high-water mark in two slots written in turn: a power cut
// while one is written leaves the other, which is one frame older.
type markFile struct {
	f    *os.File
	turn uint64 // of the newest slot; its parity is the slot
	now  highWater
	// loose: not synced, see JournalOptions.Unsynced.
	loose bool
}

// markHealth is what was found when a mark file was opened.
type markHealth uint8

const (
	markNew    markHealth = iota // there was no file
	markBlank                    // there was nothing in it yet
	markWhole                    // both slots agree with their checksums
	markOlder                    // one slot is damaged: the mark may be one frame old
	markBroken                   // both are damaged
)

// known tells whether the mark says what was acknowledged.
func (h markHealth) known() bool { return h == markWhole || h == markOlder }

// openMark opens or makes the mark file at path and returns what it remembers.
func openMark(path string) (*markFile, markHealth, error) {
	m := &markFile{}
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		m.f, err = createMark(path)
		return m, markNew, err
	case err != nil:
		return nil, 0, fmt.Errorf("read the mark: %w", err)
	}
	if m.f, err = os.OpenFile(path, os.O_RDWR, 0o600); err != nil {
		return nil, 0, fmt.Errorf("open the mark: %w", err)
	}
	var health markHealth
	m.turn, m.now, health = readSlots(b)
	return m, health, nil
}

// readSlots returns what the bytes of a mark file remember.
func readSlots(b []byte) (turn uint64, now highWater, health markHealth) {
	blank, good := 0, 0
	for i := range uint64(2) {
		var slot []byte
		if off := int(i) * markSlot; len(b) >= off+markSlot {
			slot = b[off : off+markSlot]
		}
		if len(slot) > 0 && allZero(slot) {
			blank++
			continue
		}
		t, w, ok := parseMark(slot)
		if !ok || t%2 != i {
			continue
		}
		good++
		if good == 1 || t > turn {
			turn, now = t, w
		}
	}
	switch {
	case good == 2, good == 1 && blank == 1 && turn == 1:
		return turn, now, markWhole
	case good == 1:
		return turn, now, markOlder
	case blank == 2 && len(b) == 2*markSlot:
		return turn, now, markBlank // the crash came before the first mark
	}
	return turn, now, markBroken
}

// createMark writes real zeros, so that a later write of a slot changes no
// metadata and fdatasync is one write of one block.
func createMark(path string) (*os.File, error) {
	tmp := path + ".tmp"
	if err := writeSynced(tmp, make([]byte, 2*markSlot)); err != nil {
		return nil, fmt.Errorf("make the mark: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return nil, fmt.Errorf("make the mark: %w", err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("make the mark: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the mark: %w", err)
	}
	return f, nil
}

// set writes w into the older slot and waits until it is on the disk.
func (m *markFile) set(w highWater) error {
	turn := m.turn + 1
	b := appendMark(make([]byte, 0, markSlot), turn, w)
	if _, err := m.f.WriteAt(b[:markSlot], int64(turn%2)*markSlot); err != nil {
		return fmt.Errorf("write the mark of frame %d: %w", w.seq, err)
	}
	if !m.loose {
		if err := unix.Fdatasync(int(m.f.Fd())); err != nil {
			return fmt.Errorf("sync the mark of frame %d: %w", w.seq, err)
		}
	}
	m.turn, m.now = turn, w
	return nil
}

// setBoth writes w into both slots: no later damage to one may bring back what
// stood there before.
func (m *markFile) setBoth(w highWater) error {
	if err := m.set(w); err != nil {
		return err
	}
	return m.set(w)
}

func (m *markFile) close() error { return m.f.Close() }

// appendMark encodes one slot, padded to its size.
func appendMark(b []byte, turn uint64, w highWater) []byte {
	le := binary.LittleEndian
	b = append(b, markMagic...)
	b = le.AppendUint32(b, markVersion)
	b = le.AppendUint32(b, w.format)
	for _, v := range [...]uint64{turn, w.term, w.begin, w.oldest, w.seq} {
		b = le.AppendUint64(b, v)
	}
	b = append(b, w.anchor[:]...)
	b = append(b, w.hash[:]...)
	var epoch [epochMax]byte
	copy(epoch[:], w.epoch)
	b = append(b, epoch[:]...)
	b = append(b, make([]byte, markSlot-4-len(b))...)
	return le.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// parseMark decodes one slot. It returns false for a slot that is not whole.
func parseMark(b []byte) (turn uint64, w highWater, ok bool) {
	le := binary.LittleEndian
	if len(b) != markSlot || string(b[:8]) != markMagic ||
		crc32.Checksum(b[:markSlot-4], castagnoli) != le.Uint32(b[markSlot-4:]) || le.Uint32(b[8:]) != markVersion {
		return 0, w, false
	}
	w.format = le.Uint32(b[12:])
	b = b[16:]
	for _, v := range [...]*uint64{&turn, &w.term, &w.begin, &w.oldest, &w.seq} {
		*v = le.Uint64(b)
		b = b[8:]
	}
	b = b[copy(w.anchor[:], b):]
	b = b[copy(w.hash[:], b):]
	n := 0
	for n < epochMax && b[n] != 0 {
		n++
	}
	w.epoch = string(b[:n])
	return turn, w, true
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// writeSynced makes or replaces a file and waits until its bytes are on the
// disk. The folder is the caller's to sync.
func writeSynced(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDir makes renames in a folder durable.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// syncAll makes all that was written on the file system of a folder durable.
func syncAll(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := unix.Syncfs(int(d.Fd())); err != nil {
		return errors.Join(fmt.Errorf("sync %s: %w", dir, err), d.Close())
	}
	return d.Close()
}
