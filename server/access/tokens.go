package access

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
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
	"syscall"
	"time"

	"rasad/geo"
)

// Roles are the roles that a token may carry.
var Roles = []string{"viewer", "dispatcher", "supervisor", "commander", "agency_officer", "shelter_keeper", "feed", "admin"}

// Why a token may not be made or changed.
var (
	// ErrRole is a role that does not exist.
	ErrRole = errors.New("the role must be one of " + strings.Join(Roles, ", "))
	// ErrName is a token's name that cannot stand in the record.
	ErrName = errors.New("the name must have 1 to 64 printable characters")
	// ErrNoToken is an id of no token.
	ErrNoToken = errors.New("there is no such token")
	// ErrTokenOver is a change of a token that was revoked.
	ErrTokenOver = errors.New("the token was revoked; issue another")
	// ErrLimits are limits below zero or beyond what the door takes.
	ErrLimits = errors.New("a token sends at most 100000 fixes a second, in messages of at most 65536 bytes")
)

// Why a token is refused although it is one of this server.
var (
	ErrTokenUnknown     = errors.New("the token is not one of this server")
	ErrTokenRevoked     = errors.New("the token was revoked")
	ErrTokenExpired     = errors.New("the token is past its time")
	ErrTokenQuarantined = errors.New("the token sent what it may not, again and again, and is set aside for a while")
	ErrTokenRate        = errors.New("the token sends more than its limit")
	ErrTokenSize        = errors.New("the message is larger than the token may send")
)

const (
	tokenPrefix = "rasad_"
	tokenLen    = len(tokenPrefix) + 43
)

// The limits of a token that says none.
const (
	ratePerSecDefault = 20_000
	messageMax        = 64 << 10
	ratePerSecMax     = 100_000
)

// A token is quarantined after quarantineAfter refusals in quarantineWithin, for
// ten minutes the first time and twice as long each further one, to a day. It
// comes back by itself: a phone with a wrong setting must not stay mute because
// nobody looked at a list.
const (
	quarantineAfter  = 20
	quarantineWithin = 10 * time.Minute
	quarantineFirst  = 10 * time.Minute
	quarantineMax    = 24 * time.Hour
	quarantineForget = 24 * time.Hour // after which the count of quarantines begins anew
)

// reloadEvery bounds how long a change by another process may be unseen.
const reloadEvery = 250 * time.Millisecond

// TokenOptions say what a token may do.
type TokenOptions struct {
	Name     string   `json:"name"`
	Role     string   `json:"role"`
	Feed     string   `json:"feed,omitempty"`     // the only feed that it may speak to; empty: any
	IDs      Patterns `json:"ids,omitzero"`       // the only units that it may move; nil: all, empty: none
	Creates  bool     `json:"creates,omitempty"`  // it may create units that it reports first
	Agencies []string `json:"agencies,omitempty"` // of an agency officer or a confined dispatcher
	Shelters []string `json:"shelters,omitempty"`
	Worlds   []string `json:"worlds,omitempty"` // see [Principal.In]
	// PerSecond is how many fixes it sends a second, with a burst of ten seconds;
	// zero: 20000. Bytes is its longest message; zero: 65536.
	PerSecond int `json:"per_second,omitempty"`
	Bytes     int `json:"bytes,omitempty"`
	// Expires is when it ends by itself; zero: never.
	Expires time.Time `json:"expires,omitzero"`
}

// tokenRecord is a line of the token file: what was done to which token. The token
// itself is nowhere on disk. A line without op issues, and one without id is of the
// first version, where the hash was the name.
type tokenRecord struct {
	Op string `json:"op,omitempty"` // "" issue, change, rotate, revoke, quarantine, release
	ID string `json:"id,omitempty"`
	TokenOptions
	SHA256  string    `json:"sha256,omitempty"`
	Created time.Time `json:"created"`
	// Until is when the secrets before a rotation end, or a quarantine.
	Until time.Time `json:"until,omitzero"`
	// Who did it, from where, in which session, and why.
	By      string `json:"by,omitempty"`
	As      Role   `json:"as,omitempty"`
	Session string `json:"session,omitempty"`
	From    string `json:"from,omitempty"`
	Why     string `json:"why,omitempty"`
}

