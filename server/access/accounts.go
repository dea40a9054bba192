package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"rasad/geo"
)

// Account is a person who signs in.
type Account struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"` // as [NormalName] makes it; unique
	Display  string   `json:"display,omitempty"`
	Role     Role     `json:"role"`
	Agencies []string `json:"agencies,omitempty"`
	Shelters []string `json:"shelters,omitempty"`
	Worlds   []string `json:"worlds,omitempty"` // see [Principal.In]
	Disabled bool     `json:"disabled,omitempty"`
	// Language is that of the screens, such as fa; empty: as the browser says.
	Language string `json:"language,omitempty"`
	// BreakGlass: for the day when nobody else can get in; its use raises an alarm.
	BreakGlass bool `json:"break_glass,omitempty"`
	// MustChange: the password was given by somebody else.
	MustChange bool `json:"must_change,omitempty"`
	// Reset is the one-time link by which the owner sets a new password.
	Reset *Setup `json:"reset,omitempty"`
	// Subject is who the person is at a provider of identities; nil: a local account.
	Subject *Subject `json:"subject,omitempty"`
	// Password and Factor are sealed: the hash, and the second factor as [Factor].
	Password *geo.Sealed `json:"password,omitempty"`
	Factor   *geo.Sealed `json:"factor,omitempty"`
	// Step is the last one-time code that was used, by its step.
	Step int64 `json:"step,omitempty"`
	// Grant grows with every change of what the account may do or how it proves who
	// it is. A session of an older grant is over.
	Grant   uint64    `json:"grant"`
	Created time.Time `json:"created"`
}

// Profile is an account as others may see it: without anything sealed.
type Profile struct {
	ID         string    `json:"id"`
	Name       string    `json:"name"`
	Display    string    `json:"display"`
	Role       Role      `json:"role"`
	Agencies   []string  `json:"agencies"`
	Shelters   []string  `json:"shelters"`
	Worlds     []string  `json:"worlds"`
	Language   string    `json:"language"`
	Disabled   bool      `json:"disabled"`
	BreakGlass bool      `json:"break_glass"`
	MustChange bool      `json:"must_change"`
	TwoFactor  bool      `json:"two_factor"`
	Password   bool      `json:"has_password"` // false: its owner has not set one yet
	Created    time.Time `json:"created"`
}

// Profile returns what others may see of the account.
func (a Account) Profile() Profile {
	return Profile{a.ID, a.Name, a.Display, a.Role, slices.Concat([]string{}, a.Agencies), slices.Concat([]string{}, a.Shelters), slices.Concat([]string{}, a.Worlds), a.Language, a.Disabled,
		a.BreakGlass, a.MustChange, a.Factor != nil, a.Password != nil, a.Created}
}

// Why an account may not be so.
var (
	ErrAccountName   = errors.New("a name has 2 to 64 letters, digits, '.', '_', '-' or '@'")
	ErrDisplay       = errors.New("a display name has at most 100 printable characters")
	ErrLanguage      = errors.New("a language is a code such as fa, zh or en")
	ErrPersonRole    = errors.New("the role must be one of a person: viewer, dispatcher, supervisor, commander, agency_officer, shelter_keeper, admin")
	ErrScope         = errors.New("an agency officer needs an agency and a shelter keeper a shelter; codes and keys must be well formed, at most 100")
	ErrNameTaken     = errors.New("there is an account of this name")
	ErrNoAccount     = errors.New("there is no such account")
	ErrLastAdmin     = errors.New("the last admin who can sign in must stay")
	ErrSetup         = errors.New("the setup link is not valid; it works once, for a day, while there is no account")
	ErrSetupNotEmpty = errors.New("there are accounts already")
	ErrReset         = errors.New("the link is not valid; it works once, for a day, and a newer one ends it")
	ErrCodeUsed      = errors.New("this code was used already")
)

// NormalName is the form of a name under which an account is found: NFKC, lower
// case, without spaces around it.
func NormalName(name string) string {
	if len(name) > 512 {
		return ""
	}
	return strings.ToLower(norm.NFKC.String(strings.TrimSpace(name)))
}

// NewAccount is what an account is made of.
type NewAccount struct {
	Name, Display      string
	Role               Role
	Agencies, Shelters []string
	Worlds             []string
	Language           string
	BreakGlass         bool
	MustChange         bool
	Hash               string // of the password, by [Hasher.Hash]; empty: a link will set it
	Subject            *Subject
}

// AccountChanges say what becomes different; nil fields stay.
type AccountChanges struct {
	// If is asked with the account as it is, when nobody else changes it; its error is
	// the answer.
	If         func(Account) error
	Language   *string
	Display    *string
	Role       *Role
	Agencies   *[]string
	Shelters   *[]string
	Worlds     *[]string
	Disabled   *bool
	BreakGlass *bool
}

