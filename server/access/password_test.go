package access

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/argon2"
)

// cheap parameters, for tests that sign in a thousand times.
var cheap = HashParams{MemoryKiB: 64, Passes: 1, Lanes: 1}

func TestTheCostIsWhatIsAsked(t *testing.T) {
	if p := DefaultHashParams; p.MemoryKiB < 19<<10 || p.Passes < 2 || p.Lanes != 1 {
		t.Errorf("a guess costs %+v, want at least 19 MiB, 2 passes and 1 lane", p)
	}
	h := NewHasher(DefaultHashParams, 1)
	hash, err := h.Hash(t.Context(), "an otter swims at dusk")
	if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatalf("got %q, %v", hash, err)
	}
	if ok, upgrade, err := h.Verify(t.Context(), hash, "an otter swims at dusk", false); !ok || upgrade || err != nil {
		t.Errorf("the right password: %v %v %v", ok, upgrade, err)
	}
}

func TestVerify(t *testing.T) {
	h := NewHasher(cheap, 2)
	hash, err := h.Hash(t.Context(), "an otter swims at dusk")
	if err != nil {
		t.Fatal(err)
	}
	old, err := NewHasher(HashParams{32, 1, 1}, 1).Hash(t.Context(), "an otter swims at dusk")
	if err != nil {
		t.Fatal(err)
	}
	fullwidth, err := h.Hash(t.Context(), "ａｎ ｏｔｔｅｒ swims at dusk")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		hash, password string
		ok, upgrade    bool
	}{
		"right":                        {hash, "an otter swims at dusk", true, false},
		"wrong":                        {hash, "an otter swims at dawn", false, false},
		"empty":                        {hash, "", false, false},
		"with a NUL":                   {hash, "an otter swims at dusk\x00", false, false},
		"not UTF-8":                    {hash, "\xff\xfe", false, false},
		"a megabyte":                   {hash, strings.Repeat("x", 1<<20), false, false},
		"of older parameters":          {old, "an otter swims at dusk", true, true},
		"wrong, of older parameters":   {old, "an otter swims at dawn", false, false},
		"typed full width":             {hash, "ａｎ ｏｔｔｅｒ swims at dusk", true, false},
		"set full width":               {fullwidth, "an otter swims at dusk", true, false},
		"no account":                   {"", "an otter swims at dusk", false, false},
		"no account, the empty dummy":  {"", "", false, false},
		"a hash that cannot be read":   {"$2a$10$abc", "an otter swims at dusk", false, false},
		"a hash that would cost 4 GiB": {"$argon2id$v=19$m=4194304,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA", "an otter swims at dusk", false, false},
	}
	for name, tt := range tests {
		before := h.Runs()
		ok, upgrade, err := h.Verify(t.Context(), tt.hash, tt.password, false)
		if ok != tt.ok || upgrade != tt.upgrade || err != nil {
			t.Errorf("%s: got %v %v %v, want %v %v", name, ok, upgrade, err, tt.ok, tt.upgrade)
		}
		if runs := h.Runs() - before; runs != 1 {
			t.Errorf("%s: argon2id ran %d times, want 1 whatever is asked", name, runs)
		}
	}
	again, _ := h.Hash(t.Context(), "an otter swims at dusk")
	if again == hash {
		t.Error("two hashes of a password are equal: there is no salt")
	}
}