// by writes who acts into a line.
func (r tokenRecord) by(act Act) tokenRecord {
	r.Created, r.By, r.As, r.Session, r.From = act.At.UTC(), act.By, act.Role, act.Session, act.From
	r.Why = strings.ToValidUTF8(clip(act.Why, 500), "")
	return r
}

// token is a token as it stands. It is replaced, never changed, but for the counts.
type token struct {
	id string
	TokenOptions
	created     time.Time
	revoked     bool
	quarantined time.Time // until
	quarantines int       // how many there were
	secrets     map[string]time.Time
	use         *use
}

// use is what is counted of a token and not written down with it.
type use struct {
	seen     time.Time
	level    float64 // fixes left of the burst
	filled   time.Time
	refusals int
	first    time.Time // of the refusals
	refused  int64     // ever, since the start
}

// Tokens are the API tokens of a data folder. Issue and the other changes work from
// any process, whether a server is running or not; a running server sees them
// within a quarter of a second, and an unknown token at once.
type Tokens struct {
	path string
	// Quarantined is called when a token was set aside, outside of all locks.
	Quarantined func(id, name, why string, until time.Time)
	now         func() time.Time

	turn     sync.Mutex // of changes that depend on what is
	mu       sync.Mutex
	stamp    stamp
	looked   time.Time
	by       map[string]*token // by SHA-256 of a secret, hex
	ids      map[string]*token
	seen     map[string]time.Time // as written by [Tokens.Flush]
	watchers watchers
}

// OpenTokens opens the tokens of a data folder, which must exist.
func OpenTokens(dir string) (*Tokens, error) {
	t := &Tokens{path: filepath.Join(dir, "tokens.jsonl"), now: time.Now, by: map[string]*token{}, ids: map[string]*token{}, seen: map[string]time.Time{}}
	if b, err := os.ReadFile(t.seenPath()); err == nil {
		_ = json.Unmarshal(b, &t.seen) // when a token was last seen is worth no refusal to start
	}
	if t.seen == nil {
		t.seen = map[string]time.Time{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t, t.reload()
}

func (t *Tokens) seenPath() string { return strings.TrimSuffix(t.path, ".jsonl") + ".seen.json" }

// plausibleToken says whether text has the form of a token.
func plausibleToken(s string) bool {
	return len(s) == tokenLen && strings.HasPrefix(s, tokenPrefix) && parseSecret(s[len(tokenPrefix):])
}

func newToken() (string, error) {
	b := make([]byte, 32)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("make a token: %w", err)
	}
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(b), nil
}

// Issue makes a token for a program, writes its hash and returns the token. It
// returns [ErrRole] or [ErrName] when it may not exist.
func (t *Tokens) Issue(role, name string, now time.Time) (string, error) {
	text, _, err := t.IssueWith(TokenOptions{Role: role, Name: name}, now)
	return text, err
}

// IssueWith makes a token with limits and returns it and its id, in nobody's name.
// Errors are those of [Tokens.Make].
func (t *Tokens) IssueWith(o TokenOptions, now time.Time) (text, id string, err error) {
	return t.Make(Act{At: now}, o)
}

// Make makes a token with limits and returns it and its id. Errors are [ErrRole],
// [ErrName], [ErrPattern], [ErrScope] and [ErrLimits].
func (t *Tokens) Make(act Act, o TokenOptions) (text, id string, err error) {
	if err := o.check(); err != nil {
		return "", "", err
	}
	if text, err = newToken(); err != nil {
		return "", "", err
	}
	id = secret(9)
	return text, id, t.append(tokenRecord{ID: id, TokenOptions: o, SHA256: digest(text)}.by(act))
}

// Change changes what a token may do; its role and its secrets stay. The function
// sees the options as they are, while nobody else in this process changes them, and
// its error is the answer. Errors are those of [Tokens.Make], [ErrNoToken] and
// [ErrTokenOver].
func (t *Tokens) Change(act Act, id string, change func(TokenInfo) (TokenOptions, error)) error {
	t.turn.Lock()
	defer t.turn.Unlock()
	i, err := t.Get(id, act.At)
	switch {
	case err != nil:
		return err
	case i.Revoked:
		return ErrTokenOver
	}
	role := i.Role
	o, err := change(i)
	if err != nil {
		return err
	}
	o.Role = role
	if err := o.check(); err != nil {
		return err
	}
	return t.append(tokenRecord{Op: "change", ID: id, TokenOptions: o}.by(act))
}

func (o TokenOptions) check() error {
	if !slices.Contains(Roles, o.Role) {
		return fmt.Errorf("role %q: %w", o.Role, ErrRole)
	}
	for _, name := range []string{o.Name, cmp.Or(o.Feed, "x")} {
		if n := len([]rune(name)); n < 1 || n > 64 || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return ErrName
		}
	}
	if o.PerSecond < 0 || o.PerSecond > ratePerSecMax || o.Bytes < 0 || o.Bytes > messageMax {
		return ErrLimits
	}
	if o.Role != string(FeedProgram) {
		// An account of the same role may be confined in the same way.
		a := Account{Name: "token", Role: Role(o.Role), Agencies: o.Agencies, Shelters: o.Shelters}
		if err := checkAccount(&a); err != nil && (len(o.Agencies) > 0 || len(o.Shelters) > 0) {
			return err
		}
	}
	if err := checkWorlds(o.Worlds); err != nil {
		return err
	}
	return CheckPatterns(o.IDs)
}

