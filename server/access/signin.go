package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Gate is where one comes in: it puts accounts, sessions, tokens and devices
// together, and decides nothing that the policy decides.
type Gate struct {
	Register   *Register
	Sessions   *Sessions
	Tokens     *Tokens
	Enrolments *Enrolments
	Hasher     *Hasher
	Limiter    *Limiter
	// Tell hears what happened at the gate, for the record and, where Alarm is set, for
	// people. It must not block.
	Tell func(Event)
	Log  *slog.Logger

	mu sync.Mutex
	// begun are second factors that nobody has confirmed yet, by account.
	begun map[string]begunFactor
}

type begunFactor struct {
	factor  Factor
	session string
	ends    time.Time
}

// factorWait is how long a second factor waits for its first code.
const factorWait = 10 * time.Minute

// Event is something that happened at the gate. Changes of accounts and devices are
// not among them: they are records.
type Event struct {
	Type    string // one of the Event… names
	Account string // its name, or that of a token or device; empty when there is none
	Session string // id
	From    string
	At      time.Time
	Text    string // English
	Alarm   bool   // somebody must look at it
	// By is who did it, anonymous where that is not known, and Why what they said.
	By  Principal
	Why string
}

// The types of events.
const (
	EventSignIn      = "signed_in"
	EventRefused     = "sign_in_refused"
	EventSignOut     = "signed_out"
	EventStepUp      = "stepped_up"
	EventBreakGlass  = "break_glass"
	EventCodes       = "codes_guessed" // somebody has the password and tries codes
	EventQuarantined = "token_quarantined"
	EventWall        = "wall_enrolled"
	EventEnded       = "session_ended" // by somebody, before its time
)

// Why nobody comes in.
var (
	// ErrSignIn: the name, the password or the account is wrong. Which one is not told.
	ErrSignIn = errors.New("the name or the password is not right")
	// ErrCodeNeeded: the password is right, and a one-time code is wanted as well.
	ErrCodeNeeded = errors.New("a code of the second factor is needed")
	// ErrCodeWrong: the password is right and the code is not.
	ErrCodeWrong = errors.New("the code is not right, or was used already")
)

// WaitError is a sign-in that came too soon after others that failed.
type WaitError struct{ Wait time.Duration }

func (e *WaitError) Error() string {
	return fmt.Sprintf("too many attempts; try again in %s", e.Wait.Round(time.Second))
}

// OpenGate puts a gate together. Sessions follow the register from then on: what is
// taken from an account ends its sessions before the call that took it returns.
func OpenGate(ctx context.Context, g *Register, tokens *Tokens, store SessionStore, log *slog.Logger, tell func(Event)) (*Gate, error) {
	sessions, err := NewSessions(ctx, store, log, func(s Session) bool { return standing(g.State(), s) })
	if err != nil {
		return nil, err
	}
	g.Changed = func(r Record) {
		switch {
		case r.Account != nil:
			sessions.Revoke(context.WithoutCancel(ctx), func(s Session) bool { return s.Account == r.Account.ID && !standing(g.State(), s) })
		case r.Device != nil:
			sessions.Revoke(context.WithoutCancel(ctx), func(s Session) bool { return s.Device == r.Device.ID && !standing(g.State(), s) })
		}
	}
	tokens.Quarantined = func(_, name, why string, until time.Time) {
		tell(Event{Type: EventQuarantined, Account: name, At: time.Now(), Alarm: true, By: Principal{Name: "system", Role: System}, Text: fmt.Sprintf("The token %s is set aside until %s: %s.", name, until.Format(time.RFC3339), why)})
	}
	return &Gate{Register: g, Sessions: sessions, Tokens: tokens, Enrolments: NewEnrolments(), Hasher: NewHasher(DefaultHashParams, 2),
		Limiter: NewLimiter(), Tell: tell, Log: log}, nil
}

// standing tells whether the account or device of a session still is what it was
// when the session began.
func standing(s *State, x Session) bool {
	if x.Device != "" {
		d, ok := s.Device(x.Device)
		return ok && !d.Revoked
	}
	a, ok := s.Account(x.Account)
	return ok && !a.Disabled && a.Grant == x.Grant
}