func TestCheckPassword(t *testing.T) {
	tests := map[string]struct {
		password string
		want     error
	}{
		"four words":                 {"correct horse battery staple", nil},
		"twelve random letters":      {"xq7vLm2pRk9w", nil},
		"Persian words":              {"کبوتر سفید روی بام خانه", nil},
		"Chinese":                    {"白日依山尽黄河入海流欲穷", nil},
		"eleven":                     {"xq7vLm2pRk9", ErrPasswordShort},
		"twelve bytes, six letters":  {"کبوترس", ErrPasswordShort},
		"ligatures count as letters": {"xq7vLm2pRkﬃ", nil},
		"128":                        {strings.Repeat("xq7vLm2p4Rkz9wbn", 7) + "Tq3#vB6%mZ8!kP1x", nil},
		"129":                        {strings.Repeat("xq7vLm2p4Rkz9wbn", 8) + "x", ErrPasswordLong},
		"a megabyte":                 {strings.Repeat("x", 1<<20), ErrPasswordLong},
		"a newline":                  {"correct horse\nbattery", ErrPasswordText},
		"not UTF-8":                  {"correct horse \xff battery", ErrPasswordText},
		"on the list":                {"1qaz2wsx3edc", ErrPasswordCommon},
		"a common word and digits":   {"Password12345!", ErrPasswordCommon},
		"in signs":                   {"P@$$w0rd!!!!!!2026", ErrPasswordCommon},
		"a walk":                     {"qwertyuiop[]", ErrPasswordCommon},
		"a walk and digits":          {"qwertyuiop123", ErrPasswordCommon},
		"a Persian walk":             {"ضصثقفغعهخحجچ", ErrPasswordCommon},
		"digits":                     {"123456789012", ErrPasswordCommon},
		"one letter":                 {"aaaaaaaaaaaaaaaa", ErrPasswordCommon},
		"three letters":              {"abcabcabcabcabc", ErrPasswordCommon},
		"said twice":                 {"xq7vLmxq7vLm", ErrPasswordCommon},
		"said twice, and long":       {"xq7vLm2pRk9wxq7vLm2pRk9w", nil},
		"two common words":           {"dragonmonkey1", ErrPasswordCommon},
		"the name":                   {"mitra.amini2026", ErrPasswordCommon},
		"the name twice over":        {"Amini-Mitra-1399", ErrPasswordCommon},
		"the product":                {"rasadrasad2026", ErrPasswordCommon},
		"the name in a sentence":     {"amini waters the garden", nil},
	}
	for name, tt := range tests {
		if got := CheckPassword(tt.password, "mitra.amini", "Mitra Amini"); !errors.Is(got, tt.want) {
			t.Errorf("%s %.40q: got %v, want %v", name, tt.password, got, tt.want)
		}
	}
}

