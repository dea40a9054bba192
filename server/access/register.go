package access

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"rasad/geo"
)

// recordVersion is raised when an older program must not read a record.
const recordVersion = 1

// Errors of the register.
var (
	// ErrLocked: another process has the register of this data folder.
	ErrLocked = errors.New("another process holds the register of accounts; ask the running server")
	// ErrRegister: the record of accounts was altered, cut or damaged.
	ErrRegister = errors.New("the record of accounts is not as it was written")
	// ErrUnrecorded: the change could not be written, and did not happen.
	ErrUnrecorded = errors.New("NOT RECORDING: the change could not be written, nothing was changed; try again")
	// ErrNewerRegister: a newer program wrote it.
	ErrNewerRegister = errors.New("the record of accounts was written by a newer version")
)

// Record is one change of accounts and devices: who did what, and what became of
// it. What it carries is absolute, so applying it decides nothing.
type Record struct {
	V    int       `json:"v"`
	N    uint64    `json:"n"` // 1, 2, 3 …
	At   time.Time `json:"at"`
	Op   string    `json:"op"` // "account.create" …
	By   string    `json:"by"`
	Role Role      `json:"role,omitempty"` // of who did it
	// Session is the id of theirs.
	Session string `json:"session,omitempty"`
	From    string `json:"from,omitempty"`
	Why     string `json:"why,omitempty"`

	Account *Account `json:"account,omitempty"`
	Device  *Device  `json:"device,omitempty"`
	Setup   *Setup   `json:"setup,omitempty"`
	// Prev is the SHA-256 of the record before, as it was written.
	Prev string `json:"prev,omitempty"`
}

// Setup is the one-time token by which the first account is made.
type Setup struct {
	SHA256  string    `json:"sha256"` // empty: used up
	Expires time.Time `json:"expires"`
}

// ParseRecord reads a line of the record. Errors are [ErrRegister] and
// [ErrNewerRegister], wrapped.
func ParseRecord(line []byte) (Record, error) {
	var r Record
	if err := json.Unmarshal(line, &r); err != nil {
		return r, fmt.Errorf("%w: %w", ErrRegister, err)
	}
	if r.V > recordVersion {
		return r, fmt.Errorf("%w: version %d", ErrNewerRegister, r.V)
	}
	switch {
	case r.V < 1 || r.N == 0 || r.Op == "":
		return r, fmt.Errorf("%w: no version, number or name", ErrRegister)
	case r.Account != nil && (r.Account.ID == "" || r.Account.Name == ""):
		return r, fmt.Errorf("%w: an account without id or name", ErrRegister)
	case r.Device != nil && r.Device.ID == "":
		return r, fmt.Errorf("%w: a device without id", ErrRegister)
	}
	return r, nil
}

// State is the register at one moment. It is never changed.
type State struct {
	n        uint64
	prev     string
	accounts map[string]*Account // by id
	names    map[string]*Account
	devices  map[string]*Device
	setup    Setup
}

func newState() *State {
	return &State{accounts: map[string]*Account{}, names: map[string]*Account{}, devices: map[string]*Device{}}
}

// Apply returns the state after a record. It fails only when the record is not the
// one that follows.
func (s *State) Apply(r Record) (*State, error) {
	if r.N != s.n+1 || r.Prev != s.prev {
		return nil, fmt.Errorf("%w: record %d does not follow %d", ErrRegister, r.N, s.n)
	}
	next := *s
	next.n, next.prev = r.N, r.digest()
	if a := r.Account; a != nil {
		next.accounts, next.names = maps.Clone(s.accounts), maps.Clone(s.names)
		if old := s.accounts[a.ID]; old != nil {
			delete(next.names, old.Name)
		}
		if other := next.names[a.Name]; other != nil {
			return nil, fmt.Errorf("%w: record %d gives the name of %s to %s", ErrRegister, r.N, other.ID, a.ID)
		}
		next.accounts[a.ID], next.names[a.Name] = a, a
	}
	if d := r.Device; d != nil {
		next.devices = maps.Clone(s.devices)
		next.devices[d.ID] = d
	}
	if r.Setup != nil {
		next.setup = *r.Setup
	}
	return &next, nil
}

