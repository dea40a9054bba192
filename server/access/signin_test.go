package access

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestSignIn(t *testing.T) {
	k := newKit(t)
	k.person(t, "amini", Dispatcher)
	off := k.person(t, "retired", Dispatcher)
	yes := true
	if _, err := k.Register.Change(t.Context(), by("x"), off.ID, AccountChanges{Disabled: &yes}); err != nil {
		t.Fatal(err)
	}
	torn := k.person(t, "torn", Dispatcher)
	_ = k.vault.Erase(torn.Password.KeyID)
	i := 0
	for name, tt := range map[string]struct {
		in   SignIn
		want error
	}{
		"right":                        {SignIn{Name: "amini", Password: goodPassword}, nil},
		"a name in capitals":           {SignIn{Name: " AMINI ", Password: goodPassword}, nil},
		"a wrong password":             {SignIn{Name: "amini", Password: "wrong"}, ErrSignIn},
		"no password":                  {SignIn{Name: "amini"}, ErrSignIn},
		"a megabyte":                   {SignIn{Name: "amini", Password: strings.Repeat("x", 1<<20)}, ErrSignIn},
		"nobody":                       {SignIn{Name: "nobody", Password: goodPassword}, ErrSignIn},
		"no name":                      {SignIn{Password: goodPassword}, ErrSignIn},
		"a name of a megabyte":         {SignIn{Name: strings.Repeat("x", 1<<20), Password: goodPassword}, ErrSignIn},
		"disabled":                     {SignIn{Name: "retired", Password: goodPassword}, ErrSignIn},
		"whose key is lost":            {SignIn{Name: "torn", Password: goodPassword}, ErrSignIn},
		"a code that is not asked for": {SignIn{Name: "amini", Password: goodPassword, Code: "123456"}, nil},
	} {
		i++
		tt.in.From = fmt.Sprintf("192.0.2.%d", i)
		before := k.Hasher.Runs()
		e, err := k.SignIn(t.Context(), tt.in)
		if !errors.Is(err, tt.want) || err != nil && err.Error() != tt.want.Error() {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
		if (err == nil) != parseSecret(e.Secret) || (err == nil) != parseSecret(e.Browser) {
			t.Errorf("%s: got %+v", name, e)
		}
		// What takes time is the same whether there is such an account or not.
		if runs := k.Hasher.Runs() - before; runs != 1 {
			t.Errorf("%s: argon2id ran %d times, want 1", name, runs)
		}
	}
	if k.told(EventSignIn) != 3 || k.told(EventRefused) != 8 {
		t.Errorf("told of %d sign-ins and %d refusals", k.told(EventSignIn), k.told(EventRefused))
	}
}

func TestEachRoleComesInAsItIs(t *testing.T) {
	k := newKit(t)
	for _, role := range PersonRoles {
		a := k.person(t, "the-"+string(role), role)
		e, p := k.in(t, a.Name)
		if p.Role != role || p.Name != "user:"+a.Name || p.Account != a.ID || p.Session != e.Session.ID || p.Limited || !p.SteppedUp ||
			len(p.Agencies) != len(a.Agencies) || len(p.Shelters) != len(a.Shelters) {
			t.Errorf("%s came in as %+v", role, p)
		}
	}
	p, err := k.Identify(t.Context(), Credentials{From: "192.0.2.9"})
	if err != nil || p.Role != Anonymous || p.From != "192.0.2.9" {
		t.Errorf("nobody is %+v, %v", p, err)
	}
	for _, c := range []Credentials{{Session: secret(32)}, {Session: "x"}, {Token: tokenPrefix + secret(32)}, {Token: "x"}} {
		if p, err := k.Identify(t.Context(), c); err == nil || p.Role != "" {
			t.Errorf("%+v is %+v", c, p)
		}
	}
}

func TestSecondFactor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		a := k.person(t, "amini", Supervisor)
		f, codes := NewFactor()
		if _, err := k.Register.SetFactor(t.Context(), by("amini"), a.ID, &f, 0); err != nil {
			t.Fatal(err)
		}
		in := func(code string) error {
			_, err := k.SignIn(t.Context(), SignIn{Name: "amini", Password: goodPassword, Code: code, From: "192.0.2.7"})
			return err
		}
		code := func() string { return hotp(f.Secret, uint64(time.Now().Unix()/codePeriod), codeDigits) }
		if err := in(""); !errors.Is(err, ErrCodeNeeded) {
			t.Errorf("without a code: %v", err)
		}
		if _, err := k.SignIn(t.Context(), SignIn{Name: "amini", Password: "wrong", Code: code(), From: "192.0.2.8"}); !errors.Is(err, ErrSignIn) {
			t.Errorf("a wrong password says nothing about the code: %v", err)
		}
		if err := in(code()); err != nil {
			t.Errorf("the code: %v", err)
		}
		if err := in(code()); !errors.Is(err, ErrCodeWrong) {
			t.Errorf("the code again: %v", err)
		}
		// Not after a restart either.
		again, err := NewRegister(k.log.records, &memory{}, k.vault)
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := again.State().Account(a.ID); b.Step != time.Now().Unix()/codePeriod {
			t.Errorf("after a restart the step is %d", b.Step)
		}
		time.Sleep(codePeriod * time.Second)
		// Two bring the same code at once: one is let in.
		now := code()
		var wg sync.WaitGroup
		got := make(chan error, 2)
		for i := range 2 {
			wg.Go(func() {
				_, err := k.SignIn(t.Context(), SignIn{Name: "amini", Password: goodPassword, Code: now, From: fmt.Sprintf("198.51.100.%d", i)})
				got <- err
			})
		}
		wg.Wait()
		if a, b := <-got, <-got; (a == nil) == (b == nil) {
			t.Errorf("two with one code: %v, %v", a, b)
		}
		time.Sleep(time.Minute)
		if err := in(codes[0]); err != nil {
			t.Errorf("a recovery code: %v", err)
		}
		time.Sleep(time.Minute)
		if err := in(codes[0]); !errors.Is(err, ErrCodeWrong) {
			t.Errorf("the recovery code again: %v", err)
		}
		// A factor that cannot be opened is no way around it.
		b, _ := k.Register.State().Account(a.ID)
		_ = k.vault.Erase(b.Factor.KeyID)
		time.Sleep(time.Minute)
		if err := in(code()); err == nil || errors.Is(err, ErrCodeWrong) {
			t.Errorf("a factor whose key is lost: %v", err)
		}
		if _, err := k.Register.SetFactor(t.Context(), by("admin"), a.ID, nil, 0); err != nil {
			t.Fatal(err)
		}
		if err := in(""); err != nil {
			t.Errorf("an admin took the factor away: %v", err)
		}
	})
}

