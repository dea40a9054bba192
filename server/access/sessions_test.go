package access

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func newSessions(t *testing.T, store SessionStore) *Sessions {
	t.Helper()
	s, err := NewSessions(t.Context(), store, slog.New(slog.DiscardHandler), func(Session) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Every role's session ends after its idle and its absolute time, to the second,
// and the watch of a socket rings within one.
func TestLifetimes(t *testing.T) {
	for _, role := range append(append([]Role(nil), PersonRoles...), Wall) {
		for _, glass := range []bool{false, true} {
			l := LifetimeOf(role, glass)
			if l.Idle <= 0 || l.Absolute < l.Idle {
				t.Errorf("%s: %+v", role, l)
			}
			t.Run(fmt.Sprint(role, glass), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newSessions(t, NoStore{})
					idle, x := s.Begin(t.Context(), time.Now(), Session{Account: "a", Role: role, BreakGlass: glass}, "")
					over, stop := s.Watch(x.ID)
					defer stop()
					time.Sleep(l.Idle - time.Second)
					if _, err := s.Find(t.Context(), time.Now(), idle); err != nil {
						t.Error("over before its idle time")
					}
					time.Sleep(l.Idle)
					if _, err := s.Find(t.Context(), time.Now(), idle); !errors.Is(err, ErrNoSession) {
						t.Errorf("alive after its idle time: %v", err)
					}
					if !isOver(over) {
						t.Error("the watch did not ring")
					}
				})
				synctest.Test(t, func(t *testing.T) {
					s := newSessions(t, NoStore{})
					began := time.Now()
					busy, x := s.Begin(t.Context(), began, Session{Account: "b", Role: role, BreakGlass: glass}, "")
					over, stop := s.Watch(x.ID)
					defer stop()
					for {
						left := l.Absolute - time.Since(began) - 5*time.Second
						if left <= 0 {
							break
						}
						time.Sleep(min(l.Idle/2, left))
						if _, err := s.Find(t.Context(), time.Now(), busy); err != nil {
							t.Fatalf("over after %s of use", time.Since(began))
						}
					}
					go s.Run(t.Context()) // from here: a year has many half seconds
					<-over
					if took := time.Since(began); took < l.Absolute || took > l.Absolute+time.Second {
						t.Errorf("the watch rang after %s, want %s and at most a second", took, l.Absolute)
					}
				})
			})
		}
	}
}

// A wall that only has its socket open for a year outlives a restart on its last day.
func TestAWallOutlivesARestartAfterMonths(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &shelf{}
		s := newSessions(t, store)
		text, x := s.Begin(t.Context(), time.Now(), Session{Device: "d", Role: Wall}, "")
		for range 364 {
			time.Sleep(24 * time.Hour)
			s.Touch(t.Context(), time.Now(), x.ID)
		}
		if _, err := newSessions(t, store).Find(t.Context(), time.Now(), text); err != nil {
			t.Error(err)
		}
		s.Touch(t.Context(), time.Now(), "nobody")
	})
}

func TestASecretIsNowhere(t *testing.T) {
	store := &shelf{}
	s := newSessions(t, store)
	text, x := s.Begin(t.Context(), time.Now(), Session{Account: "a", Role: Viewer}, "")
	if len(text) != 43 || strings.Contains(fmt.Sprintf("%+v %+v", store.m, x), text) || x.Key != sha(text) {
		t.Error("the secret is kept")
	}
	seen := map[string]bool{}
	for range 1000 {
		v := secret(32)
		if seen[v] || !parseSecret(v) {
			t.Fatal("secrets repeat, or are none")
		}
		seen[v] = true
	}
}