func checkAccount(a *Account) error {
	n := utf8.RuneCountInString(a.Name)
	if n < 2 || n > 64 || !utf8.ValidString(a.Name) || strings.ContainsFunc(a.Name, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.Mn, r) && !strings.ContainsRune("._-@", r)
	}) {
		return ErrAccountName
	}
	if !utf8.ValidString(a.Display) || utf8.RuneCountInString(a.Display) > 100 || strings.ContainsFunc(a.Display, unicode.IsControl) {
		return ErrDisplay
	}
	if len(a.Language) > 35 || strings.Trim(a.Language, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" {
		return ErrLanguage
	}
	if !slices.Contains(PersonRoles, a.Role) {
		return ErrPersonRole
	}
	code := func(s string) bool {
		return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' || r == '-')
		})
	}
	badAgency := slices.ContainsFunc(a.Agencies, func(s string) bool { return !code(s) })
	badShelter := slices.ContainsFunc(a.Shelters, func(s string) bool { return geo.CheckKey(s) != nil })
	if badAgency || badShelter || len(a.Agencies) > 100 || len(a.Shelters) > 100 ||
		a.Role == AgencyOfficer && len(a.Agencies) == 0 || a.Role == ShelterKeeper && len(a.Shelters) == 0 {
		return ErrScope
	}
	return checkWorlds(a.Worlds)
}

// sure keeps one admin who can sign in.
func (s *State) sure(changed *Account) error {
	admin := func(a *Account) bool { return a.Role == Admin && !a.Disabled }
	if old := s.accounts[changed.ID]; old == nil || !admin(old) || admin(changed) {
		return nil
	}
	for _, a := range s.accounts {
		if a.ID != changed.ID && admin(a) {
			return nil
		}
	}
	return ErrLastAdmin
}

// secret makes text of n random bytes.
func secret(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // crypto/rand does not fail
	return base64.RawURLEncoding.EncodeToString(b)
}