// Somebody who has the password and guesses codes from many addresses is made to
// wait, and it is told; the owner goes on in the browser that she uses.
func TestGuessingCodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		a := k.person(t, "amini", Supervisor)
		e, _ := k.in(t, "amini")
		f, _ := NewFactor()
		if _, err := k.Register.SetFactor(t.Context(), by("amini"), a.ID, &f, 0); err != nil {
			t.Fatal(err)
		}
		looked := 0
		for i := range 200 {
			_, err := k.SignIn(t.Context(), SignIn{Name: "amini", Password: goodPassword, Code: fmt.Sprintf("%06d", i), From: fmt.Sprintf("10.0.%d.1", i)})
			var wait *WaitError
			if errors.Is(err, ErrCodeWrong) {
				looked++
			} else if !errors.As(err, &wait) {
				t.Fatal(err)
			}
		}
		if looked > 20 || k.told(EventCodes) != 1 {
			t.Errorf("%d of 200 codes were looked at, told %d times", looked, k.told(EventCodes))
		}
		code := hotp(f.Secret, uint64(time.Now().Unix()/codePeriod), codeDigits)
		if _, err := k.SignIn(t.Context(), SignIn{Name: "amini", Password: goodPassword, Code: code, From: "10.9.9.9", Browser: e.Browser}); err != nil {
			t.Errorf("the owner in her browser: %v", err)
		}
	})
}

func TestStepUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		k.person(t, "admin", Admin)
		e, p := k.in(t, "admin")
		if !Allow(p, AccountChange, Target{}).Allowed {
			t.Error("who has just signed in has proved who they are")
		}
		time.Sleep(stepUpFor)
		p, err := k.Identify(t.Context(), Credentials{Session: e.Secret})
		if err != nil {
			t.Fatal(err)
		}
		if d := Allow(p, AccountChange, Target{}); d.Code != StepUpNeeded {
			t.Errorf("ten minutes later: %+v", d)
		}
		if _, err := k.StepUp(t.Context(), p, SignIn{Password: "wrong", From: p.From}); !errors.Is(err, ErrSignIn) {
			t.Errorf("a wrong password: %v", err)
		}
		next, err := k.StepUp(t.Context(), p, SignIn{Password: goodPassword, From: p.From})
		if err != nil || next.Secret == e.Secret || next.Session.ID != e.Session.ID {
			t.Fatalf("step-up: %v", err)
		}
		if _, err := k.Identify(t.Context(), Credentials{Session: e.Secret}); !errors.Is(err, ErrNoSession) {
			t.Error("the secret before it opens the session")
		}
		p, err = k.Identify(t.Context(), Credentials{Session: next.Secret})
		if err != nil || !Allow(p, AccountChange, Target{}).Allowed {
			t.Errorf("after it: %v", err)
		}
		if _, err := k.StepUp(t.Context(), Principal{Token: "x", Role: Admin}, SignIn{Password: goodPassword}); !errors.Is(err, ErrNoSession) {
			t.Errorf("a program: %v", err)
		}
		if k.told(EventStepUp) != 1 {
			t.Errorf("told %d times", k.told(EventStepUp))
		}
	})
}