func TestRotation(t *testing.T) {
	s := newSessions(t, &shelf{})
	first, x := s.Begin(t.Context(), time.Now(), Session{Account: "a", Role: Admin}, "")
	over, stop := s.Watch(x.ID)
	defer stop()
	second, y, err := s.StepUp(t.Context(), time.Now(), x.ID)
	if err != nil || y.ID != x.ID || second == first {
		t.Fatalf("step-up: %v %+v", err, y)
	}
	if _, err := s.Find(t.Context(), time.Now(), first); !errors.Is(err, ErrNoSession) {
		t.Error("the secret before the step-up opens the session")
	}
	if got, err := s.Find(t.Context(), time.Now(), second); err != nil || !got.SteppedUp.After(time.Now()) {
		t.Errorf("after it: %+v %v", got, err)
	}
	if isOver(over) {
		t.Error("the sockets of the session were closed")
	}
	// Fixation: a session that the browser brings to the sign-in is over.
	third, z := s.Begin(t.Context(), time.Now(), Session{Account: "b", Role: Viewer}, second)
	if _, err := s.Find(t.Context(), time.Now(), second); !errors.Is(err, ErrNoSession) || third == second || z.ID == x.ID {
		t.Error("the session that was brought goes on")
	}
	if !isOver(over) {
		t.Error("its sockets go on")
	}
	if _, _, err := s.Rotate(t.Context(), time.Now(), x.ID, nil); !errors.Is(err, ErrNoSession) {
		t.Errorf("what is over was rotated: %v", err)
	}
	for _, bad := range []string{"", "x", strings.Repeat("A", 43) + "=", strings.Repeat("!", 43), strings.Repeat("A", 1<<20)} {
		if _, err := s.Find(t.Context(), time.Now(), bad); !errors.Is(err, ErrNoSession) {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
}

func TestOneAccountHasSoManySessions(t *testing.T) {
	s := newSessions(t, &shelf{})
	now := time.Now()
	var secrets []string
	for i := range sessionsPerAccount + 3 {
		text, _ := s.Begin(t.Context(), now.Add(time.Duration(i)*time.Second), Session{Account: "a", Role: Viewer}, "")
		secrets = append(secrets, text)
	}
	other, _ := s.Begin(t.Context(), now, Session{Account: "b", Role: Viewer}, "")
	later := now.Add(time.Minute)
	for i, text := range append(secrets, other) {
		_, err := s.Find(t.Context(), later, text)
		if gone := i < 3; gone != (err != nil) {
			t.Errorf("session %d: %v", i, err)
		}
	}
	wall, _ := s.Begin(t.Context(), now, Session{Device: "d", Role: Wall}, "")
	if _, x := s.Begin(t.Context(), now, Session{Device: "d", Role: Wall}, ""); x.ID == "" {
		t.Error("no session")
	}
	if _, err := s.Find(t.Context(), later, wall); !errors.Is(err, ErrNoSession) {
		t.Error("a wall is in twice")
	}
}

func TestSessionsOutliveARestartAndAFullDisk(t *testing.T) {
	store := &shelf{}
	s := newSessions(t, store)
	kept, x := s.Begin(t.Context(), time.Now(), Session{Account: "a", Role: Dispatcher, Grant: 3}, "")
	gone, _ := s.Begin(t.Context(), time.Now(), Session{Account: "b", Role: Dispatcher}, "")
	if n := s.Revoke(t.Context(), func(x Session) bool { return x.Account == "b" }); n != 1 {
		t.Errorf("%d were revoked", n)
	}
	again := newSessions(t, store)
	if got, err := again.Find(t.Context(), time.Now(), kept); err != nil || got.ID != x.ID || got.Grant != 3 {
		t.Errorf("after a restart: %+v %v", got, err)
	}
	if _, err := again.Find(t.Context(), time.Now(), gone); !errors.Is(err, ErrNoSession) {
		t.Error("what was revoked is back")
	}
	store.fail = errors.New("no space left on device")
	text, _ := again.Begin(t.Context(), time.Now(), Session{Account: "c", Role: Dispatcher}, "")
	if _, err := again.Find(t.Context(), time.Now(), text); err != nil {
		t.Errorf("on a full disk: %v", err)
	}
	if again.Revoke(t.Context(), func(x Session) bool { return x.Account == "c" }) != 1 {
		t.Error("on a full disk nothing is revoked")
	}
	if _, err := again.Find(t.Context(), time.Now(), text); !errors.Is(err, ErrNoSession) {
		t.Error("on a full disk a revoked session goes on")
	}
	// A thousand calls of a session are not a thousand writes.
	store.fail, store.puts = nil, 0
	for i := range 1000 {
		if _, err := again.Find(t.Context(), time.Now().Add(time.Duration(i)*time.Second/10), kept); err != nil {
			t.Fatal(err)
		}
	}
	if store.puts > 3 {
		t.Errorf("%d writes for 1,000 calls in 100 s", store.puts)
	}
}

// A thousand revocations, each while the session is in use: the watch rings before
// the revocation returns, and nothing gets in afterwards.
func TestRevocationIsAtOnce(t *testing.T) {
	k := newKit(t)
	r := rand.New(rand.NewPCG(9, 9))
	accounts := make([]Account, 20)
	for i := range accounts {
		accounts[i] = k.person(t, fmt.Sprint("user", i), Dispatcher)
	}
	for i := range 1000 {
		a, _ := k.Register.State().Account(accounts[i%len(accounts)].ID)
		text, s := k.Sessions.Begin(t.Context(), time.Now(), Session{Account: a.ID, Role: a.Role, Grant: a.Grant}, "")
		p, err := k.Identify(t.Context(), Credentials{Session: text})
		if err != nil {
			t.Fatal(err)
		}
		over, stop := k.Watch(p)
		if isOver(over) {
			t.Fatal("over before anything happened")
		}
		switch r.IntN(4) {
		case 0:
			k.SignOut(t.Context(), p)
		case 1:
			yes, no := true, false
			if _, err := k.Register.Change(t.Context(), by("x"), a.ID, AccountChanges{Disabled: &yes}); err != nil {
				t.Fatal(err)
			}
			defer func() { _, _ = k.Register.Change(t.Context(), by("x"), a.ID, AccountChanges{Disabled: &no}) }()
			if _, err := k.Register.Change(t.Context(), by("x"), a.ID, AccountChanges{Disabled: &no}); err != nil {
				t.Fatal(err)
			}
		case 2:
			role := map[Role]Role{Dispatcher: Viewer, Viewer: Dispatcher}[a.Role]
			if _, err := k.Register.Change(t.Context(), by("x"), a.ID, AccountChanges{Role: &role}); err != nil {
				t.Fatal(err)
			}
		case 3:
			if k.Sessions.Revoke(t.Context(), func(x Session) bool { return x.ID == s.ID }) != 1 {
				t.Fatal("it was not there")
			}
		}
		if !isOver(over) {
			t.Fatalf("try %d: the watch has not rung", i)
		}
		stop()
		if _, err := k.Identify(t.Context(), Credentials{Session: text}); !errors.Is(err, ErrNoSession) {
			t.Fatalf("try %d: %v", i, err)
		}
		if again, stop := k.Watch(p); !isOver(again) {
			t.Fatal("a watch of what is over does not ring")
		} else {
			stop()
		}
	}
	if n := len(k.Sessions.watchers); n != 0 {
		t.Errorf("%d watches are left", n)
	}
}

// A sign-in that runs while the account is disabled does not leave a session.
func TestDisabledWhileSigningIn(t *testing.T) {
	k := newKit(t)
	a := k.person(t, "amini", Dispatcher)
	for i := range 50 {
		k.Limiter = NewLimiter() // fifty that fail would make strangers wait
		var wg sync.WaitGroup
		var text string
		wg.Go(func() {
			if e, err := k.SignIn(t.Context(), SignIn{Name: "amini", Password: goodPassword, From: fmt.Sprintf("10.0.0.%d", i)}); err == nil {
				text = e.Secret
			}
		})
		yes, no := true, false
		if _, err := k.Register.Change(t.Context(), by("x"), a.ID, AccountChanges{Disabled: &yes}); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if _, err := k.Identify(t.Context(), Credentials{Session: text}); text != "" && !errors.Is(err, ErrNoSession) {
			t.Fatalf("a disabled account is in: %v", err)
		}
		if _, err := k.Register.Change(t.Context(), by("x"), a.ID, AccountChanges{Disabled: &no}); err != nil {
			t.Fatal(err)
		}
		if _, err := k.Identify(t.Context(), Credentials{Session: text}); text != "" && !errors.Is(err, ErrNoSession) {
			t.Fatal("the session came back with the account")
		}
	}
}

func TestSessionsUnderLoad(t *testing.T) {
	s := newSessions(t, &shelf{})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 0))
			text, x := "", Session{}
			for range 300 {
				switch r.IntN(6) {
				case 0:
					text, x = s.Begin(t.Context(), time.Now(), Session{Account: fmt.Sprint(r.IntN(3)), Role: Viewer}, text)
				case 1:
					_, _ = s.Find(t.Context(), time.Now(), text)
				case 2:
					if n, _, err := s.StepUp(t.Context(), time.Now(), x.ID); err == nil {
						text = n
					}
				case 3:
					_, stop := s.Watch(x.ID)
					stop()
				case 4:
					s.List(time.Now(), func(Session) bool { return true })
				case 5:
					s.Revoke(t.Context(), func(y Session) bool { return y.Account == fmt.Sprint(r.IntN(9)) })
				}
			}
		})
	}
	wg.Wait()
	if len(s.byID) != len(s.byKey) {
		t.Errorf("%d sessions by id and %d by key", len(s.byID), len(s.byKey))
	}
	stored, _ := s.store.Load(t.Context())
	if len(stored) != len(s.byID) {
		t.Errorf("%d sessions and %d in the store", len(s.byID), len(stored))
	}
	for _, x := range stored {
		if y := s.byID[x.ID]; y == nil || x.Key != y.Key || !reflect.DeepEqual(x.SteppedUp, y.SteppedUp) {
			t.Errorf("the store has %+v, memory %+v", x, y)
		}
	}
}

