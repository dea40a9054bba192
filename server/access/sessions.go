package access

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Session is a person or a wall that has come in. Its secret is in a cookie of the
// browser, and nowhere here: Key is the hash.
type Session struct {
	ID      string `json:"id"`  // names it in lists, acts and watches; no secret, and lasting over rotations
	Key     string `json:"key"` // SHA-256 of the secret, hex
	Account string `json:"account,omitempty"`
	Device  string `json:"device,omitempty"`
	Role    Role   `json:"role"`
	// Grant is that of the account when the session began.
	Grant uint64 `json:"grant,omitempty"`
	// BreakGlass shortens it.
	BreakGlass bool      `json:"break_glass,omitempty"`
	Created    time.Time `json:"created"`
	Seen       time.Time `json:"seen"`
	SteppedUp  time.Time `json:"stepped_up,omitzero"` // until when
	From       string    `json:"from,omitempty"`
	Agent      string    `json:"agent,omitempty"` // the browser, as it calls itself
}

// ErrNoSession is a session that is not, or is over.
var ErrNoSession = errors.New("there is no such session, or it is over")

// Lifetime is how long a session lasts without a sign of life, and at all.
type Lifetime struct{ Idle, Absolute time.Duration }

// lifetimes: a shift and its handover for those who work at a desk that is watched,
// days for a tablet that is carried, little for who can change everything, and a
// year for a wall that nobody touches, two weeks of which it may be switched off.
var lifetimes = map[Role]Lifetime{
	Viewer:        {12 * time.Hour, 7 * 24 * time.Hour},
	Dispatcher:    {4 * time.Hour, 14 * time.Hour},
	Supervisor:    {4 * time.Hour, 14 * time.Hour},
	Commander:     {24 * time.Hour, 7 * 24 * time.Hour},
	AgencyOfficer: {8 * time.Hour, 24 * time.Hour},
	ShelterKeeper: {12 * time.Hour, 7 * 24 * time.Hour},
	Admin:         {time.Hour, 10 * time.Hour},
	Wall:          {14 * 24 * time.Hour, 365 * 24 * time.Hour},
}

var breakGlassLifetime = Lifetime{30 * time.Minute, 4 * time.Hour}

const (
	// stepUpFor is how long a second proof counts.
	stepUpFor = 10 * time.Minute
	// sessionsPerAccount is what one person opens: two consoles, a tablet, a phone,
	// and what was not closed. The one not seen longest goes.
	sessionsPerAccount = 10
	sessionsMax        = 100_000
	// seenEvery is how often a sign of life is written down.
	seenEvery = time.Minute
	sweep     = 500 * time.Millisecond
)

// LifetimeOf is how long a session of a role lasts.
func LifetimeOf(role Role, breakGlass bool) Lifetime {
	if breakGlass {
		return breakGlassLifetime
	}
	return lifetimes[role]
}

// Ends is when the session is over if nothing is heard of it any more.
func (s Session) Ends() time.Time {
	l := LifetimeOf(s.Role, s.BreakGlass)
	idle, absolute := s.Seen.Add(l.Idle), s.Created.Add(l.Absolute)
	if idle.Before(absolute) {
		return idle
	}
	return absolute
}

func (s Session) alive(now time.Time) bool {
	l := LifetimeOf(s.Role, s.BreakGlass)
	return now.Sub(s.Seen) < l.Idle && now.Sub(s.Created) < l.Absolute
}

// SessionStore keeps sessions over a restart. The sessions in memory count; a store
// that fails costs a sign-in after the next restart, and nothing now.
type SessionStore interface {
	Load(ctx context.Context) ([]Session, error)
	Put(ctx context.Context, s Session) error
	Delete(ctx context.Context, id string) error
}

// NoStore keeps nothing: sessions end with the program.
type NoStore struct{}

// Load returns nothing.
func (NoStore) Load(context.Context) ([]Session, error) { return nil, nil }

// Put does nothing.
func (NoStore) Put(context.Context, Session) error { return nil }

// Delete does nothing.
func (NoStore) Delete(context.Context, string) error { return nil }

// Sessions are those who are in. It is safe for concurrent use. Run ends those
// whose time is over.
type Sessions struct {
	store SessionStore
	log   *slog.Logger
	// valid tells whether the account or device of a session still may.
	valid func(Session) bool

	mu       sync.Mutex
	byKey    map[string]*Session
	byID     map[string]*Session
	written  map[string]time.Time
	watchers watchers
	// turns keeps what is written to the store in the order of what happened.
	turns sync.Mutex
}