// Run ends what is over, until ctx ends.
func (g *Gate) Run(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.Sessions.Run(ctx)
	}()
	g.Tokens.Run(ctx, func(err error) { g.Log.Warn("the tokens", "err", err) })
	<-done
}

// SignIn is what a person gives to come in.
type SignIn struct {
	Name, Password, Code string
	From, Agent          string
	Old                  string // secret of a session that the browser had; it ends
	Browser              string // value of the browser's own cookie, see [ReadBrowser]
}

// Entry is a session that has begun, or has a new secret.
type Entry struct {
	Session Session
	Secret  string // for [SetCookie]
	Browser string // for [SetBrowser]; empty: it stays as it is
}

// SignIn checks name, password and second factor, and begins a session. Errors are
// [ErrSignIn], [ErrCodeNeeded], [ErrCodeWrong], [*WaitError], [ErrBusy], and those
// of the record.
//
// The same work is done whether there is such an account or not: one argon2id, of a
// dummy where there is no hash.
func (g *Gate) SignIn(ctx context.Context, in SignIn) (Entry, error) {
	name := NormalName(in.Name)
	a, try, err := g.prove(ctx, name, in, true)
	if err != nil {
		return Entry{}, err
	}
	now := time.Now()
	if a.BreakGlass {
		g.breakGlass(ctx, a, in.From, now)
	}
	e := g.enter(ctx, now, a, in)
	try.Succeeded(now, e.Browser)
	g.Tell(Event{Type: EventSignIn, Account: a.Name, Session: e.Session.ID, From: in.From, At: now, By: a.principal(e.Session.ID, in.From)})
	return e, nil
}

// enter begins a session of an account. Who has just proved who they are has
// stepped up as well.
func (g *Gate) enter(ctx context.Context, now time.Time, a Account, in SignIn) Entry {
	e := Entry{Browser: in.Browser}
	if !parseSecret(e.Browser) {
		e.Browser = secret(32)
	}
	e.Secret, e.Session = g.Sessions.Begin(ctx, now, Session{Account: a.ID, Role: a.Role, Grant: a.Grant, BreakGlass: a.BreakGlass,
		SteppedUp: now.UTC().Round(0).Add(stepUpFor), From: in.From, Agent: in.Agent}, in.Old)
	return e
}

// breakGlass lets in although the record may be full: that is what it is for.
func (g *Gate) breakGlass(ctx context.Context, a Account, from string, now time.Time) {
	text := "The break-glass account " + a.Name + " was used."
	if err := g.Register.note(ctx, Act{By: "user:" + a.Name, From: from, At: now}, "account.break_glass"); err != nil {
		text += " This could not be recorded: " + err.Error()
	}
	g.Log.Warn("the break-glass account was used", "account", a.Name, "from", from)
	g.Tell(Event{Type: EventBreakGlass, Account: a.Name, From: from, At: now, Text: text, Alarm: true, By: a.principal("", from)})
}

// principal is the person of an account as acts name them.
func (a Account) principal(session, from string) Principal {
	return Principal{Name: "user:" + a.Name, Role: a.Role, Account: a.ID, Session: session, From: from}
}

// prove is the checking that sign-in and step-up share: the password, and where it is
// asked for the second factor.
func (g *Gate) prove(ctx context.Context, name string, in SignIn, second bool) (Account, Try, error) {
	try, wait := g.Limiter.Begin(time.Now(), name, in.From, in.Browser)
	if wait > 0 {
		return Account{}, try, &WaitError{wait}
	}
	if try.Delay > 0 {
		select {
		case <-time.After(try.Delay):
		case <-ctx.Done():
			try.Cancel()
			return Account{}, try, fmt.Errorf("wait before the password is checked: %w", ctx.Err())
		}
	}
	a, known := g.Register.State().Named(name)
	hash := ""
	if known && !a.Disabled {
		if hash = g.Register.hashOf(a); hash == "" && a.Password != nil {
			g.Log.Error("the password of an account cannot be opened: its key is missing; an admin has to set a new one", "account", a.Name)
		}
	}
	right, upgrade, err := g.Hasher.Verify(ctx, hash, in.Password, try.Trusted)
	if err != nil {
		try.Cancel()
		return a, try, err
	}
	if !right {
		now := time.Now()
		try.Failed(now)
		// What was typed as a name and is none may be a password: it is not told.
		g.Tell(Event{Type: EventRefused, Account: a.Name, From: in.From, At: now, By: Nobody(in.From)})
		return a, try, ErrSignIn
	}
	if second {
		if err := g.second(ctx, a, in, try); err != nil {
			return a, try, err
		}
	}
	if upgrade {
		g.upgrade(ctx, a, in)
	}
	return a, try, nil
}

