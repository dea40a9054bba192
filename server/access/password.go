package access

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// Limits of a password, in characters after normalisation.
const (
	PasswordMin = 12
	PasswordMax = 128
)

// Why a password may not be set.
var (
	ErrPasswordShort  = errors.New("a password has at least 12 characters")
	ErrPasswordLong   = errors.New("a password has at most 128 characters")
	ErrPasswordText   = errors.New("a password is text without control characters")
	ErrPasswordCommon = errors.New("this password is among the first that somebody would try")
)

// ErrHash is a stored password hash that cannot be read.
var ErrHash = errors.New("the password hash is not one of argon2id")

// ErrBusy is a sign-in that came while too many others were being checked.
var ErrBusy = errors.New("too many sign-ins at once")

// normal is a password as it is hashed: NFKC, so that the same keys give the same
// password on every keyboard and system. Too long a text is not normalised at all.
func normal(password string) (string, error) {
	if len(password) > 8*PasswordMax {
		return "", ErrPasswordLong
	}
	if !utf8.ValidString(password) || strings.ContainsFunc(password, unicode.IsControl) {
		return "", ErrPasswordText
	}
	n := norm.NFKC.String(password)
	if utf8.RuneCountInString(n) > PasswordMax {
		return "", ErrPasswordLong
	}
	return n, nil
}

// CheckPassword says whether a password may be set. The context is what is known
// of its owner: names, the city. Errors are ErrPassword….
func CheckPassword(password string, context ...string) error {
	n, err := normal(password)
	if err != nil {
		return err
	}
	if utf8.RuneCountInString(n) < PasswordMin {
		return ErrPasswordShort
	}
	if guessable(strings.ToLower(n), context) {
		return ErrPasswordCommon
	}
	return nil
}

//go:embed common.txt
var commonText string

// common are the common passwords and how common each is, 0 the most.
var common = sync.OnceValue(func() map[string]int {
	m := make(map[string]int, 11_000)
	for line := range strings.Lines(commonText) {
		if w := strings.TrimSpace(line); w != "" && w[0] != '#' {
			m[w] = len(m)
		}
	}
	return m
})

// Words that are common in a list of two: a guesser pairs the first thousands.
const commonPair = 3000

// walks are rows and columns of keyboards, Latin and Persian, and the alphabet.
var walks = []string{"qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./", "`1234567890-=", "ضصثقفغعهخحجچ", "شسیبلاتنمکگ", "ظطزرذدپو",
	"1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/", "۱۲۳۴۵۶۷۸۹۰", "abcdefghijklmnopqrstuvwxyz"}

// guessable tells whether a password of sufficient length is one of those that are
// tried first: common ones with digits and signs around them or in place of
// letters, two common words, the owner's name, walks over the keyboard, repetition.
func guessable(p string, context []string) bool {
	r := []rune(p)
	if distinct(r) < 5 || effective(r) < 6 {
		return true
	}
	// Said twice it is as strong as said once.
	for n := 1; n <= len(r)/2; n++ {
		if repeats(r, n) {
			return n < PasswordMin || guessable(string(r[:n]), context)
		}
	}
	words := map[string]bool{"rasad": true}
	for _, c := range context {
		c = strings.ToLower(norm.NFKC.String(c))
		for _, w := range append(strings.FieldsFunc(c, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }), c) {
			if utf8.RuneCountInString(w) >= 4 {
				words[w] = true
			}
		}
	}
	known := func(s string) bool {
		_, ok := common()[s]
		return ok || words[s]
	}
	for _, s := range plain(p) {
		if known(s) {
			return true
		}
		for i := range s {
			a, b := s[:i], s[i:]
			rank, ok := common()[a]
			ok = ok && rank < commonPair || words[a]
			if ok {
				rank, ok = common()[b]
				if ok && rank < commonPair || words[b] {
					return true
				}
			}
		}
	}
	return false
}

