package access

import (
	"crypto/sha256"
	"net/netip"
	"sync"
	"time"
)

// Limiter slows down who guesses, and locks nobody out. Its rules:
//
//   - Of one account from one address the third wrong password costs a second's
//     wait, and each further one twice as much, up to a quarter of an hour. An
//     attempt counts when it begins, so that many at once are no way around it.
//   - An address that fails with many accounts waits likewise, from the tenth.
//   - An account that is tried from many addresses answers strangers after a delay
//     that grows to ten seconds, and never refuses: who knows the password gets in.
//   - A browser in which an account was signed in during the last 30 days is
//     trusted for it, known by a cookie of its own: it is counted by itself, and
//     what others do to the account or behind the same address does not touch it.
//   - Wrong codes after the right password count for the account, from the sixth:
//     only who has the password can make its owner wait, in a new browser.
//
// An account is counted by what was typed, whether it exists or not. The limiter
// reads no clock and holds a bounded number of counts.
type Limiter struct {
	mu      sync.Mutex
	pairs   counts // account and address
	names   counts
	sources counts
	codes   counts // of accounts whose password was right
	trusted map[pair]time.Time
}

// The numbers of the rules.
const (
	pairFree     = 2
	sourceFree   = 9
	nameFree     = 20
	codeFree     = 5
	delayMax     = 15 * time.Minute
	strangerMax  = 10 * time.Second
	trustFor     = 30 * 24 * time.Hour
	forgetAfter  = 24 * time.Hour
	countsMax    = 20_000
	trustedMax   = 20_000
	limiterBatch = 64
)

// pair is an account and where it is tried from: an address or a browser.
type pair struct{ name, source [16]byte }

type count struct {
	failed int
	last   time.Time
	until  time.Time // of the wait
}

type counts map[pair]*count

// Try is one attempt to sign in. It must end by [Try.Failed], [Try.Succeeded] or,
// when nothing was checked, [Try.Cancel].
type Try struct {
	l            *Limiter
	name, source [16]byte
	// Trusted: the account was signed in in this browser before.
	Trusted bool
	// Delay is how long the caller waits before it checks the password, whoever
	// asks: at most ten seconds.
	Delay time.Duration
}

// NewLimiter returns a limiter that has seen nothing.
func NewLimiter() *Limiter {
	return &Limiter{pairs: counts{}, names: counts{}, sources: counts{}, codes: counts{}, trusted: map[pair]time.Time{}}
}

// Source is the address that counts: of IPv6 the network of a customer (/64), of
// which one person has 2⁶⁴ addresses. Text that is no address counts as itself.
func Source(from string) string {
	if ap, err := netip.ParseAddrPort(from); err == nil {
		from = ap.Addr().String()
	}
	a, err := netip.ParseAddr(from)
	if err != nil {
		return from
	}
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a.String()
	}
	p, _ := a.Prefix(64) // 64 is within 128
	return p.String()
}

func short(s string) [16]byte {
	sum := sha256.Sum256([]byte(s))
	return [16]byte(sum[:16])
}

// Begin is before a password is looked at; browser is the value of the browser's
// own cookie, empty when it has none. A wait above zero means: not now, ask again
// after it; the attempt is not counted.
func (l *Limiter) Begin(now time.Time, name, from, browser string) (t Try, wait time.Duration) {
	t = Try{l: l, name: short(name), source: short(Source(from))}
	l.mu.Lock()
	defer l.mu.Unlock()
	if known := short("browser " + browser); browser != "" {
		since, ok := l.trusted[pair{t.name, known}]
		if t.Trusted = ok && now.Sub(since) < trustFor; t.Trusted {
			t.source = known
		}
	}
	both := pair{t.name, t.source}
	if c := l.pairs.at(both, now); c != nil && c.until.After(now) {
		return t, c.until.Sub(now)
	}
	defer func() {
		if wait == 0 {
			l.pairs.add(both, now, pairFree) // before it is known: a thousand at once must not all be the first
		}
	}()
	if t.Trusted {
		return t, 0
	}
	if c := l.sources.at(pair{source: t.source}, now); c != nil && c.until.After(now) {
		return t, c.until.Sub(now)
	}
	if c := l.names.at(pair{name: t.name}, now); c != nil {
		t.Delay = delay(c.failed-nameFree, 250*time.Millisecond, strangerMax)
	}
	return t, 0
}