// second checks the second factor of an account that has one.
func (g *Gate) second(ctx context.Context, a Account, in SignIn, try Try) error {
	f, err := g.Register.factorOf(a)
	if err != nil {
		try.Cancel()
		return err
	}
	if f == nil {
		return nil
	}
	if in.Code == "" {
		try.Cancel() // half a sign-in is neither a failure nor a success
		return ErrCodeNeeded
	}
	now := time.Now()
	if wait := try.CodeWait(now); wait > 0 {
		try.Cancel()
		return &WaitError{wait}
	}
	act := Act{By: "user:" + a.Name, From: in.From, At: now}
	if step, ok := f.Check(in.Code, now, a.Step); ok {
		err = g.Register.useStep(ctx, act, a.ID, step)
	} else if left, ok := f.Recover(in.Code); ok {
		err = g.Register.useRecovery(ctx, act, a.ID, a.Factor, left)
	} else {
		err = ErrCodeUsed
	}
	switch {
	case errors.Is(err, ErrCodeUsed):
		if try.CodeFailed(now) == codeFree {
			g.Tell(Event{Type: EventCodes, Account: a.Name, From: in.From, At: now, Alarm: true, By: Nobody(in.From),
				Text: "Somebody has the password of " + a.Name + " and tries codes."})
		}
		return ErrCodeWrong
	case err != nil:
		try.Cancel()
	}
	return err
}

// upgrade stores the password at today's cost. A failure costs nothing: the next
// sign-in tries again.
func (g *Gate) upgrade(ctx context.Context, a Account, in SignIn) {
	hash, err := g.Hasher.Hash(ctx, in.Password)
	if err == nil {
		err = g.Register.rehash(ctx, Act{By: "system", At: time.Now(), Why: "the cost of hashes was changed"}, a.ID, hash, a.Grant)
	}
	if err != nil {
		g.Log.Warn("a password keeps its old hash", "account", a.Name, "err", err)
	}
}

// StepUp checks again who the person of a session is, and gives the session a new
// secret; dangerous acts are allowed for ten minutes. Errors are those of
// [Gate.SignIn] and [ErrNoSession].
func (g *Gate) StepUp(ctx context.Context, p Principal, in SignIn) (Entry, error) {
	a, ok := g.Register.State().Account(p.Account)
	if !ok || p.Session == "" {
		return Entry{}, ErrNoSession
	}
	_, try, err := g.prove(ctx, a.Name, in, true)
	if err != nil {
		return Entry{}, err
	}
	now := time.Now()
	try.Succeeded(now, in.Browser)
	text, s, err := g.Sessions.StepUp(ctx, now, p.Session)
	if err != nil {
		return Entry{}, err
	}
	g.Tell(Event{Type: EventStepUp, Account: a.Name, Session: s.ID, From: in.From, At: now, By: a.principal(s.ID, in.From)})
	return Entry{Session: s, Secret: text}, nil
}

// SignOut ends the session of p.
func (g *Gate) SignOut(ctx context.Context, p Principal) {
	if g.Sessions.Revoke(ctx, func(s Session) bool { return p.Session != "" && s.ID == p.Session }) > 0 {
		g.Tell(Event{Type: EventSignOut, Account: p.Name, Session: p.Session, From: p.From, At: time.Now(), By: p})
	}
}