func TestTheListIsWholeAndSaysWhereItIsFrom(t *testing.T) {
	f, err := os.Open("common.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	head, words := "", 0
	for sc := bufio.NewScanner(f); sc.Scan(); {
		if strings.HasPrefix(sc.Text(), "#") {
			head += sc.Text()
			continue
		}
		words++
		// Every word, dressed up to length, is refused.
		if w := sc.Text(); words%50 == 0 && len(w) < PasswordMin && strings.Trim(w, "0123456789") == w {
			if p := strings.ToUpper(w[:1]) + w[1:] + strings.Repeat("!7", 6); CheckPassword(p) == nil {
				t.Errorf("%q may be a password", p)
			}
		}
	}
	if words != len(common()) || words < 10_000 {
		t.Errorf("%d words in the file, %d in memory", words, len(common()))
	}
	for _, want := range []string{"@zxcvbn-ts/language-common 4.1.3", "Permission is hereby granted", "Copyright"} {
		if !strings.Contains(head, want) {
			t.Errorf("the list does not say %q", want)
		}
	}
}

func FuzzPHC(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2Fs$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2i$v=19$m=8,t=1,p=1$$")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parsePHC(s)
		if err != nil {
			if !errors.Is(err, ErrHash) {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		if h.String() != s {
			t.Fatalf("%q was read and is written %q", s, h)
		}
		if h.MemoryKiB > 256<<10 || h.Passes > 16 || h.Lanes > 4 || h.MemoryKiB < 8*uint32(h.Lanes) {
			t.Fatalf("%q costs too much", s)
		}
	})
}

func TestPHCOfAnotherProgramIsRead(t *testing.T) {
	sum := argon2.IDKey([]byte("an otter swims at dusk"), []byte("saltsaltsaltsalt"), 3, 128, 2, 24)
	s := phc{HashParams{128, 3, 2}, []byte("saltsaltsaltsalt"), sum}.String()
	ok, upgrade, err := NewHasher(cheap, 1).Verify(t.Context(), s, "an otter swims at dusk", false)
	if !ok || !upgrade || err != nil {
		t.Errorf("got %v %v %v", ok, upgrade, err)
	}
}

func FuzzCheckPassword(f *testing.F) {
	f.Add("correct horse battery staple")
	f.Add("ﷺﷺﷺﷺﷺﷺﷺﷺﷺﷺﷺﷺ")
	f.Fuzz(func(t *testing.T, p string) {
		if CheckPassword(p, "amini") == nil {
			n, err := normal(p)
			if err != nil || len([]rune(n)) < PasswordMin || len([]rune(n)) > PasswordMax {
				t.Fatalf("%q may be a password", p)
			}
		}
	})
}

// A hundred strangers at once take no more memory than the slots, are turned away
// when the queue is half full, and somebody who is trusted gets in all the same.
func TestStrangersDoNotFillTheHouse(t *testing.T) {
	h := NewHasher(cheap, 2)
	h.slots <- struct{}{} // two that take for ever
	h.slots <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	errs := make(chan error, 100)
	for range 100 {
		wg.Go(func() {
			_, _, err := h.Verify(ctx, "", "an otter swims at dusk", false)
			errs <- err
		})
	}
	busy := 0
	for range 100 - 32 {
		if err := <-errs; errors.Is(err, ErrBusy) {
			busy++
		}
	}
	if busy != 68 || h.Runs() != 0 {
		t.Errorf("%d of 100 strangers were turned away, %d hashed; want 68 and 0", busy, h.Runs())
	}
	if _, _, err := h.Verify(t.Context(), "", "x", true); err != nil || h.Runs() != 1 {
		t.Errorf("somebody who is trusted: %v, %d hashed", err, h.Runs())
	}
	cancel()
	wg.Wait()
	if h.waiting.Load() != 0 {
		t.Errorf("%d still wait", h.waiting.Load())
	}
}

func TestLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter()
		fail := func(name, from, browser string) time.Duration {
			try, wait := l.Begin(time.Now(), name, from, browser)
			if wait == 0 {
				try.Failed(time.Now())
			}
			return wait
		}
		// One account from one address.
		var waits []time.Duration
		for range 14 {
			w := fail("amini", "192.0.2.7:4711", "")
			if w > 0 {
				waits = append(waits, w)
				time.Sleep(w)
				fail("amini", "192.0.2.7:4712", "")
			}
		}
		if fmt.Sprint(waits) != "[1s 2s 4s 8s 16s 32s 1m4s 2m8s 4m16s 8m32s 15m0s]" {
			t.Errorf("waits %v", waits)
		}
		// It does not touch the same account from elsewhere.
		if _, wait := l.Begin(time.Now(), "amini", "192.0.2.8", ""); wait > 0 {
			t.Errorf("somebody else waits %s for the mistakes of one address", wait)
		}
	})
}

func TestNobodyIsLockedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter()
		home, desk := "2001:db8:1:2::7", secret(32)
		try, wait := l.Begin(time.Now(), "amini", home, "")
		if wait > 0 || try.Trusted || try.Delay > 0 {
			t.Fatalf("the first try: %v %+v", wait, try)
		}
		try.Succeeded(time.Now(), desk)
		// An attacker tries the account from a thousand networks, and from her own.
		for i := range 1000 {
			for range 10 {
				for _, from := range []string{fmt.Sprintf("2001:db8:%x:3::1", i+16), home} {
					if try, wait := l.Begin(time.Now(), "amini", from, ""); wait == 0 {
						try.Failed(time.Now())
					}
				}
			}
		}
		if try, wait := l.Begin(time.Now(), "amini", home, desk); wait > 0 || try.Delay > 0 || !try.Trusted {
			t.Errorf("in the browser that she uses she waits %s and %s", wait, try.Delay)
		}
		if try, wait := l.Begin(time.Now(), "amini", "198.51.100.1", ""); wait > 0 || try.Delay != strangerMax {
			t.Errorf("from a new place: refused for %s, delayed %s; want no refusal and %s", wait, try.Delay, strangerMax)
		}
		// A neighbour in the same network is slowed down, in the whole /64.
		if _, wait := l.Begin(time.Now(), "wang", "2001:db8:1:2:ffff::9", ""); wait > 0 {
			t.Errorf("a colleague behind the same address waits %s", wait)
		}
		// The trust ends by itself.
		time.Sleep(trustFor)
		if try, _ := l.Begin(time.Now(), "amini", home, desk); try.Trusted {
			t.Error("a browser is trusted after a month")
		}
	})
}