// NewSessions returns the sessions of a store. The function valid tells whether the
// account or device that a session names still may what it could when the session
// began; a session that it denies is over.
func NewSessions(ctx context.Context, store SessionStore, log *slog.Logger, valid func(Session) bool) (*Sessions, error) {
	s := &Sessions{store: store, log: log, valid: valid, byKey: map[string]*Session{}, byID: map[string]*Session{}, written: map[string]time.Time{}}
	kept, err := store.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("load the sessions: %w", err)
	}
	for _, k := range kept {
		if k.ID != "" && len(k.Key) == 64 {
			s.byKey[k.Key], s.byID[k.ID] = &k, &k
		}
	}
	return s, nil
}

// parseSecret says whether text can be the secret of a session: 256 bits.
func parseSecret(text string) bool {
	if len(text) != 43 {
		return false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return err == nil && len(b) == 32
}

// Begin makes a session and returns its secret. One that the browser already had is
// over (old may be empty): nobody comes in on a session that somebody else chose.
func (s *Sessions) Begin(ctx context.Context, now time.Time, in Session, old string) (string, Session) {
	text := secret(32)
	in.ID, in.Key = secret(12), sha(text)
	in.Created, in.Seen = now.UTC().Round(0), now.UTC().Round(0)
	in.Agent = clip(in.Agent, 200)
	s.mu.Lock()
	over := s.dropLocked(func(x *Session) bool { return old != "" && x.Key == sha(old) })
	over = append(over, s.crowdedLocked(in)...)
	kept := in
	s.byKey[in.Key], s.byID[in.ID] = &kept, &kept
	s.written[in.ID] = now
	s.mu.Unlock()
	s.forget(ctx, over)
	s.keep(ctx, in)
	return text, in
}

// crowdedLocked ends what is too much: of one account or device, or of all.
func (s *Sessions) crowdedLocked(in Session) []string {
	var same []*Session
	for _, x := range s.byID {
		if x.Account == in.Account && x.Device == in.Device {
			same = append(same, x)
		}
	}
	most := sessionsPerAccount
	if in.Device != "" {
		most = 1 // a wall that comes twice is a copy
	}
	if len(same) < most && len(s.byID) < sessionsMax {
		return nil
	}
	slices.SortFunc(same, func(a, b *Session) int { return cmp.Or(a.Seen.Compare(b.Seen), cmp.Compare(a.ID, b.ID)) })
	n := max(len(same)-most+1, 0)
	if n == 0 && len(same) > 0 {
		n = 1 // the house is full: one of the own goes
	}
	gone := same[:n]
	return s.dropLocked(func(x *Session) bool { return slices.Contains(gone, x) })
}

// Find returns the session of a secret and notes the sign of life. It returns
// [ErrNoSession].
func (s *Sessions) Find(ctx context.Context, now time.Time, text string) (Session, error) {
	if !parseSecret(text) {
		return Session{}, ErrNoSession
	}
	key := sha(text) // a map's lookup by the hash tells nothing about the secret by its time
	s.mu.Lock()
	x := s.byKey[key]
	if x == nil {
		s.mu.Unlock()
		return Session{}, ErrNoSession
	}
	if !x.alive(now) || !s.valid(*x) {
		over := s.dropLocked(func(y *Session) bool { return y == x })
		s.mu.Unlock()
		s.forget(ctx, over)
		return Session{}, ErrNoSession
	}
	out, due := s.seenLocked(x, now)
	s.mu.Unlock()
	if due {
		s.keep(ctx, out)
	}
	return out, nil
}

// Touch notes a sign of life of a session that has a socket open. A wall may give no
// other for months, so it is written down as well.
func (s *Sessions) Touch(ctx context.Context, now time.Time, id string) {
	s.mu.Lock()
	x := s.byID[id]
	if x == nil || !x.alive(now) {
		s.mu.Unlock()
		return
	}
	out, due := s.seenLocked(x, now)
	s.mu.Unlock()
	if due {
		s.keep(ctx, out)
	}
}

// seenLocked notes a sign of life, and says whether it is due to be written.
func (s *Sessions) seenLocked(x *Session, now time.Time) (Session, bool) {
	x.Seen = now.UTC().Round(0)
	due := now.Sub(s.written[x.ID]) >= seenEvery
	if due {
		s.written[x.ID] = now
	}
	return *x, due
}

// Rotate gives a session a new secret; the one before is worth nothing from then
// on. Its watches go on. It returns [ErrNoSession].
func (s *Sessions) Rotate(ctx context.Context, now time.Time, id string, change func(*Session)) (string, Session, error) {
	text := secret(32)
	s.mu.Lock()
	x := s.byID[id]
	if x == nil || !x.alive(now) || !s.valid(*x) {
		s.mu.Unlock()
		return "", Session{}, ErrNoSession
	}
	delete(s.byKey, x.Key)
	x.Key, x.Seen = sha(text), now.UTC().Round(0)
	if change != nil {
		change(x)
	}
	s.byKey[x.Key] = x
	out := *x
	s.mu.Unlock()
	s.keep(ctx, out)
	return text, out, nil
}

// StepUp notes that the person has proved again who they are, and rotates.
func (s *Sessions) StepUp(ctx context.Context, now time.Time, id string) (string, Session, error) {
	return s.Rotate(ctx, now, id, func(x *Session) { x.SteppedUp = now.UTC().Round(0).Add(stepUpFor) })
}

// Revoke ends the sessions for which which is true, and says how many they were.
// Their watches ring before it returns.
func (s *Sessions) Revoke(ctx context.Context, which func(Session) bool) int {
	s.mu.Lock()
	over := s.dropLocked(func(x *Session) bool { return which(*x) })
	s.mu.Unlock()
	s.forget(ctx, over)
	return len(over)
}

// List returns the sessions for which which is true, the one seen last first.
func (s *Sessions) List(now time.Time, which func(Session) bool) []Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Session
	for _, x := range s.byID {
		if x.alive(now) && which(*x) {
			out = append(out, *x)
		}
	}
	slices.SortFunc(out, func(a, b Session) int { return cmp.Or(b.Seen.Compare(a.Seen), cmp.Compare(a.ID, b.ID)) })
	return out
}