// EndSessions ends the sessions of an account or a device, or the one of them that is
// named, in the name of p; it says how many they were.
func (g *Gate) EndSessions(ctx context.Context, p Principal, account, device, session, why string) int {
	var over []Session
	g.Sessions.Revoke(ctx, func(s Session) bool {
		if s.Account != account || s.Device != device || session != "" && s.ID != session {
			return false
		}
		over = append(over, s)
		return true
	})
	name := ""
	if a, ok := g.Register.State().Account(account); ok {
		name = a.Name
	}
	for _, s := range over {
		g.Tell(Event{Type: EventEnded, Account: name, Session: s.ID, From: p.From, At: time.Now(), By: p, Why: why})
	}
	return len(over)
}

// BeginFactor makes a second factor for the person of a session, and its recovery
// codes. It counts from its first code on, see [Gate.ConfirmFactor]; one that was begun
// before is forgotten. The caller has asked the policy for [SelfChange]. It returns
// [ErrNoSession].
func (g *Gate) BeginFactor(p Principal) (f Factor, codes []string, ends time.Time, err error) {
	if _, ok := g.Register.State().Account(p.Account); !ok || p.Session == "" {
		return Factor{}, nil, time.Time{}, ErrNoSession
	}
	f, codes = NewFactor()
	now := time.Now()
	ends = now.Add(factorWait)
	g.mu.Lock()
	defer g.mu.Unlock()
	for id, b := range g.begun {
		if !now.Before(b.ends) {
			delete(g.begun, id)
		}
	}
	if g.begun == nil {
		g.begun = map[string]begunFactor{}
	}
	g.begun[p.Account] = begunFactor{f, p.Session, ends}
	return f, codes, ends, nil
}

// ErrNoFactor is a first code for a second factor that nobody has begun in this
// session, or that waited too long.
var ErrNoFactor = errors.New("no second factor was begun here, or it is past its time; begin again")

// ConfirmFactor takes the first code of the second factor that was begun, which counts
// from then on. All sessions of the person end, and a new one begins. Errors are
// [ErrNoFactor], [ErrCodeWrong], [*WaitError] and those of the record.
func (g *Gate) ConfirmFactor(ctx context.Context, p Principal, in SignIn) (Entry, error) {
	a, ok := g.Register.State().Account(p.Account)
	if !ok || p.Session == "" {
		return Entry{}, ErrNoSession
	}
	now := time.Now()
	g.mu.Lock()
	b, ok := g.begun[a.ID]
	g.mu.Unlock()
	if !ok || b.session != p.Session || !now.Before(b.ends) {
		return Entry{}, ErrNoFactor
	}
	try, wait := g.Limiter.Begin(now, a.Name, in.From, in.Browser)
	if wait > 0 {
		return Entry{}, &WaitError{wait}
	}
	step, ok := b.factor.Check(in.Code, now, 0)
	if !ok {
		try.Failed(now)
		return Entry{}, ErrCodeWrong
	}
	try.Succeeded(now, in.Browser)
	g.mu.Lock()
	again, ok := g.begun[a.ID]
	if ok = ok && again.ends.Equal(b.ends) && again.session == b.session; ok {
		delete(g.begun, a.ID) // of two at once one succeeds
	}
	g.mu.Unlock()
	if !ok {
		return Entry{}, ErrNoFactor
	}
	a, err := g.Register.SetFactor(ctx, p.Act(""), a.ID, &b.factor, step)
	if err != nil {
		return Entry{}, err
	}
	return g.enter(ctx, now, a, in), nil
}

// RemoveFactor takes the second factor of the person of a session away. All their
// sessions end, and a new one begins. The caller has asked the policy for [SelfChange].
// Errors are [ErrNoSession] and those of the record.
func (g *Gate) RemoveFactor(ctx context.Context, p Principal, in SignIn) (Entry, error) {
	if p.Session == "" {
		return Entry{}, ErrNoSession
	}
	a, err := g.Register.SetFactor(ctx, p.Act(""), p.Account, nil, 0)
	if errors.Is(err, ErrNoAccount) {
		return Entry{}, ErrNoSession
	}
	if err != nil {
		return Entry{}, err
	}
	return g.enter(ctx, time.Now(), a, in), nil
}

