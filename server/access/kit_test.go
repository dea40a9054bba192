package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"rasad/geo"
)

// vault is a sealer in memory: boxes are numbers, and an erased one opens no more.
type vault struct {
	mu    sync.Mutex
	boxes map[string][]byte
	fail  bool
}

var errVault = errors.New("the vault is shut")

func (v *vault) Seal(name string, plain []byte) (geo.Sealed, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.fail {
		return geo.Sealed{}, errVault
	}
	if v.boxes == nil {
		v.boxes = map[string][]byte{}
	}
	id := fmt.Sprint("key-", len(v.boxes))
	v.boxes[id] = slices.Clone(plain)
	return geo.Sealed{Name: name, KeyID: id, Box: []byte("box of " + id)}, nil
}

func (v *vault) Open(s geo.Sealed) ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	b, ok := v.boxes[s.KeyID]
	if !ok || b == nil || v.fail {
		return nil, errVault
	}
	return b, nil
}

func (v *vault) Erase(id string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.boxes[id] = nil
	return nil
}

// live counts the boxes that open.
func (v *vault) live() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := 0
	for _, b := range v.boxes {
		if b != nil {
			n++
		}
	}
	return n
}

// memory is a record log in memory, which can fail.
type memory struct {
	records []Record
	fail    error
}

func (m *memory) Append(_ context.Context, r Record) error {
	if m.fail != nil {
		return m.fail
	}
	m.records = append(m.records, r)
	return nil
}

// shelf is a session store in memory, which can fail.
type shelf struct {
	mu   sync.Mutex
	m    map[string]Session
	fail error
	puts int
}

func (s *shelf) Load(context.Context) ([]Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Session
	for _, x := range s.m {
		out = append(out, x)
	}
	return out, nil
}

func (s *shelf) Put(_ context.Context, x Session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	if s.m == nil {
		s.m = map[string]Session{}
	}
	s.m[x.ID] = x
	s.puts++
	return nil
}

func (s *shelf) Delete(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	delete(s.m, id)
	return nil
}

// kit is a gate with everything behind it in memory, and what it told.
type kit struct {
	*Gate
	log    *memory
	vault  *vault
	shelf  *shelf
	tokens string // folder
	mu     sync.Mutex
	events []Event
}

func (k *kit) told(kind string) (n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range k.events {
		if e.Type == kind {
			n++
		}
	}
	return n
}

func newKit(t *testing.T) *kit {
	t.Helper()
	k := &kit{log: &memory{}, vault: &vault{}, shelf: &shelf{}, tokens: t.TempDir()}
	g, err := NewRegister(nil, k.log, k.vault)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := OpenTokens(k.tokens)
	if err != nil {
		t.Fatal(err)
	}
	k.Gate, err = OpenGate(t.Context(), g, tokens, k.shelf, slog.New(slog.DiscardHandler), func(e Event) {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.events = append(k.events, e)
	})
	if err != nil {
		t.Fatal(err)
	}
	k.Hasher = NewHasher(cheap, 2)
	return k
}

const goodPassword = "an otter swims at dusk"

// person makes an account with goodPassword.
func (k *kit) person(t *testing.T, name string, role Role, more ...func(*NewAccount)) Account {
	t.Helper()
	hash, err := k.Hasher.Hash(t.Context(), goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	in := NewAccount{Name: name, Display: name, Role: role, Hash: hash}
	switch role {
	case AgencyOfficer:
		in.Agencies = []string{"fire"}
	case ShelterKeeper:
		in.Shelters = []string{"S1"}
	}
	for _, f := range more {
		f(&in)
	}
	a, err := k.Register.Create(t.Context(), by("admin"), in)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// in signs somebody in with goodPassword.
func (k *kit) in(t *testing.T, name string) (Entry, Principal) {
	t.Helper()
	e, err := k.SignIn(t.Context(), SignIn{Name: name, Password: goodPassword, From: "192.0.2.7"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := k.Identify(t.Context(), Credentials{Session: e.Secret, From: "192.0.2.7"})
	if err != nil {
		t.Fatal(err)
	}
	return e, p
}

func by(name string) Act { return Act{By: "user:" + name, At: time.Now()} }

func isOver(over <-chan struct{}) bool {
	select {
	case <-over:
		return true
	default:
		return false
	}
}