func TestAnAddressThatTriesAllNamesWaits(t *testing.T) {
	now := time.Unix(1e9, 0)
	l := NewLimiter()
	refused := 0
	for i := range 100 {
		try, wait := l.Begin(now, fmt.Sprint("user", i), "192.0.2.7", "")
		if wait > 0 {
			refused++
			continue
		}
		try.Failed(now)
	}
	if refused != 90 {
		t.Errorf("%d of 100 names were refused, want 90", refused)
	}
}

// A thousand guesses at once are no way around the count.
func TestManyAtOnceCount(t *testing.T) {
	now := time.Unix(1e9, 0)
	l := NewLimiter()
	begun := 0
	for range 1000 {
		if _, wait := l.Begin(now, "amini", "192.0.2.7", ""); wait == 0 {
			begun++ // and not ended yet
		}
	}
	if begun != pairFree+1 {
		t.Errorf("%d guesses began, want %d", begun, pairFree+1)
	}
	l = NewLimiter()
	for range 1000 {
		try, wait := l.Begin(now, "amini", "192.0.2.7", "")
		if wait > 0 {
			t.Fatal("what was not checked was counted")
		}
		try.Cancel()
	}
}

func TestTheLimiterIsBounded(t *testing.T) {
	now := time.Unix(1e9, 0)
	l := NewLimiter()
	for range 12 { // one that matters
		try, wait := l.Begin(now, "amini", "192.0.2.7", "")
		if wait > 0 {
			now = now.Add(wait)
			try, _ = l.Begin(now, "amini", "192.0.2.7", "")
		}
		try.Failed(now)
	}
	_, before := l.Begin(now, "amini", "192.0.2.7", "")
	r := rand.New(rand.NewPCG(1, 1))
	for range countsMax * 5 / 4 {
		try, _ := l.Begin(now, fmt.Sprint(r.Uint64()), fmt.Sprintf("10.%d.%d.%d", r.IntN(256), r.IntN(256), r.IntN(256)), "")
		try.Failed(now)
	}
	for range trustedMax + 20 {
		(Try{l: l, name: short(fmt.Sprint(r.Uint64()))}).Succeeded(now, "b")
	}
	for _, c := range []counts{l.pairs, l.names, l.sources, l.codes} {
		if len(c) > countsMax {
			t.Errorf("%d counts, want at most %d", len(c), countsMax)
		}
	}
	if len(l.trusted) > trustedMax {
		t.Errorf("%d are trusted", len(l.trusted))
	}
	if _, wait := l.Begin(now, "amini", "192.0.2.7", ""); wait != before || wait == 0 {
		t.Errorf("the wait of who fails most was %s and is %s: a flood washed it away", before, wait)
	}
}

func TestSource(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "192.0.2.7:80": "192.0.2.7", "[2001:db8:1:2:3::4]:80": "2001:db8:1:2::/64", "2001:db8:1:2::": "2001:db8:1:2::/64",
		"::ffff:192.0.2.7": "192.0.2.7", "fe80::1%eth0": "fe80::/64", "": "", "unix": "unix",
	} {
		if got := Source(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func BenchmarkHash(b *testing.B) {
	h := NewHasher(DefaultHashParams, 1)
	for b.Loop() {
		if _, err := h.Hash(b.Context(), "an otter swims at dusk"); err != nil {
			b.Fatal(err)
		}
	}
}