// Rotate makes a new secret for a token; the one before works for the overlap, so
// that whoever uses it changes over without a gap. It returns [ErrNoToken] and
// [ErrTokenOver].
func (t *Tokens) Rotate(act Act, id string, overlap time.Duration) (string, error) {
	if i, err := t.Get(id, act.At); err != nil {
		return "", err
	} else if i.Revoked {
		return "", ErrTokenOver
	}
	text, err := newToken()
	if err != nil {
		return "", err
	}
	return text, t.append(tokenRecord{Op: "rotate", ID: id, SHA256: digest(text), Until: act.At.UTC().Add(max(overlap, 0))}.by(act))
}

// Revoke ends a token for ever. It returns [ErrNoToken].
func (t *Tokens) Revoke(act Act, id string) error {
	return t.mark(tokenRecord{Op: "revoke", ID: id}.by(act))
}

// Quarantine sets a token aside until a time. It returns [ErrNoToken].
func (t *Tokens) Quarantine(act Act, id string, until time.Time) error {
	return t.mark(tokenRecord{Op: "quarantine", ID: id, Until: until.UTC()}.by(act))
}

// Release ends the quarantine of a token. It returns [ErrNoToken].
func (t *Tokens) Release(act Act, id string) error {
	return t.mark(tokenRecord{Op: "release", ID: id}.by(act))
}

func (t *Tokens) mark(r tokenRecord) error {
	if err := t.exists(r.ID); err != nil {
		return err
	}
	return t.append(r)
}

func (t *Tokens) exists(id string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.reload(); err != nil {
		return err
	}
	if t.ids[id] == nil {
		return fmt.Errorf("token %.64q: %w", id, ErrNoToken)
	}
	return nil
}