// RecoveryLeft is how many recovery codes the account of p has left; 0 without a second
// factor.
func (g *Gate) RecoveryLeft(p Principal) int {
	a, ok := g.Register.State().Account(p.Account)
	if !ok {
		return 0
	}
	f, err := g.Register.factorOf(a)
	if err != nil || f == nil {
		return 0
	}
	return len(f.Recovery)
}

// UseReset sets a new password by a one-time token. Errors are [ErrReset],
// ErrPassword…, [ErrBusy] and those of the record.
func (g *Gate) UseReset(ctx context.Context, token, password, from string) (Account, error) {
	a, ok := g.Register.ResetOf(token, time.Now()) // before anything that costs
	if !ok {
		return Account{}, ErrReset
	}
	hash, err := g.NewPassword(ctx, password, a.Name, a.Display)
	if err != nil {
		return Account{}, err
	}
	return g.Register.UseReset(ctx, Act{By: "user:" + a.Name, Role: a.Role, From: from, At: time.Now()}, token, hash)
}

// ChangePassword gives the person of a session a new password; in.Password is the old
// one. All their sessions end, and a new one begins. The caller has asked the policy
// for [SelfChange], so the person has proved a moment ago who they are, with the second
// factor too. Errors are ErrPassword…, [ErrNoSession], those of a wrong password as
// [Gate.SignIn] has them, and those of the record.
func (g *Gate) ChangePassword(ctx context.Context, p Principal, password string, in SignIn) (Entry, error) {
	a, ok := g.Register.State().Account(p.Account)
	if !ok || p.Session == "" {
		return Entry{}, ErrNoSession
	}
	if err := CheckPassword(password, a.Name, a.Display); err != nil {
		return Entry{}, err
	}
	_, try, err := g.prove(ctx, a.Name, in, false)
	if err != nil {
		return Entry{}, err
	}
	try.Succeeded(time.Now(), in.Browser)
	if same, _, err := g.Hasher.Verify(ctx, g.Register.hashOf(a), password, true); err != nil {
		return Entry{}, err
	} else if same {
		return Entry{}, ErrPasswordSame
	}
	hash, err := g.Hasher.Hash(ctx, password)
	if err != nil {
		return Entry{}, err
	}
	now := time.Now()
	a, err = g.Register.SetPassword(ctx, p.Act(""), a.ID, hash, false)
	if err != nil {
		return Entry{}, err
	}
	return g.enter(ctx, now, a, in), nil
}

// ErrPasswordSame is a new password that is the old one.
var ErrPasswordSame = errors.New("the new password is the old one")

// Setup makes the first account by the one-time token, and signs it in. Of new only
// the names count. Errors are [ErrSetup], ErrPassword…, [ErrBusy] and those of
// [Register.Create].
func (g *Gate) Setup(ctx context.Context, token string, who NewAccount, in SignIn) (Entry, error) {
	now := time.Now()
	if !g.Register.SetupValid(token, now) { // before anything that costs
		return Entry{}, ErrSetup
	}
	if err := CheckPassword(in.Password, who.Name, who.Display); err != nil {
		return Entry{}, err
	}
	hash, err := g.Hasher.Hash(ctx, in.Password)
	if err != nil {
		return Entry{}, err
	}
	a, err := g.Register.Setup(ctx, Act{By: "setup", From: in.From, At: now}, token, NewAccount{Name: who.Name, Display: who.Display, Language: who.Language, Worlds: []string{EveryWorld}, Hash: hash})
	if err != nil {
		return Entry{}, err
	}
	return g.enter(ctx, now, a, in), nil
}

// NewPassword checks and hashes a password that an admin gives to somebody, for
// [Register.Create] and [Register.SetPassword]. Errors are ErrPassword… and
// [ErrBusy].
func (g *Gate) NewPassword(ctx context.Context, password string, about ...string) (hash string, err error) {
	if err := CheckPassword(password, about...); err != nil {
		return "", err
	}
	return g.Hasher.Hash(ctx, password)
}