// plain are the readings of a password without its decoration.
func plain(p string) []string {
	notLetter := func(r rune) bool { return !unicode.IsLetter(r) }
	notWord := func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }
	leet := func(one string) func(string) string {
		return strings.NewReplacer("0", "o", "1", one, "!", one, "3", "e", "4", "a", "@", "a", "5", "s", "$", "s", "7", "t", "8", "b", "9", "g").Replace
	}
	inner := strings.TrimFunc(p, notLetter)
	bare := strings.Map(func(r rune) rune {
		if notWord(r) {
			return -1
		}
		return r
	}, p)
	out := []string{p, bare}
	for _, s := range []string{p, inner, strings.TrimFunc(bare, notLetter)} {
		for _, l := range []string{"i", "l"} {
			out = append(out, strings.TrimFunc(leet(l)(s), notLetter))
		}
		out = append(out, s)
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(s string) bool { return s == "" })
}

func distinct(r []rune) int {
	r = slices.Clone(r)
	slices.Sort(r)
	return len(slices.Compact(r))
}

func repeats(r []rune, n int) bool {
	for i := n; i < len(r); i++ {
		if r[i] != r[i-n] {
			return false
		}
	}
	return true
}

// effective is the length that is left when each run of three or more neighbours
// on a keyboard, in the alphabet or of one letter counts as two.
func effective(r []rune) int {
	out := 0
	for i := 0; i < len(r); {
		n := 1
		for i+n < len(r) && neighbours(r[i+n-1], r[i+n]) {
			n++
		}
		if n >= 3 {
			out += 2
		} else {
			out += n
		}
		i += n
	}
	return out
}

func neighbours(a, b rune) bool {
	if a == b {
		return true
	}
	for _, w := range walks {
		if strings.Contains(w, string([]rune{a, b})) || strings.Contains(w, string([]rune{b, a})) {
			return true
		}
	}
	return false
}

// HashParams are what a guess costs.
type HashParams struct {
	MemoryKiB uint32
	Passes    uint32
	Lanes     uint8
}

// DefaultHashParams are those that OWASP names for argon2id: 19 MiB, 2 passes, 1
// lane; some 25 ms on one core.
var DefaultHashParams = HashParams{MemoryKiB: 19 << 10, Passes: 2, Lanes: 1}

const (
	saltLen = 16
	sumLen  = 32
)

// phc is a password hash taken apart.
type phc struct {
	HashParams
	salt, sum []byte
}

func (h phc) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.MemoryKiB, h.Passes, h.Lanes, b64.EncodeToString(h.salt), b64.EncodeToString(h.sum))
}

// parsePHC reads a PHC string of argon2id, version 19. It bounds what a hash may
// cost, so that a forged record does not take the server down. Errors are
// [ErrHash], wrapped.
func parsePHC(s string) (phc, error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v=19" {
		return phc{}, ErrHash
	}
	var h phc
	params := strings.Split(parts[3], ",")
	if len(params) != 3 {
		return phc{}, fmt.Errorf("%w: m, t and p are wanted", ErrHash)
	}
	for i, want := range []struct {
		name     string
		min, max uint64
		set      func(uint64)
	}{
		{"m=", 8, 256 << 10, func(v uint64) { h.MemoryKiB = uint32(v) }},
		{"t=", 1, 16, func(v uint64) { h.Passes = uint32(v) }},
		{"p=", 1, 4, func(v uint64) { h.Lanes = uint8(v) }},
	} {
		text, ok := strings.CutPrefix(params[i], want.name)
		v, err := strconv.ParseUint(text, 10, 32)
		if !ok || err != nil || v < want.min || v > want.max || strconv.FormatUint(v, 10) != text {
			return phc{}, fmt.Errorf("%w: %s must be %d to %d", ErrHash, want.name, want.min, want.max)
		}
		want.set(v)
	}
	if h.MemoryKiB < 8*uint32(h.Lanes) {
		return phc{}, fmt.Errorf("%w: too little memory for its lanes", ErrHash)
	}
	b64 := base64.RawStdEncoding.Strict()
	var err error
	if h.salt, err = b64.DecodeString(parts[4]); err != nil || len(h.salt) < 8 || len(h.salt) > 64 || strings.ContainsAny(parts[4], "\r\n") {
		return phc{}, fmt.Errorf("%w: the salt", ErrHash)
	}
	if h.sum, err = b64.DecodeString(parts[5]); err != nil || len(h.sum) < 16 || len(h.sum) > 64 || strings.ContainsAny(parts[5], "\r\n") {
		return phc{}, fmt.Errorf("%w: the sum", ErrHash)
	}
	return h, nil
}