// Failed counts a wrong password or code.
func (t Try) Failed(now time.Time) {
	t.l.mu.Lock()
	defer t.l.mu.Unlock()
	if !t.Trusted { // a colleague's typing errors are not an attack on all behind the same address
		t.l.sources.add(pair{source: t.source}, now, sourceFree)
		t.l.names.add(pair{name: t.name}, now, nameFree)
	}
}

// Cancel takes an attempt back of which nothing was checked.
func (t Try) Cancel() {
	t.l.mu.Lock()
	defer t.l.mu.Unlock()
	if c := t.l.pairs[pair{t.name, t.source}]; c != nil && c.failed > 0 {
		c.failed--
		c.until = time.Time{}
	}
}

// CodeWait is how long no code is looked at after many wrong ones; zero: now.
func (t Try) CodeWait(now time.Time) time.Duration {
	t.l.mu.Lock()
	defer t.l.mu.Unlock()
	if c := t.l.codes.at(pair{name: t.name}, now); c != nil && !t.Trusted {
		return max(c.until.Sub(now), 0)
	}
	return 0
}

// CodeFailed counts a wrong code after the right password, and says how many there
// were.
func (t Try) CodeFailed(now time.Time) int {
	t.Failed(now)
	t.l.mu.Lock()
	defer t.l.mu.Unlock()
	return t.l.codes.add(pair{name: t.name}, now, codeFree)
}

// Succeeded forgets the failures of this account from here, and trusts the browser.
func (t Try) Succeeded(now time.Time, browser string) {
	t.l.mu.Lock()
	defer t.l.mu.Unlock()
	delete(t.l.pairs, pair{t.name, t.source})
	if browser == "" {
		return
	}
	known := pair{t.name, short("browser " + browser)}
	if _, ok := t.l.trusted[known]; !ok && len(t.l.trusted) >= trustedMax {
		oldest, when := pair{}, time.Time{}
		for k, at := range t.l.trusted {
			if when.IsZero() || at.Before(when) {
				oldest, when = k, at
			}
		}
		delete(t.l.trusted, oldest)
	}
	t.l.trusted[known] = now
}

// delay is nothing up to zero failures too many, then doubles from first.
func delay(over int, first, most time.Duration) time.Duration {
	switch {
	case over <= 0:
		return 0
	case over > 20:
		return most
	}
	return min(first<<(over-1), most)
}

func (c counts) at(k pair, now time.Time) *count {
	n := c[k]
	if n != nil && now.Sub(n.last) > forgetAfter {
		delete(c, k)
		return nil
	}
	return n
}

func (c counts) add(k pair, now time.Time, free int) int {
	n := c.at(k, now)
	if n == nil {
		if len(c) >= countsMax {
			c.makeRoom(now)
		}
		n = &count{}
		c[k] = n
	}
	n.failed++
	n.last = now
	n.until = now.Add(delay(n.failed-free, time.Second, delayMax))
	return n.failed
}

// makeRoom forgets, of a few counts that come to hand, the one that matters least.
// A map's order is random, so nobody chooses whose count goes.
func (c counts) makeRoom(now time.Time) {
	var victim pair
	var least *count
	seen := 0
	for k, n := range c {
		if least == nil || n.failed < least.failed || n.failed == least.failed && n.last.Before(least.last) {
			victim, least = k, n
		}
		if seen++; seen == limiterBatch {
			break
		}
	}
	delete(c, victim)
}