// append writes a line, and takes it in at once.
func (t *Tokens) append(r tokenRecord) (err error) {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(t.path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("write the token: %w: %w", ErrUnrecorded, err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", t.path, err)
	}
	was, err := io.ReadAll(f)
	if err != nil {
		return fmt.Errorf("write the token: %w: %w", ErrUnrecorded, err)
	}
	// Half a line is of a process that died while it wrote: with the lock in hand
	// nobody else writes. What it said was promised to nobody.
	size := int64(bytes.LastIndexByte(was, '\n') + 1)
	if size < int64(len(was)) {
		if err := f.Truncate(size); err != nil {
			return fmt.Errorf("cut an unfinished line of %s: %w", t.path, err)
		}
	}
	if _, err = f.Write(append(line, '\n')); err == nil {
		err = f.Sync()
	}
	if err != nil {
		_ = f.Truncate(size) // or the next one does
		return fmt.Errorf("write the token: %w: %w", ErrUnrecorded, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.reload()
}

// Check returns who holds a token, and false when nobody does.
func (t *Tokens) Check(text string) (geo.Principal, bool) {
	p, err := t.Principal(text, t.now())
	return p.Geo(), err == nil
}

// Principal returns who holds a token. Errors are ErrToken….
func (t *Tokens) Principal(text string, now time.Time) (Principal, error) {
	if !plausibleToken(text) {
		return Principal{}, ErrTokenUnknown
	}
	sum := digest(text)
	t.mu.Lock()
	defer t.mu.Unlock()
	if d := now.Sub(t.looked); d >= reloadEvery || d < 0 || t.by[sum] == nil { // below zero: the clock went back
		if err := t.refresh(now); err != nil && t.by[sum] == nil {
			return Principal{}, ErrTokenUnknown
		}
	}
	k := t.by[sum]
	if k == nil {
		return Principal{}, ErrTokenUnknown
	}
	if err := k.standing(sum, now); err != nil {
		return Principal{}, err
	}
	k.use.seen = now
	return Principal{Name: "token:" + k.Name, Role: Role(k.Role), Token: k.id, Feed: k.Feed, IDs: k.IDs, Creates: k.Creates,
		Agencies: k.Agencies, Shelters: k.Shelters, Worlds: k.Worlds}, nil
}

func (k *token) standing(sum string, now time.Time) error {
	until := k.secrets[sum]
	switch {
	case k.revoked:
		return ErrTokenRevoked
	case !until.IsZero() && !now.Before(until), !k.Expires.IsZero() && !now.Before(k.Expires):
		return ErrTokenExpired
	case now.Before(k.quarantined):
		return ErrTokenQuarantined
	}
	return nil
}

// Spend takes the fixes of a message of some bytes from what a token may send. It
// returns [ErrTokenRate], [ErrTokenSize] and [ErrNoToken].
func (t *Tokens) Spend(id string, fixes, size int, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.ids[id]
	if k == nil {
		return ErrNoToken
	}
	if size > cmp.Or(k.Bytes, messageMax) {
		return ErrTokenSize
	}
	rate := float64(cmp.Or(k.PerSecond, ratePerSecDefault))
	u := k.use
	if u.filled.IsZero() {
		u.level, u.filled = 10*rate, now
	}
	if d := now.Sub(u.filled); d > 0 {
		u.level, u.filled = min(10*rate, u.level+d.Seconds()*rate), now
	}
	if float64(fixes) > u.level {
		return ErrTokenRate
	}
	u.level -= float64(fixes)
	return nil
}

// Refused counts that a token asked for what it may not: another's unit, another
// feed, too much. It is set aside when that happens again and again. A fix that is
// only implausible is no such refusal.
func (t *Tokens) Refused(id, why string, now time.Time) error {
	t.mu.Lock()
	k := t.ids[id]
	if k == nil {
		t.mu.Unlock()
		return ErrNoToken
	}
	u := k.use
	if now.Sub(u.first) > quarantineWithin {
		u.refusals, u.first = 0, now
	}
	u.refusals++
	u.refused++
	if u.refusals < quarantineAfter || now.Before(k.quarantined) {
		t.mu.Unlock()
		return nil
	}
	u.refusals = 0
	lasts := delay(k.quarantines+1, quarantineFirst, quarantineMax)
	if now.Sub(k.quarantined) > quarantineForget {
		lasts = quarantineFirst
	}
	name := k.Name
	t.mu.Unlock()
	until := now.Add(lasts)
	if err := t.Quarantine(Act{By: "system", Role: System, Why: why, At: now}, id, until); err != nil {
		return fmt.Errorf("quarantine the token %s: %w", name, err)
	}
	if t.Quarantined != nil {
		t.Quarantined(id, name, why, until)
	}
	return nil
}

// TokenInfo is a token as an admin sees it.
type TokenInfo struct {
	ID string `json:"id"`
	TokenOptions
	Created     time.Time `json:"created"`
	Revoked     bool      `json:"revoked"`
	Quarantined time.Time `json:"quarantined_until,omitzero"`
	Seen        time.Time `json:"seen,omitzero"`
	Refused     int64     `json:"refused"` // since the start of this process
	Secrets     int       `json:"secrets"` // 2 while a rotation overlaps
}

// List returns all tokens by when they were made.
func (t *Tokens) List(now time.Time) ([]TokenInfo, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.reload(); err != nil {
		return nil, err
	}
	var out []TokenInfo
	for _, k := range t.ids {
		out = append(out, t.infoLocked(k, now))
	}
	slices.SortFunc(out, func(a, b TokenInfo) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID)) })
	return out, nil
}