// Enrol gives a wall whose code was approved its session. Errors are those of
// [Enrolments.Claim] and [ErrNoDevice].
func (g *Gate) Enrol(ctx context.Context, claim, from, agent string) (Entry, error) {
	now := time.Now()
	id, err := g.Enrolments.Claim(now, claim)
	if err != nil {
		return Entry{}, err
	}
	d, ok := g.Register.State().Device(id)
	if !ok || d.Revoked {
		return Entry{}, ErrNoDevice
	}
	text, s := g.Sessions.Begin(ctx, now, Session{Device: id, Role: Wall, From: from, Agent: agent}, "")
	g.Tell(Event{Type: EventWall, Account: d.Name, Session: s.ID, From: from, At: now,
		By: Principal{Name: "device:" + d.Name, Role: Wall, Device: d.ID, Session: s.ID, From: from}})
	return Entry{Session: s, Secret: text}, nil
}

// MayReport decides whether a program may report fixes of units through a feed, in
// a message of a size. It counts what a token sends and what it is refused, and
// sets it aside when that goes on. The function about describes a unit by its key,
// false when there is none.
func (g *Gate) MayReport(p Principal, feed string, keys []string, size int, about func(key string) (Target, bool)) Decision {
	now := time.Now()
	d := yes
	for _, key := range keys {
		t, ok := about(key)
		if !ok {
			t = Target{Kind: "unit", Key: key}
		}
		t.Feed = feed
		if d = Allow(p, FixReport, t); !d.Allowed {
			break
		}
	}
	if d.Allowed && p.Token != "" {
		switch err := g.Tokens.Spend(p.Token, len(keys), size, now); {
		case errors.Is(err, ErrTokenSize):
			d = no(TooLarge, "%v", err)
		case err != nil:
			d = no(RateLimited, "%v", err)
		}
	}
	// Too much is slowed down and not held against anybody: a phone that comes out of a
	// tunnel has a lot to tell.
	if !d.Allowed && d.Code != RateLimited && p.Token != "" {
		if err := g.Tokens.Refused(p.Token, d.Reason, now); err != nil {
			g.Log.Warn("a refusal was not counted", "token", p.Token, "err", err)
		}
	}
	return d
}

// Identify finds out who asks. Without a session or a token it is [Nobody]; with
// one that is not good it is an error: [ErrNoSession] or ErrToken….
func (g *Gate) Identify(ctx context.Context, c Credentials) (Principal, error) {
	now := time.Now()
	switch {
	case c.Token != "":
		p, err := g.Tokens.Principal(c.Token, now)
		p.From = c.From
		return p, err
	case c.Session != "":
		s, err := g.Sessions.Find(ctx, now, c.Session)
		if err != nil {
			return Principal{From: c.From}, err
		}
		return g.principal(s, c.From, now)
	}
	return Nobody(c.From), nil
}

func (g *Gate) principal(s Session, from string, now time.Time) (Principal, error) {
	p := Principal{Role: s.Role, Session: s.ID, From: from, SteppedUp: now.Before(s.SteppedUp)}
	state := g.Register.State()
	if s.Device != "" {
		d, ok := state.Device(s.Device)
		if !ok || d.Revoked {
			return Principal{From: from}, ErrNoSession
		}
		p.Name, p.Device, p.Worlds, p.SteppedUp = "device:"+d.Name, d.ID, d.worlds(), false
		return p, nil
	}
	a, ok := state.Account(s.Account)
	if !ok || a.Disabled || a.Grant != s.Grant {
		return Principal{From: from}, ErrNoSession
	}
	p.Name, p.Role, p.Account, p.Agencies, p.Shelters, p.Worlds = "user:"+a.Name, a.Role, a.ID, a.Agencies, a.Shelters, a.Worlds
	p.BreakGlass, p.Limited = a.BreakGlass, a.MustChange
	return p, nil
}

// Watch returns a channel that is closed when whatever p came in by is over: its
// session or its token. For nobody it never is. A socket ends within a second of it.
func (g *Gate) Watch(p Principal) (over <-chan struct{}, stop func()) {
	switch {
	case p.Session != "":
		return g.Sessions.Watch(p.Session)
	case p.Token != "":
		return g.Tokens.Watch(p.Token)
	}
	return nil, func() {}
}