func TestAPasswordThatSomebodyElseGave(t *testing.T) {
	k := newKit(t)
	k.person(t, "amini", Dispatcher, func(in *NewAccount) { in.MustChange = true })
	e, p := k.in(t, "amini")
	other, _ := k.in(t, "amini")
	if !p.Limited || Allow(p, FeatureRead, Target{Kind: "unit"}).Code != PasswordChange || !Allow(p, SelfChange, Target{Account: p.Account}).Allowed || AudienceOf(p) != "" {
		t.Errorf("before it is changed: %+v", p)
	}
	for password, want := range map[string]error{goodPassword: ErrPasswordSame, "short": ErrPasswordShort, "amini amini": ErrPasswordShort, "Password12345": ErrPasswordCommon} {
		if _, err := k.ChangePassword(t.Context(), p, password, SignIn{Password: goodPassword}); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", password, err, want)
		}
	}
	next, err := k.ChangePassword(t.Context(), p, "seven herons stand in reeds", SignIn{Password: goodPassword, From: "192.0.2.7"})
	if err != nil {
		t.Fatal(err)
	}
	for _, old := range []string{e.Secret, other.Secret} {
		if _, err := k.Identify(t.Context(), Credentials{Session: old}); !errors.Is(err, ErrNoSession) {
			t.Errorf("a session of the old password: %v", err)
		}
	}
	p, err = k.Identify(t.Context(), Credentials{Session: next.Secret})
	if err != nil || p.Limited {
		t.Errorf("after it: %+v %v", p, err)
	}
	if _, err := k.SignIn(t.Context(), SignIn{Name: "amini", Password: goodPassword}); !errors.Is(err, ErrSignIn) {
		t.Errorf("the old password: %v", err)
	}
	if _, err := k.NewPassword(t.Context(), "amini-amini-1", "amini"); !errors.Is(err, ErrPasswordCommon) {
		t.Errorf("an admin gives a bad one: %v", err)
	}
}

func TestBreakGlassIsHeard(t *testing.T) {
	k := newKit(t)
	k.person(t, "glass", Admin, func(in *NewAccount) { in.BreakGlass = true })
	e, p := k.in(t, "glass")
	if k.told(EventBreakGlass) != 1 || !p.BreakGlass || !e.Session.BreakGlass {
		t.Errorf("told %d times: %+v", k.told(EventBreakGlass), p)
	}
	if last := k.log.records[len(k.log.records)-1]; last.Op != "account.break_glass" {
		t.Errorf("the last record is %s", last.Op)
	}
	if !Allow(p, SealedOpen, Target{Kind: "incident"}).Allowed || !Allow(p, Publish, Target{}).Allowed || !Allow(p, AccountChange, Target{}).Allowed {
		t.Error("it does not open what it is for")
	}
	// On the day when the disk is full as well.
	k.log.fail = errors.New("no space left on device")
	if _, err := k.SignIn(t.Context(), SignIn{Name: "glass", Password: goodPassword, From: "10.0.0.1"}); err != nil || k.told(EventBreakGlass) != 2 {
		t.Errorf("on a full disk: %v, told %d times", err, k.told(EventBreakGlass))
	}
}

func TestAHashIsMadeAnewWhenItsCostIsOld(t *testing.T) {
	k := newKit(t)
	old := k.Hasher
	k.Hasher = NewHasher(HashParams{32, 1, 1}, 1)
	a := k.person(t, "amini", Viewer)
	k.Hasher = old
	e, p := k.in(t, "amini")
	b, _ := k.Register.State().Account(a.ID)
	h, err := parsePHC(k.Register.hashOf(b))
	if err != nil || h.HashParams != cheap {
		t.Errorf("the hash costs %+v, %v; want %+v", h.HashParams, err, cheap)
	}
	if _, err := k.Identify(t.Context(), Credentials{Session: e.Secret}); err != nil || b.Grant != a.Grant || p.Account != a.ID {
		t.Errorf("the session is over by it: %v", err)
	}
	if k.vault.live() != 1 {
		t.Errorf("%d hashes are kept", k.vault.live())
	}
	k.in(t, "amini") // and the new one opens
}

func TestASignInThatGivesUp(t *testing.T) {
	k := newKit(t)
	k.person(t, "amini", Viewer)
	k.Hasher.slots <- struct{}{}
	k.Hasher.slots <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.SignIn(ctx, SignIn{Name: "amini", Password: goodPassword}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	<-k.Hasher.slots
	for range 5 { // what was not checked did not count
		if _, err := k.SignIn(t.Context(), SignIn{Name: "amini", Password: goodPassword}); err != nil {
			t.Fatal(err)
		}
	}
}

// Strangers who hammer one name wait in line for at most ten seconds; nobody is
// refused who has the password.
func TestUnderAttackTheOwnerGetsInFromANewPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		k.person(t, "amini", Dispatcher)
		for i := range 300 {
			try, _ := k.Limiter.Begin(time.Now(), "amini", fmt.Sprintf("10.0.%d.%d", i/256, i%256), "")
			try.Failed(time.Now())
		}
		began := time.Now()
		if _, err := k.SignIn(t.Context(), SignIn{Name: "amini", Password: goodPassword, From: "203.0.113.5"}); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != strangerMax {
			t.Errorf("it took %s, want %s", took, strangerMax)
		}
	})
}