func TestCookies(t *testing.T) {
	text := secret(32)
	for _, secure := range []bool{true, false} {
		w := httptest.NewRecorder()
		SetCookie(w, secure, text, time.Hour)
		SetBrowser(w, secure, text)
		for _, c := range w.Result().Cookies() {
			if c.Secure != secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || strings.HasPrefix(c.Name, "__Host-") != secure || c.MaxAge <= 0 {
				t.Errorf("secure %v: %+v", secure, c)
			}
		}
		r := httptest.NewRequest("GET", "/", nil)
		for _, c := range w.Result().Cookies() {
			r.AddCookie(c)
		}
		if got, err := ReadCookie(r, secure); got != text || err != nil || ReadBrowser(r, secure) != text {
			t.Errorf("secure %v: got %q %v", secure, got, err)
		}
		// A server behind TLS does not read the cookie of plain connections, nor the
		// other way round.
		if got, err := ReadCookie(r, !secure); got != "" || err != nil || ReadBrowser(r, !secure) != "" {
			t.Errorf("the cookie of the other kind was read: %q %v", got, err)
		}
		r.AddCookie(&http.Cookie{Name: cookieName(secure), Value: secret(32)})
		if _, err := ReadCookie(r, secure); !errors.Is(err, ErrCookies) {
			t.Errorf("a cookie beside ours: %v", err)
		}
		w = httptest.NewRecorder()
		ClearCookie(w, secure)
		if c := w.Result().Cookies()[0]; c.MaxAge >= 0 || c.Value != "" || c.Secure != secure {
			t.Errorf("clearing sends %+v", c)
		}
	}
}