// Watch returns a channel that is closed when the session ends, for whatever
// reason; at once when it has ended. stop must be called when nobody listens any
// more. A socket that is opened by a session watches it.
func (s *Sessions) Watch(id string) (over <-chan struct{}, stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.byID[id]
	if x == nil || !x.alive(time.Now()) || !s.valid(*x) {
		return rung, func() {}
	}
	return s.watchers.add(&s.mu, id)
}

// Run ends sessions whose time is over, until ctx ends.
func (s *Sessions) Run(ctx context.Context) {
	tick := time.NewTicker(sweep)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			s.Revoke(ctx, func(x Session) bool { return !x.alive(now) || !s.valid(x) })
		}
	}
}

func (s *Sessions) dropLocked(which func(*Session) bool) []string {
	var over []string
	for id, x := range s.byID {
		if which(x) {
			delete(s.byID, id)
			delete(s.byKey, x.Key)
			delete(s.written, id)
			s.watchers.ring(id)
			over = append(over, id)
		}
	}
	return over
}

// keep writes a session as it is by then: one that ended meanwhile is not written
// back.
func (s *Sessions) keep(ctx context.Context, x Session) {
	s.turns.Lock()
	defer s.turns.Unlock()
	s.mu.Lock()
	now, ok := s.byID[x.ID]
	if ok {
		x = *now
	}
	s.mu.Unlock()
	if !ok {
		return
	}
	if err := s.store.Put(ctx, x); err != nil {
		s.log.Warn("a session lives in memory only", "session", x.ID, "err", err)
	}
}

func (s *Sessions) forget(ctx context.Context, ids []string) {
	if len(ids) == 0 {
		return
	}
	s.turns.Lock()
	defer s.turns.Unlock()
	for _, id := range ids {
		if err := s.store.Delete(context.WithoutCancel(ctx), id); err != nil {
			// The account's grant, the lifetime and the memory of this process still refuse
			// it; only a session that was revoked alone could come back by a restart.
			s.log.Error("a session that is over is still in the store", "session", id, "err", err)
		}
	}
}

// watchers wait for the end of something by its id. The zero value is ready.
type watchers map[string]map[chan struct{}]struct{}

// rung is the channel of what is over already.
var rung = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// add needs mu held; the stop that it returns takes it.
func (w *watchers) add(mu *sync.Mutex, id string) (<-chan struct{}, func()) {
	if *w == nil {
		*w = watchers{}
	}
	if (*w)[id] == nil {
		(*w)[id] = map[chan struct{}]struct{}{}
	}
	c := make(chan struct{})
	(*w)[id][c] = struct{}{}
	return c, func() {
		mu.Lock()
		defer mu.Unlock()
		delete((*w)[id], c)
		if len((*w)[id]) == 0 {
			delete(*w, id)
		}
	}
}

func (w watchers) ring(id string) {
	for c := range w[id] {
		close(c)
	}
	delete(w, id)
}