// digest is over what Go writes: a line is written once and read back, and
// encoding/json writes what it read in the same way.
func (r Record) digest() string {
	b, err := json.Marshal(r)
	if err != nil {
		panic("access: a record is not JSON: " + err.Error()) // its types are all ours
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Account returns a copy of an account by its id.
func (s *State) Account(id string) (Account, bool) { return copied(s.accounts[id]) }

// Named returns a copy of an account by its name, as typed.
func (s *State) Named(name string) (Account, bool) { return copied(s.names[NormalName(name)]) }

// Device returns a copy of a device by its id.
func (s *State) Device(id string) (Device, bool) {
	d := s.devices[id]
	if d == nil {
		return Device{}, false
	}
	return *d, true
}

// Accounts are all accounts by name.
func (s *State) Accounts() []Account {
	out := make([]Account, 0, len(s.accounts))
	for _, name := range slices.Sorted(maps.Keys(s.names)) {
		a, _ := copied(s.names[name])
		out = append(out, a)
	}
	return out
}

// Devices are all devices, by when they were approved.
func (s *State) Devices() []Device {
	out := make([]Device, 0, len(s.devices))
	for _, d := range s.devices {
		out = append(out, *d)
	}
	slices.SortFunc(out, func(a, b Device) int {
		if c := a.Approved.Compare(b.Approved); c != 0 {
			return c
		}
		return bytes.Compare([]byte(a.ID), []byte(b.ID))
	})
	return out
}

// Empty tells whether there is no account yet.
func (s *State) Empty() bool { return len(s.accounts) == 0 }

func copied(a *Account) (Account, bool) {
	if a == nil {
		return Account{}, false
	}
	b := *a
	b.Agencies, b.Shelters, b.Worlds = slices.Clone(a.Agencies), slices.Clone(a.Shelters), slices.Clone(a.Worlds)
	return b, true
}

// RecordLog keeps records. Append returns when the record is on the disk: what it
// did not acknowledge did not happen.
type RecordLog interface {
	Append(ctx context.Context, r Record) error
}

// Register holds the accounts and devices of an installation. Reading it is a
// pointer; changes go one after the other: decided, recorded, applied.
type Register struct {
	log   RecordLog
	seal  Sealer
	mu    sync.Mutex
	state atomic.Pointer[State]

	// Changed is called after each change, in order, before the call that made it
	// returns. It must not call back. It is set before the register is used.
	Changed func(Record)
	close   func() error
}

// Sealer encrypts what stands in records but is nobody's to read: password hashes
// and second factors. streams.Sealer is one.
type Sealer interface {
	Seal(name string, plain []byte) (geo.Sealed, error)
	Open(geo.Sealed) ([]byte, error)
	Erase(keyID string) error
}

// NewRegister makes a register of the records so far.
func NewRegister(records []Record, log RecordLog, seal Sealer) (*Register, error) {
	s := newState()
	for _, r := range records {
		var err error
		if s, err = s.Apply(r); err != nil {
			return nil, err
		}
	}
	g := &Register{log: log, seal: seal}
	g.state.Store(s)
	return g, nil
}

// State is the register as it is.
func (g *Register) State() *State { return g.state.Load() }

// change decides on the state as it is, records, and applies.
func (g *Register) change(ctx context.Context, act Act, decide func(s *State, r *Record) error) (Record, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.state.Load()
	r := Record{V: recordVersion, N: s.n + 1, At: act.At.UTC().Round(0), By: act.By, Role: act.Role, Session: act.Session, From: act.From,
		Why: strings.ToValidUTF8(clip(act.Why, 2000), ""), Prev: s.prev}
	if err := decide(s, &r); err != nil {
		return r, err
	}
	next, err := s.Apply(r)
	if err != nil {
		return r, err
	}
	if err := g.log.Append(ctx, r); err != nil {
		return r, fmt.Errorf("record %s: %w: %w", r.Op, ErrUnrecorded, err)
	}
	g.state.Store(next)
	if g.Changed != nil {
		g.Changed(r)
	}
	return r, nil
}

// note records that something happened which changes nothing.
func (g *Register) note(ctx context.Context, act Act, op string) error {
	_, err := g.change(ctx, act, func(_ *State, r *Record) error {
		r.Op = op
		return nil
	})
	return err
}

// Head is the number and the hash of the last record. Written elsewhere, it proves
// later that nothing was cut off.
func (s *State) Head() (n uint64, hash string) { return s.n, s.prev }

// Act is who changes something, from where, when and why. Session is an id.
type Act struct {
	By, Session, From, Why string
	Role                   Role
	At                     time.Time
}

// Act returns p as it changes something now.
func (p Principal) Act(why string) Act {
	return Act{By: p.Name, Role: p.Role, Session: p.Session, From: p.From, Why: why, At: time.Now()}
}

// Close closes the file of the register.
func (g *Register) Close() error {
	if g.close == nil {
		return nil
	}
	return g.close()
}

// file is a register on disk: a line of JSON for each record.
type file struct {
	f      *os.File
	size   int64
	broken error // set when a half line could not be taken back
}

// OpenRegister opens the register of a data folder, which must exist, and holds it
// until [Register.Close]. A line that was not finished was never acknowledged and
// is cut off. Errors are [ErrLocked], [ErrRegister] and [ErrNewerRegister],
// wrapped.
func OpenRegister(dir string, seal Sealer) (_ *Register, err error) {
	path := filepath.Join(dir, "accounts.jsonl")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the register of accounts: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, ErrLocked)
	}
	records, size, err := readRecords(f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if err := f.Truncate(size); err != nil {
		return nil, fmt.Errorf("cut an unfinished line of %s: %w", path, err)
	}
	if err := syncFolder(dir); err != nil { // the name must outlive a power cut as well
		return nil, fmt.Errorf("sync the data folder: %w", err)
	}
	g, err := NewRegister(records, &file{f: f, size: size}, seal)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	g.close = f.Close
	return g, nil
}

// readRecords reads whole lines, and says where the last one ends.
func readRecords(r io.Reader) (out []Record, size int64, err error) {
	br := bufio.NewReader(r)
	for {
		line, err := br.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return out, size, nil
		}
		if err != nil {
			return nil, 0, err
		}
		rec, err := ParseRecord(line)
		if err != nil {
			return nil, 0, fmt.Errorf("line %d: %w", len(out)+1, err)
		}
		out, size = append(out, rec), size+int64(len(line))
	}
}

// Append writes a record and waits for the disk. What it could not finish it takes
// back; when that fails too, nothing is written until the file is opened again.
func (l *file) Append(_ context.Context, r Record) error {
	if l.broken != nil {
		return l.broken
	}
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	_, err = l.f.WriteAt(line, l.size)
	if err == nil {
		err = l.f.Sync()
	}
	if err != nil {
		if back := l.f.Truncate(l.size); back != nil {
			l.broken = fmt.Errorf("the register is broken since a write failed: %w", err)
		}
		return err
	}
	l.size += int64(len(line))
	return nil
}