// Hasher hashes and checks passwords, a few at a time: each takes 19 MiB. It is
// safe for concurrent use.
type Hasher struct {
	params HashParams
	slots  chan struct{}
	// One slot is kept for those whom the limiter trusts: while strangers try
	// passwords by the thousand, people who work here sign in.
	kept    chan struct{}
	waiting atomic.Int64
	queue   int64
	dummy   phc
	runs    atomic.Int64
}

// NewHasher returns a hasher that checks at most slots passwords at once, and one
// more of people who are trusted. At most 32 of each slot wait.
func NewHasher(params HashParams, slots int) *Hasher {
	slots = max(slots, 1)
	h := &Hasher{params: params, slots: make(chan struct{}, slots), kept: make(chan struct{}, 1), queue: int64(32 * slots)}
	h.dummy = phc{HashParams: params, salt: make([]byte, saltLen), sum: make([]byte, sumLen)}
	_, _ = rand.Read(h.dummy.salt) // crypto/rand does not fail
	_, _ = rand.Read(h.dummy.sum)
	return h
}

// Runs counts how many times argon2id ran: the cost of a sign-in is the same
// whether its account exists or not, and tests count it.
func (h *Hasher) Runs() int64 { return h.runs.Load() }

// Hash returns the PHC string of a password. Errors are ErrPassword…, [ErrBusy] and
// that of ctx.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	n, err := normal(password)
	if err != nil {
		return "", err
	}
	out := phc{HashParams: h.params, salt: make([]byte, saltLen)}
	_, _ = rand.Read(out.salt) // crypto/rand does not fail
	if out.sum, err = h.run(ctx, n, out, sumLen, true); err != nil {
		return "", err
	}
	return out.String(), nil
}

// Verify tells whether the password is the one of a stored hash, and whether the
// hash is to be made anew because its parameters are not those of today. Without
// a hash (""), or one that cannot be read, it does the same work and says no. It
// returns [ErrBusy] and the error of ctx.
func (h *Hasher) Verify(ctx context.Context, stored, password string, trusted bool) (ok, upgrade bool, err error) {
	want, readErr := parsePHC(stored)
	known := readErr == nil
	if !known {
		want = h.dummy
	}
	n, wrong := normal(password)
	if wrong != nil {
		n = "" // no password can be set that is not text, so the answer is no; the work is done all the same
	}
	sum, err := h.run(ctx, n, want, len(want.sum), trusted)
	if err != nil {
		return false, false, err
	}
	ok = subtle.ConstantTimeCompare(sum, want.sum) == 1 && known && wrong == nil
	return ok, ok && (want.HashParams != h.params || len(want.salt) != saltLen || len(want.sum) != sumLen), nil
}

func (h *Hasher) run(ctx context.Context, password string, p phc, size int, trusted bool) ([]byte, error) {
	var kept chan struct{} // nil: not for strangers
	if trusted {
		kept = h.kept
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case kept <- struct{}{}:
		defer func() { <-h.kept }()
	default:
		// Strangers fill the queue at most by half.
		most := h.queue
		if !trusted {
			most /= 2
		}
		if h.waiting.Add(1) > most {
			h.waiting.Add(-1)
			return nil, ErrBusy
		}
		release, err := h.wait(ctx, kept)
		h.waiting.Add(-1)
		if err != nil {
			return nil, err
		}
		defer release()
	}
	h.runs.Add(1)
	return argon2.IDKey([]byte(password), p.salt, p.Passes, p.MemoryKiB, p.Lanes, uint32(size)), nil
}

func (h *Hasher) wait(ctx context.Context, kept chan struct{}) (release func(), err error) {
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots }, nil
	case kept <- struct{}{}:
		return func() { <-h.kept }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a turn to check the password: %w", ctx.Err())
	}
}
