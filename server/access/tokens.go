// Package access decides who may come in. So far it knows programs by their
// tokens; until accounts exist, a token is accepted and not needed, and the
// server listens on loopback only.
package access

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"rasad/geo"
)

// Roles are the roles that a token may carry.
var Roles = []string{"viewer", "dispatcher", "supervisor", "commander", "agency_officer", "shelter_keeper", "feed", "admin"}

// ErrRole is a role that does not exist.
var ErrRole = errors.New("the role must be one of " + strings.Join(Roles, ", "))

// ErrName is a token's name that cannot stand in the record.
var ErrName = errors.New("the name must have 1 to 64 printable characters")

const tokenPrefix = "rasad_"

// record is a line of the token file. The token itself is nowhere on disk.
type record struct {
	Name    string    `json:"name"`
	Role    string    `json:"role"`
	SHA256  string    `json:"sha256"`
	Created time.Time `json:"created"`
}

// Tokens are the API tokens of a data folder. Issue works from any process,
// whether a server is running or not; a running server sees it at once, because
// it reads the file again when a token is unknown and the file has grown.
type Tokens struct {
	path string
	mu   sync.Mutex
	size int64
	by   map[string]record // by SHA-256 of the token, hex
}

// OpenTokens opens the tokens of a data folder, which must exist.
func OpenTokens(dir string) (*Tokens, error) {
	t := &Tokens{path: filepath.Join(dir, "tokens.jsonl"), by: map[string]record{}}
	return t, t.reload()
}

// Issue makes a token for a program, writes its hash and returns the token. It
// returns [ErrRole] or [ErrName] when it may not exist.
func (t *Tokens) Issue(role, name string, now time.Time) (string, error) {
	if !slices.Contains(Roles, role) {
		return "", fmt.Errorf("role %q: %w", role, ErrRole)
	}
	if n := len([]rune(name)); n < 1 || n > 64 || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", ErrName
	}
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return "", fmt.Errorf("make a token: %w", err)
	}
	token := tokenPrefix + base64.RawURLEncoding.EncodeToString(secret)
	line, err := json.Marshal(record{Name: name, Role: role, SHA256: digest(token), Created: now.UTC()})
	if err != nil {
		return "", err
	}
	f, err := os.OpenFile(t.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return "", fmt.Errorf("write the token: %w", err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", t.path, err)
	}
	if _, err := f.Write(append(line, '\n')); err != nil {
		return "", fmt.Errorf("write the token: %w", err)
	}
	if err := f.Sync(); err != nil {
		return "", fmt.Errorf("write the token: %w", err)
	}
	return token, nil
}

// Check returns who holds a token, and false when nobody does.
func (t *Tokens) Check(token string) (geo.Principal, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, ok := t.by[digest(token)]
	if !ok {
		if fi, err := os.Stat(t.path); err != nil || fi.Size() == t.size || t.reload() != nil {
			return geo.Principal{}, false
		}
		if r, ok = t.by[digest(token)]; !ok {
			return geo.Principal{}, false
		}
	}
	return geo.Principal{Name: "token:" + r.Name, Role: r.Role}, true
}

func (t *Tokens) reload() error {
	f, err := os.Open(t.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the tokens: %w", err)
	}
	defer f.Close()
	size := int64(0)
	sc := bufio.NewScanner(f)
	for line := 1; sc.Scan(); line++ {
		var r record
		if err := json.Unmarshal(sc.Bytes(), &r); err != nil {
			return fmt.Errorf("%s:%d: %w; remove the line, its token has to be issued again", t.path, line, err)
		}
		t.by[r.SHA256] = r
		size += int64(len(sc.Bytes())) + 1
	}
	t.size = size
	return sc.Err()
}

func digest(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