// Get returns a token by its id. It returns [ErrNoToken].
func (t *Tokens) Get(id string, now time.Time) (TokenInfo, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.reload(); err != nil {
		return TokenInfo{}, err
	}
	k := t.ids[id]
	if k == nil {
		return TokenInfo{}, fmt.Errorf("token %.64q: %w", id, ErrNoToken)
	}
	return t.infoLocked(k, now), nil
}

func (t *Tokens) infoLocked(k *token, now time.Time) TokenInfo {
	i := TokenInfo{ID: k.id, TokenOptions: k.TokenOptions, Created: k.created, Revoked: k.revoked, Seen: t.lastSeen(k), Refused: k.use.refused}
	if now.Before(k.quarantined) {
		i.Quarantined = k.quarantined
	}
	for _, until := range k.secrets {
		if until.IsZero() || now.Before(until) {
			i.Secrets++
		}
	}
	return i
}

func (t *Tokens) lastSeen(k *token) time.Time {
	if s := t.seen[k.id]; s.After(k.use.seen) {
		return s
	}
	return k.use.seen
}

// Flush writes when each token was last seen. What it loses in a crash is a minute
// of that.
func (t *Tokens) Flush() error {
	t.mu.Lock()
	for id, k := range t.ids {
		if s := t.lastSeen(k); !s.IsZero() {
			t.seen[id] = s.UTC().Truncate(time.Second)
		}
	}
	b, err := json.Marshal(t.seen)
	t.mu.Unlock()
	if err != nil {
		return err
	}
	tmp := t.seenPath() + ".tmp"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return fmt.Errorf("write when tokens were seen: %w", err)
	}
	return os.Rename(tmp, t.seenPath())
}

// Watch returns a channel that is closed when the token ends or is set aside; at
// once when it is. stop must be called when nobody listens any more.
func (t *Tokens) Watch(id string) (over <-chan struct{}, stop func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k := t.ids[id]; k == nil || k.over(t.now()) {
		return rung, func() {}
	}
	return t.watchers.add(&t.mu, id)
}

// over tells whether no secret of the token opens anything.
func (k *token) over(now time.Time) bool {
	for sum := range k.secrets {
		if k.standing(sum, now) == nil {
			return false
		}
	}
	return true
}

// Run looks for changes by other processes, rings the watches of tokens whose time
// is over, and writes when tokens were seen, until ctx ends. failed is told what
// could not be read or written.
func (t *Tokens) Run(ctx context.Context, failed func(error)) {
	look := time.NewTicker(sweep)
	defer look.Stop()
	flush := time.NewTicker(time.Minute)
	defer flush.Stop()
	for {
		select {
		case <-ctx.Done():
			if err := t.Flush(); err != nil {
				failed(err)
			}
			return
		case <-flush.C:
			if err := t.Flush(); err != nil {
				failed(err)
			}
		case now := <-look.C:
			t.mu.Lock()
			err := t.refresh(now)
			t.ringOver(now)
			t.mu.Unlock()
			if err != nil {
				failed(err)
			}
		}
	}
}