func sha(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// IssueSetup makes the one-time token by which the first account is made, valid for
// a time. An earlier one is not valid any more. It returns [ErrSetupNotEmpty] when
// there are accounts.
func (g *Register) IssueSetup(ctx context.Context, act Act, valid time.Duration) (string, error) {
	token := secret(32)
	_, err := g.change(ctx, act, func(s *State, r *Record) error {
		if !s.Empty() {
			return ErrSetupNotEmpty
		}
		r.Op, r.Setup = "setup.issue", &Setup{SHA256: sha(token), Expires: act.At.UTC().Round(0).Add(valid)}
		return nil
	})
	if err != nil {
		return "", err
	}
	return token, nil
}

// SetupValid tells whether the token would make the first account now.
func (g *Register) SetupValid(token string, now time.Time) bool {
	return g.State().setupValid(token, now)
}

func (s *State) setupValid(token string, now time.Time) bool {
	return s.Empty() && s.setup.SHA256 != "" && now.Before(s.setup.Expires) &&
		subtle.ConstantTimeCompare([]byte(sha(token)), []byte(s.setup.SHA256)) == 1
}

// Setup makes the first account, an admin, by the one-time token. Of several at
// once one succeeds. It returns [ErrSetup] and what [Register.Create] does.
func (g *Register) Setup(ctx context.Context, act Act, token string, in NewAccount) (Account, error) {
	in.Role, in.MustChange = Admin, false
	return g.create(ctx, act, in, "setup.use", func(s *State, r *Record) error {
		if !s.setupValid(token, act.At) {
			return ErrSetup
		}
		r.Setup = &Setup{}
		return nil
	})
}

// Create makes an account. Errors are [ErrAccountName], [ErrDisplay],
// [ErrPersonRole], [ErrScope], [ErrNameTaken], [ErrHash] and those of the record.
func (g *Register) Create(ctx context.Context, act Act, in NewAccount) (Account, error) {
	return g.create(ctx, act, in, "account.create", func(*State, *Record) error { return nil })
}

func (g *Register) create(ctx context.Context, act Act, in NewAccount, op string, also func(*State, *Record) error) (Account, error) {
	a := Account{ID: secret(12), Name: NormalName(in.Name), Display: strings.TrimSpace(in.Display), Role: in.Role, Agencies: in.Agencies, Shelters: in.Shelters, Worlds: in.Worlds,
		Language: in.Language, Subject: in.Subject, BreakGlass: in.BreakGlass, MustChange: in.MustChange, Grant: 1, Created: act.At.UTC().Round(0)}
	if err := checkAccount(&a); err != nil {
		return a, err
	}
	if in.Hash != "" {
		if _, err := parsePHC(in.Hash); err != nil {
			return a, err
		}
		sealed, err := g.seal.Seal("password", []byte(in.Hash))
		if err != nil {
			return a, err
		}
		a.Password = &sealed
	}
	_, err := g.change(ctx, act, func(s *State, r *Record) error {
		if err := also(s, r); err != nil {
			return err
		}
		if s.names[a.Name] != nil {
			return ErrNameTaken
		}
		if a.Subject != nil {
			if _, twice := s.Of(*a.Subject); twice {
				return ErrNameTaken // two first sign-ins of one person at once
			}
		}
		r.Op, r.Account = op, &a
		return nil
	})
	if err != nil {
		g.forget(a.Password)
		return a, err
	}
	out, _ := copied(&a)
	return out, nil
}

// forget destroys the key of what is not in use any more.
func (g *Register) forget(s *geo.Sealed) {
	if s != nil {
		_ = g.seal.Erase(s.KeyID) // a key that stays opens nothing that is used
	}
}

// alter changes one account. The function sees a copy.
func (g *Register) alter(ctx context.Context, act Act, id, op string, f func(*Account) error) (before, after Account, err error) {
	_, err = g.change(ctx, act, func(s *State, r *Record) error {
		old, ok := s.Account(id)
		if !ok {
			return ErrNoAccount
		}
		before, after = old, old
		after.Agencies, after.Shelters, after.Worlds = slices.Clone(old.Agencies), slices.Clone(old.Shelters), slices.Clone(old.Worlds)
		if err := f(&after); err != nil {
			return err
		}
		if err := checkAccount(&after); err != nil {
			return err
		}
		if err := s.sure(&after); err != nil {
			return err
		}
		kept := after
		r.Op, r.Account = op, &kept
		return nil
	})
	return before, after, err
}

// Change changes an account. It returns [ErrNoAccount], [ErrLastAdmin] and what
// [Register.Create] does.
func (g *Register) Change(ctx context.Context, act Act, id string, c AccountChanges) (Account, error) {
	op := "account.change"
	if c.Disabled != nil {
		op = map[bool]string{true: "account.disable", false: "account.enable"}[*c.Disabled]
	}
	_, after, err := g.alter(ctx, act, id, op, func(a *Account) error {
		if c.If != nil {
			if err := c.If(*a); err != nil {
				return err
			}
		}
		before := *a
		put(&a.Display, c.Display)
		put(&a.Language, c.Language)
		put(&a.Role, c.Role)
		put(&a.Agencies, c.Agencies)
		put(&a.Shelters, c.Shelters)
		put(&a.Worlds, c.Worlds)
		put(&a.Disabled, c.Disabled)
		put(&a.BreakGlass, c.BreakGlass)
		if a.Role != before.Role || !slices.Equal(a.Agencies, before.Agencies) || !slices.Equal(a.Shelters, before.Shelters) ||
			!slices.Equal(a.Worlds, before.Worlds) ||
			a.Disabled != before.Disabled || a.BreakGlass != before.BreakGlass {
			a.Grant++
		}
		return nil
	})
	return after, err
}

func put[T any](at *T, v *T) {
	if v != nil {
		*at = *v
	}
}

// SetPassword gives an account the hash of a new password; sessions opened before
// are over. must: it has to be changed at the first sign-in.
func (g *Register) SetPassword(ctx context.Context, act Act, id, hash string, must bool) (Account, error) {
	return g.setHash(ctx, act, id, hash, "account.password", func(a *Account) error {
		a.MustChange, a.Reset = must, nil
		a.Grant++
		return nil
	})
}

// IssueReset makes a one-time token by which the owner of an account sets a new
// password, and ends the one before. With factor the second factor is taken away at
// once. It returns [ErrNoAccount].
func (g *Register) IssueReset(ctx context.Context, act Act, id string, valid time.Duration, factor bool) (token string, ends time.Time, err error) {
	token = id + "." + secret(32)
	ends = act.At.UTC().Round(0).Add(valid)
	before, _, err := g.alter(ctx, act, id, "account.reset", func(a *Account) error {
		a.Reset = &Setup{SHA256: sha(token), Expires: ends}
		if factor && a.Factor != nil {
			a.Factor, a.Step = nil, 0
			a.Grant++
		}
		return nil
	})
	if err != nil {
		return "", time.Time{}, err
	}
	if factor {
		g.forget(before.Factor)
	}
	return token, ends, nil
}

// ResetOf returns the account whose password a token would set now.
func (g *Register) ResetOf(token string, now time.Time) (Account, bool) {
	id, _, _ := strings.Cut(token, ".")
	a, ok := g.State().Account(id)
	return a, ok && a.resetValid(token, now)
}

func (a Account) resetValid(token string, now time.Time) bool {
	return a.Reset != nil && !a.Disabled && now.Before(a.Reset.Expires) && subtle.ConstantTimeCompare([]byte(sha(token)), []byte(a.Reset.SHA256)) == 1
}

// UseReset sets the password of the account that a token is of, which is used up;
// sessions opened before are over. Of several at once one succeeds. It returns
// [ErrReset].
func (g *Register) UseReset(ctx context.Context, act Act, token, hash string) (Account, error) {
	a, ok := g.ResetOf(token, act.At)
	if !ok {
		return Account{}, ErrReset
	}
	return g.setHash(ctx, act, a.ID, hash, "account.reset.use", func(a *Account) error {
		if !a.resetValid(token, act.At) {
			return ErrReset
		}
		a.MustChange, a.Reset = false, nil
		a.Grant++
		return nil
	})
}

// rehash keeps the password and stores it at today's cost.
func (g *Register) rehash(ctx context.Context, act Act, id, hash string, grant uint64) error {
	_, err := g.setHash(ctx, act, id, hash, "account.rehash", func(a *Account) error {
		if a.Grant != grant { // changed meanwhile: what was hashed is not the password any more
			return ErrNoAccount
		}
		return nil
	})
	return err
}

func (g *Register) setHash(ctx context.Context, act Act, id, hash, op string, f func(*Account) error) (Account, error) {
	if _, err := parsePHC(hash); err != nil {
		return Account{}, err
	}
	sealed, err := g.seal.Seal("password", []byte(hash))
	if err != nil {
		return Account{}, err
	}
	before, after, err := g.alter(ctx, act, id, op, func(a *Account) error {
		a.Password = &sealed
		return f(a)
	})
	if err != nil {
		g.forget(&sealed)
		return after, err
	}
	g.forget(before.Password)
	return after, nil
}

// SetFactor gives an account its second factor, or takes it away (nil). step is that
// of a code that was used to confirm it: it is good for nothing else.
func (g *Register) SetFactor(ctx context.Context, act Act, id string, f *Factor, step int64) (Account, error) {
	op := "account.factor"
	if f == nil {
		op = "account.factor.remove"
	}
	return g.setFactor(ctx, act, id, op, f, func(a *Account) error {
		a.Grant++
		a.Step = step
		return nil
	})
}

func (g *Register) setFactor(ctx context.Context, act Act, id, op string, f *Factor, also func(*Account) error) (Account, error) {
	var sealed *geo.Sealed
	if f != nil {
		plain, err := json.Marshal(f)
		if err != nil {
			return Account{}, err
		}
		s, err := g.seal.Seal("factor", plain)
		if err != nil {
			return Account{}, err
		}
		sealed = &s
	}
	before, after, err := g.alter(ctx, act, id, op, func(a *Account) error {
		if err := also(a); err != nil {
			return err
		}
		a.Factor = sealed
		return nil
	})
	if err != nil {
		g.forget(sealed)
		return after, err
	}
	g.forget(before.Factor)
	return after, nil
}

// useStep records that a one-time code was used: of two who bring the same one, one
// is let in. It returns [ErrCodeUsed].
func (g *Register) useStep(ctx context.Context, act Act, id string, step int64) error {
	_, _, err := g.alter(ctx, act, id, "account.code", func(a *Account) error {
		if step <= a.Step {
			return ErrCodeUsed
		}
		a.Step = step
		return nil
	})
	return err
}

// useRecovery records that a recovery code was used up.
func (g *Register) useRecovery(ctx context.Context, act Act, id string, had *geo.Sealed, left Factor) error {
	_, err := g.setFactor(ctx, act, id, "account.recovery", &left, func(a *Account) error {
		if a.Factor == nil || had == nil || a.Factor.KeyID != had.KeyID {
			return ErrCodeUsed
		}
		return nil
	})
	return err
}

// hashOf opens the password hash of an account; "" when there is none to open.
func (g *Register) hashOf(a Account) string {
	if a.Password == nil {
		return ""
	}
	b, err := g.seal.Open(*a.Password)
	if err != nil {
		return ""
	}
	return string(b)
}

// factorOf opens the second factor of an account. It returns an error when there is
// one and it cannot be opened: that is no way around it.
func (g *Register) factorOf(a Account) (*Factor, error) {
	if a.Factor == nil {
		return nil, nil
	}
	b, err := g.seal.Open(*a.Factor)
	if err != nil {
		return nil, fmt.Errorf("open the second factor of %s: %w", a.Name, err)
	}
	var f Factor
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("read the second factor of %s: %w", a.Name, err)
	}
	return &f, nil
}
