package streams

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"rasad/geo"
)

// What a sealer says when a sealed field cannot be read.
var (
	// ErrErased is a field whose key was destroyed on purpose.
	ErrErased = errors.New("the field was erased")
	// ErrKeyMissing is a field whose key is not here: of another installation,
	// or lost with a part of the key file.
	ErrKeyMissing = errors.New("the key of the field is missing")
	// ErrSeal is a sealed field that does not fit its key: altered, or moved
	// under another name.
	ErrSeal = errors.New("the sealed field was altered")
)

// The key file is a row of records, each written twice side by side: a flipped
// bit in one copy is repaired from the other. A copy is id, key, kind, padding
// and a checksum. Nothing is ever moved, so that erasing can overwrite the very
// bytes that held the key.
const (
	keyCopy   = 64
	keyRecord = 2 * keyCopy
	keyIDLen  = 16
	keyLen    = 32

	kindKey    = 1
	kindSecret = 2 // of the installation, for digests
	kindErased = 3
)

type keyID [keyIDLen]byte

type keyAt struct {
	key    [keyLen]byte
	offset int64
	erased bool
}

// Sealer encrypts personal fields, each under a key of its own, and keeps the
// keys in the file "keys" of a data folder. Frames, keyframes, archive and
// backups carry only the boxes, so destroying a key erases the field in all of
// them. It is safe for concurrent use; one process may have the folder.
//
// Overwriting in place reaches the disk block on ordinary filesystems and
// disks. On one that copies on write, or in a backup of the key file, old bytes
// may live on: keep the key file out of the backups that hold frames.
type Sealer struct {
	mu     sync.Mutex
	f      *os.File
	end    int64
	keys   map[keyID]*keyAt
	secret [keyLen]byte
	lost   int
}

// OpenSealer opens the keys of the data folder dir, or makes the folder, the
// file and the installation's secret.
func OpenSealer(dir string) (*Sealer, error) {
	s := &Sealer{keys: map[keyID]*keyAt{}}
	if err := s.open(dir); err != nil {
		if s.f != nil {
			_ = s.f.Close()
		}
		return nil, fmt.Errorf("open the keys in %s: %w", dir, err)
	}
	return s, nil
}

func (s *Sealer) open(dir string) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if s.f, err = os.OpenFile(filepath.Join(dir, "keys"), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return err
	}
	b, err := os.ReadFile(s.f.Name())
	if err != nil {
		return err
	}
	secret := false
	for ; s.end+keyRecord <= int64(len(b)); s.end += keyRecord {
		row := b[s.end : s.end+keyRecord]
		id, key, kind, ok := s.readRecord(row)
		switch {
		case !ok:
			s.lost++
		case kind == kindSecret:
			s.secret, secret = key, true
		case kind == kindErased:
			s.keys[id] = &keyAt{offset: s.end, erased: true}
		case kind == kindKey:
			s.keys[id] = &keyAt{key: key, offset: s.end}
		}
		if !ok || bytes.Equal(row[:keyCopy], row[keyCopy:]) {
			continue
		}
		if err := s.put(s.end, id, key, kind); err != nil {
			return err
		}
	}
	// What follows the last whole record was never promised to anyone: the
	// crash came before it was synced.
	if int64(len(b)) > s.end {
		if err := s.f.Truncate(s.end); err != nil {
			return err
		}
	}
	if secret {
		return nil
	}
	if s.end > 0 {
		return fmt.Errorf("%w: the installation's secret", ErrKeyMissing)
	}
	if _, err := rand.Read(s.secret[:]); err != nil {
		return err
	}
	if err := s.put(0, keyID{}, s.secret, kindSecret); err != nil {
		return err
	}
	s.end = keyRecord
	return syncDir(dir)
}

// readRecord returns what the two copies of a record say. Of two that are whole
// and differ, the one that is erased counts: the crash came while erasing.
func (s *Sealer) readRecord(row []byte) (id keyID, key [keyLen]byte, kind byte, ok bool) {
	for _, c := range [2][]byte{row[:keyCopy], row[keyCopy:]} {
		if crc32.Checksum(c[:keyCopy-4], castagnoli) != binary.LittleEndian.Uint32(c[keyCopy-4:]) {
			continue
		}
		if k := c[keyIDLen+keyLen]; !ok || k == kindErased {
			copy(id[:], c)
			copy(key[:], c[keyIDLen:])
			kind, ok = k, true
		}
	}
	return id, key, kind, ok
}