func TestBareOnlyOnLoopback(t *testing.T) {
	for _, tt := range []struct {
		remote, host string
		want         bool
	}{
		{"127.0.0.1:1", "localhost:8080", true}, {"127.0.0.1:1", "127.0.0.1", true}, {"[::1]:1", "[::1]:8080", true}, {"127.0.0.1:1", "LOCALHOST", true},
		{"127.0.0.1:1", "rasad.example", false}, // a proxy in front of us
		{"192.0.2.7:1", "localhost:8080", false},
		{"127.0.0.1:1", "localhost.example:80", false}, {"127.0.0.1:1", "", false}, {"", "localhost", false}, {"@", "localhost", false},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr, r.Host = tt.remote, tt.host
		if got := MayGoBare(r); got != tt.want {
			t.Errorf("%+v: got %v", tt, got)
		}
	}
}

func TestCredentials(t *testing.T) {
	session, token := secret(32), tokenPrefix+secret(32)
	cookie := cookieName(true) + "=" + session
	for name, tt := range map[string]struct {
		authorization []string
		cookie        string
		want          Credentials
		err           error
	}{
		"nothing":                     {nil, "", Credentials{}, nil},
		"a cookie":                    {nil, cookie, Credentials{Session: session}, nil},
		"a token":                     {[]string{"Bearer " + token}, "", Credentials{Token: token}, nil},
		"a token counts first":        {[]string{"bearer " + token}, cookie, Credentials{Token: token}, nil},
		"a bad token hides no cookie": {[]string{"Bearer x"}, cookie, Credentials{}, ErrCredentials},
		"two tokens":                  {[]string{"Bearer " + token, "Bearer " + token}, "", Credentials{}, ErrCredentials},
		"basic":                       {[]string{"Basic dTpw"}, cookie, Credentials{}, ErrCredentials},
		"two cookies":                 {nil, cookie + "; " + cookie, Credentials{}, ErrCookies},
		"a cookie that is none":       {nil, cookieName(true) + "=hello", Credentials{}, nil},
		"a session as a token":        {[]string{"Bearer " + session}, "", Credentials{}, ErrCredentials},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		for _, a := range tt.authorization {
			r.Header.Add("Authorization", a)
		}
		if tt.cookie != "" {
			r.Header.Set("Cookie", tt.cookie)
		}
		got, err := CredentialsOf(r, true, "192.0.2.7")
		if !errors.Is(err, tt.err) || got.Session != tt.want.Session || got.Token != tt.want.Token || got.From != "192.0.2.7" {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

func FuzzCredentials(f *testing.F) {
	f.Add("__Host-rasad="+strings.Repeat("A", 43), "Bearer rasad_"+strings.Repeat("A", 43))
	f.Add("__Host-rasad=a; __Host-rasad=b", "")
	f.Add(`__Host-rasad="quoted"`, "bearer")
	f.Fuzz(func(t *testing.T, cookie, authorization string) {
		r := &http.Request{Header: http.Header{}}
		if cookie != "" {
			r.Header["Cookie"] = []string{cookie}
		}
		if authorization != "" {
			r.Header["Authorization"] = []string{authorization}
		}
		for _, secure := range []bool{true, false} {
			c, err := CredentialsOf(r, secure, "")
			if err != nil && (c.Session != "" || c.Token != "") {
				t.Fatalf("credentials beside the error %v", err)
			}
			if c.Session != "" && (!parseSecret(c.Session) || c.Token != "" || strings.Count(cookie, cookieName(secure)+"=") < 1) || c.Token != "" && !plausibleToken(c.Token) {
				t.Fatalf("%q %q gave %+v", cookie, authorization, c)
			}
			_ = ReadBrowser(r, secure)
		}
	})
}