func (t *Tokens) ringOver(now time.Time) {
	for id := range maps.Clone(t.watchers) {
		if k := t.ids[id]; k == nil || k.over(now) {
			t.watchers.ring(id)
		}
	}
}

// refresh reads the file again when it is not as long as it was.
func (t *Tokens) refresh(now time.Time) error {
	t.looked = now
	fi, err := os.Stat(t.path)
	if errors.Is(err, os.ErrNotExist) && t.stamp == (stamp{}) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at the tokens: %w", err)
	}
	if stampOf(fi) == t.stamp {
		return nil
	}
	return t.reload()
}

// stamp tells one state of the file from the next.
type stamp struct {
	size int64
	time time.Time
}

func stampOf(fi os.FileInfo) stamp { return stamp{fi.Size(), fi.ModTime()} }

// reload reads the whole file. When it cannot, what was known stays.
func (t *Tokens) reload() error {
	fi, err := os.Stat(t.path) // before it is read: what comes meanwhile is read again
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at the tokens: %w", err)
	}
	b, err := os.ReadFile(t.path)
	if err != nil {
		return fmt.Errorf("read the tokens: %w", err)
	}
	ids, err := parseTokens(b)
	if err != nil {
		return fmt.Errorf("%s:%w", t.path, err)
	}
	by := map[string]*token{}
	for id, k := range ids {
		if old := t.ids[id]; old != nil {
			k.use = old.use
		}
		for sum := range k.secrets {
			by[sum] = k
		}
	}
	t.ids, t.by, t.stamp = ids, by, stampOf(fi)
	t.ringOver(t.now())
	return nil
}

// parseTokens reads a token file. A line without an end is still being written, or
// never will be; one in the middle that cannot be read is an error that names it.
func parseTokens(b []byte) (map[string]*token, error) {
	ids := map[string]*token{}
	line := 0
	for len(b) > 0 {
		line++
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			return ids, nil
		}
		one := b[:end]
		b = b[end+1:]
		if len(bytes.TrimSpace(one)) == 0 {
			continue
		}
		var r tokenRecord
		if err := json.Unmarshal(one, &r); err != nil {
			return nil, fmt.Errorf("%d: %w; remove the line, its token has to be issued again", line, err)
		}
		r.ID = cmp.Or(r.ID, clip(r.SHA256, 12)) // of the first version
		r.into(ids)
	}
	return ids, nil
}

// into applies a line. One about a token that is not there changes nothing: its
// line was removed by hand.
func (r tokenRecord) into(ids map[string]*token) {
	k := ids[r.ID]
	if r.Op == "" {
		if k == nil && r.ID != "" && r.SHA256 != "" {
			ids[r.ID] = &token{id: r.ID, TokenOptions: r.TokenOptions, created: r.Created, secrets: map[string]time.Time{r.SHA256: {}}, use: &use{}}
		}
		return
	}
	if k == nil {
		return
	}
	switch r.Op {
	case "change":
		k.TokenOptions = r.TokenOptions
	case "rotate":
		for sum, until := range k.secrets {
			if until.IsZero() || r.Until.Before(until) {
				k.secrets[sum] = r.Until
			}
		}
		k.secrets[r.SHA256] = time.Time{}
	case "revoke":
		k.revoked = true
	case "quarantine":
		if r.Created.Sub(k.quarantined) > quarantineForget {
			k.quarantines = 0
		}
		k.quarantined = r.Until
		k.quarantines++
	case "release":
		k.quarantined = time.Time{}
		k.quarantines = 0
	}
}

func digest(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