// put writes both copies of a record and waits until they are on the disk.
func (s *Sealer) put(at int64, id keyID, key [keyLen]byte, kind byte) error {
	c := make([]byte, 0, keyRecord)
	c = append(c, id[:]...)
	c = append(c, key[:]...)
	c = append(c, kind)
	c = append(c, make([]byte, keyCopy-4-len(c))...)
	c = binary.LittleEndian.AppendUint32(c, crc32.Checksum(c, castagnoli))
	c = append(c, c...)
	defer clear(c)
	if _, err := s.f.WriteAt(c, at); err != nil {
		return err
	}
	return unix.Fdatasync(int(s.f.Fd()))
}

// Lost is the number of keys that the file no longer tells: both copies were
// damaged.
func (s *Sealer) Lost() int { return s.lost }

// Seal encrypts plain under a fresh key and returns the box for the property
// name. The key is durable when it returns.
func (s *Sealer) Seal(name string, plain []byte) (geo.Sealed, error) {
	var id keyID
	k := &keyAt{}
	if _, err := rand.Read(id[:]); err != nil {
		return geo.Sealed{}, fmt.Errorf("seal %s: %w", name, err)
	}
	if _, err := rand.Read(k.key[:]); err != nil {
		return geo.Sealed{}, fmt.Errorf("seal %s: %w", name, err)
	}
	out := geo.Sealed{Name: name, KeyID: base64.RawURLEncoding.EncodeToString(id[:])}
	box, err := cipherOf(k.key)
	if err != nil {
		return geo.Sealed{}, fmt.Errorf("seal %s: %w", name, err)
	}
	nonce := make([]byte, box.NonceSize(), box.NonceSize()+len(plain)+box.Overhead())
	if _, err := rand.Read(nonce); err != nil {
		return geo.Sealed{}, fmt.Errorf("seal %s: %w", name, err)
	}
	out.Box = box.Seal(nonce, nonce, plain, sealedAs(out))
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.put(s.end, id, k.key, kindKey); err != nil {
		return geo.Sealed{}, fmt.Errorf("seal %s: write its key: %w", name, err)
	}
	k.offset = s.end
	s.end += keyRecord
	s.keys[id] = k
	return out, nil
}

// Open decrypts a sealed field. Errors are [ErrErased], [ErrKeyMissing] and
// [ErrSeal].
func (s *Sealer) Open(f geo.Sealed) ([]byte, error) {
	s.mu.Lock()
	k, err := s.find(f.KeyID)
	var key [keyLen]byte
	if err == nil {
		key = k.key
		if k.erased {
			err = ErrErased
		}
	}
	s.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("open the sealed %s: %w", f.Name, err)
	}
	box, err := cipherOf(key)
	if err != nil {
		return nil, fmt.Errorf("open the sealed %s: %w", f.Name, err)
	}
	if len(f.Box) < box.NonceSize() {
		return nil, fmt.Errorf("open the sealed %s: %w", f.Name, ErrSeal)
	}
	plain, err := box.Open(nil, f.Box[:box.NonceSize()], f.Box[box.NonceSize():], sealedAs(f))
	if err != nil {
		return nil, fmt.Errorf("open the sealed %s: %w", f.Name, ErrSeal)
	}
	return plain, nil
}

// Erase destroys a key for ever, in the file and in memory. Erasing again does
// nothing; a key that is not here is [ErrKeyMissing].
func (s *Sealer) Erase(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.find(id)
	if err != nil {
		return fmt.Errorf("erase the key %.40q: %w", id, err)
	}
	if k.erased {
		return nil
	}
	var raw keyID
	_, _ = base64.RawURLEncoding.Decode(raw[:], []byte(id)) // find has decoded it
	if err := s.put(k.offset, raw, [keyLen]byte{}, kindErased); err != nil {
		return fmt.Errorf("erase the key %s: %w", id, err)
	}
	clear(k.key[:])
	k.erased = true
	return nil
}

// Digest returns the HMAC-SHA256 of body under the installation's secret: equal
// bodies are recognised without keeping, or letting anyone guess, what they say.
func (s *Sealer) Digest(body []byte) []byte {
	h := hmac.New(sha256.New, s.secret[:])
	h.Write(body)
	return h.Sum(nil)
}

// Close closes the key file.
func (s *Sealer) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.f.Close()
}

func (s *Sealer) find(id string) (*keyAt, error) {
	raw, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil || len(raw) != keyIDLen {
		return nil, ErrKeyMissing
	}
	k, ok := s.keys[keyID(raw)]
	if !ok {
		return nil, ErrKeyMissing
	}
	return k, nil
}

func cipherOf(key [keyLen]byte) (cipher.AEAD, error) {
	b, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(b)
}

// sealedAs binds a box to its name and key, so that a box put under another
// name does not open.
func sealedAs(f geo.Sealed) []byte { return []byte(f.Name + "\x00" + f.KeyID) }
