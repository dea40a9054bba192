package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestSetup(t *testing.T) {
	k := newKit(t)
	old, err := k.Register.IssueSetup(t.Context(), by("system"), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	token, err := k.Register.IssueSetup(t.Context(), by("system"), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := json.Marshal(k.log.records); bytes.Contains(b, []byte(token)) {
		t.Error("the setup token stands in the record")
	}
	setup := func(token, password string) (Entry, error) {
		return k.Setup(t.Context(), token, NewAccount{Name: "Amini", Role: Viewer}, SignIn{Password: password})
	}
	runs := k.Hasher.Runs()
	for name, bad := range map[string]string{"none": "", "wrong": secret(32), "the one before": old} {
		if _, err := setup(bad, goodPassword); !errors.Is(err, ErrSetup) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if k.Hasher.Runs() != runs {
		t.Error("a wrong link cost a hash")
	}
	if _, err := setup(token, "password1234"); !errors.Is(err, ErrPasswordCommon) {
		t.Errorf("a bad password: %v", err)
	}
	// Two at once: one becomes the admin.
	var wg sync.WaitGroup
	made := make(chan error, 10)
	for range 10 {
		wg.Go(func() { _, err := setup(token, goodPassword); made <- err })
	}
	wg.Wait()
	won := 0
	for range 10 {
		if err := <-made; err == nil {
			won++
		} else if !errors.Is(err, ErrSetup) {
			t.Error(err)
		}
	}
	a, ok := k.Register.State().Named("AMINI ")
	if won != 1 || !ok || a.Role != Admin || a.MustChange || len(k.Register.State().Accounts()) != 1 {
		t.Errorf("%d setups worked, the account is %+v", won, a)
	}
	if _, err := setup(token, goodPassword); !errors.Is(err, ErrSetup) {
		t.Errorf("the link works twice: %v", err)
	}
	if _, err := k.Register.IssueSetup(t.Context(), by("system"), time.Hour); !errors.Is(err, ErrSetupNotEmpty) {
		t.Errorf("a link beside an account: %v", err)
	}
}

func TestASetupLinkEnds(t *testing.T) {
	k := newKit(t)
	now := time.Now()
	token, err := k.Register.IssueSetup(t.Context(), Act{At: now}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if !k.Register.SetupValid(token, now.Add(time.Hour-time.Second)) || k.Register.SetupValid(token, now.Add(time.Hour)) {
		t.Error("the link does not end after an hour")
	}
}

func TestAccounts(t *testing.T) {
	k := newKit(t)
	hash, _ := k.Hasher.Hash(t.Context(), goodPassword)
	for name, tt := range map[string]struct {
		in   NewAccount
		want error
	}{
		"no name":                   {NewAccount{Role: Viewer, Hash: hash}, ErrAccountName},
		"a space inside":            {NewAccount{Name: "a b", Role: Viewer, Hash: hash}, ErrAccountName},
		"a slash":                   {NewAccount{Name: "a/b", Role: Viewer, Hash: hash}, ErrAccountName},
		"65 letters":                {NewAccount{Name: strings.Repeat("a", 65), Role: Viewer, Hash: hash}, ErrAccountName},
		"a megabyte":                {NewAccount{Name: strings.Repeat("a", 1<<20), Role: Viewer, Hash: hash}, ErrAccountName},
		"no role":                   {NewAccount{Name: "ab", Hash: hash}, ErrPersonRole},
		"the role of a wall":        {NewAccount{Name: "ab", Role: Wall, Hash: hash}, ErrPersonRole},
		"the role of a feed":        {NewAccount{Name: "ab", Role: FeedProgram, Hash: hash}, ErrPersonRole},
		"the system":                {NewAccount{Name: "ab", Role: System, Hash: hash}, ErrPersonRole},
		"an officer of nothing":     {NewAccount{Name: "ab", Role: AgencyOfficer, Hash: hash}, ErrScope},
		"a keeper of nothing":       {NewAccount{Name: "ab", Role: ShelterKeeper, Hash: hash}, ErrScope},
		"an agency with a comma":    {NewAccount{Name: "ab", Role: Viewer, Agencies: []string{"a,b"}, Hash: hash}, ErrScope},
		"a shelter with a comma":    {NewAccount{Name: "ab", Role: ShelterKeeper, Shelters: []string{"a,b"}, Hash: hash}, ErrScope},
		"a password and no hash":    {NewAccount{Name: "ab", Role: Viewer, Hash: "hunter2"}, ErrHash},
		"a name of control letters": {NewAccount{Name: "ab", Display: "x\ny", Role: Viewer, Hash: hash}, ErrDisplay},
	} {
		if _, err := k.Register.Create(t.Context(), by("x"), tt.in); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
	if k.vault.live() != 0 {
		t.Errorf("%d keys are left of accounts that were not made", k.vault.live())
	}
	amini := k.person(t, "مینا.امینی", Admin)
	if _, err := k.Register.Create(t.Context(), by("x"), NewAccount{Name: "مینا.امینی ", Role: Viewer, Hash: hash}); !errors.Is(err, ErrNameTaken) {
		t.Errorf("the name again: %v", err)
	}
	role, yes, no := Viewer, true, false
	for name, c := range map[string]AccountChanges{"demoted": {Role: &role}, "disabled": {Disabled: &yes}} {
		if _, err := k.Register.Change(t.Context(), by("x"), amini.ID, c); !errors.Is(err, ErrLastAdmin) {
			t.Errorf("the last admin was %s: %v", name, err)
		}
	}
	second := k.person(t, "second", Admin)
	if _, err := k.Register.Change(t.Context(), by("x"), amini.ID, AccountChanges{Disabled: &yes}); err != nil {
		t.Errorf("with another admin: %v", err)
	}
	if _, err := k.Register.Change(t.Context(), by("x"), second.ID, AccountChanges{Role: &role}); !errors.Is(err, ErrLastAdmin) {
		t.Errorf("the other admin is disabled: %v", err)
	}
	if _, err := k.Register.Change(t.Context(), by("x"), amini.ID, AccountChanges{Disabled: &no}); err != nil {
		t.Error(err)
	}
	if _, err := k.Register.Change(t.Context(), by("x"), "nobody", AccountChanges{}); !errors.Is(err, ErrNoAccount) {
		t.Errorf("nobody: %v", err)
	}
	// A new password: the old hash opens no more.
	before := k.vault.live()
	a, err := k.Register.SetPassword(t.Context(), by("x"), amini.ID, hash, true)
	if err != nil || !a.MustChange || k.vault.live() != before {
		t.Errorf("a new password: %+v %v, %d keys, want %d", a, err, k.vault.live(), before)
	}
	// What others see of it.
	b, _ := json.Marshal(a.Profile())
	for _, secret := range []string{"key-", "box", "argon2", "grant"} {
		if bytes.Contains(b, []byte(secret)) {
			t.Errorf("the profile %s shows %q", b, secret)
		}
	}
	// Nothing that is recorded tells a hash.
	if b, _ := json.Marshal(k.log.records); bytes.Contains(b, []byte("argon2id")) {
		t.Error("a hash stands in the record")
	}
	// What a caller does with what it was given stays with the caller.
	a.Agencies = append(a.Agencies, "x")
	list := k.Register.State().Accounts()
	list[0].Name = "changed"
	if again, _ := k.Register.State().Account(amini.ID); again.Name != amini.Name || len(again.Agencies) != 0 {
		t.Error("an account was changed from outside")
	}
}

func TestWhatIsNotRecordedDidNotHappen(t *testing.T) {
	k := newKit(t)
	a := k.person(t, "amini", Dispatcher)
	e, _ := k.in(t, "amini")
	before, keys := k.Register.State(), k.vault.live()
	k.log.fail = errors.New("no space left on device")
	hash, _ := k.Hasher.Hash(t.Context(), goodPassword)
	yes := true
	if _, err := k.Register.Change(t.Context(), by("x"), a.ID, AccountChanges{Disabled: &yes}); err == nil {
		t.Error("it was changed")
	}
	if _, err := k.Register.SetPassword(t.Context(), by("x"), a.ID, hash, true); err == nil {
		t.Error("the password was changed")
	}
	if _, err := k.Register.Create(t.Context(), by("x"), NewAccount{Name: "new", Role: Viewer, Hash: hash}); err == nil {
		t.Error("an account was made")
	}
	if k.Register.State() != before || k.vault.live() != keys {
		t.Errorf("the state changed, or keys were lost or left: %d, want %d", k.vault.live(), keys)
	}
	if _, err := k.Identify(t.Context(), Credentials{Session: e.Secret}); err != nil {
		t.Errorf("the session is over: %v", err)
	}
	// A disk that is full keeps nobody out who has no second factor.
	if _, err := k.SignIn(t.Context(), SignIn{Name: "amini", Password: goodPassword}); err != nil {
		t.Errorf("sign in on a full disk: %v", err)
	}
}

// randomLife does random things to a register and returns it.
func randomLife(t *testing.T, r *rand.Rand, g *Register) {
	hash := phc{cheap, make([]byte, saltLen), make([]byte, sumLen)}.String()
	for range 40 {
		var id string
		if all := g.State().Accounts(); len(all) > 0 {
			id = all[r.IntN(len(all))].ID
		}
		act := Act{By: "user:x", At: time.Unix(1e9+r.Int64N(1e6), 0), Why: "because"}
		role := PersonRoles[r.IntN(len(PersonRoles))]
		flag := r.IntN(2) == 0
		var err error
		switch r.IntN(8) {
		case 0:
			_, err = g.IssueSetup(t.Context(), act, time.Hour)
		case 1, 2:
			_, err = g.Create(t.Context(), act, NewAccount{Name: string(rune('a'+r.IntN(8))) + "x", Role: role, Agencies: []string{"fire"}, Shelters: []string{"S1"}, Hash: hash})
		case 3:
			_, err = g.Change(t.Context(), act, id, AccountChanges{Role: &role, Disabled: &flag})
		case 4:
			_, err = g.SetPassword(t.Context(), act, id, hash, flag)
		case 5:
			f, _ := NewFactor()
			_, err = g.SetFactor(t.Context(), act, id, &f, 0)
		case 6:
			err = g.useStep(t.Context(), act, id, r.Int64N(50))
		case 7:
			e := NewEnrolments()
			code, _, _, _ := e.Begin(act.At, "192.0.2.1", "")
			var d Device
			if d, err = e.Approve(t.Context(), g, act, code, "wall", Home); err == nil && flag {
				err = g.RevokeDevice(t.Context(), act, d.ID)
			}
		}
		if err != nil && !errors.Is(err, ErrNoAccount) && !errors.Is(err, ErrNameTaken) && !errors.Is(err, ErrLastAdmin) && !errors.Is(err, ErrSetupNotEmpty) && !errors.Is(err, ErrCodeUsed) {
			t.Fatal(err)
		}
	}
}

// Replaying the records gives the register as it was, byte for byte; and a record
// that is altered, left out or moved is found.
func TestReplay(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 1))
		log := &memory{}
		g, err := NewRegister(nil, log, &vault{})
		if err != nil {
			t.Fatal(err)
		}
		randomLife(t, r, g)
		var file bytes.Buffer
		for _, rec := range log.records {
			b, _ := json.Marshal(rec)
			file.Write(append(b, '\n'))
		}
		read, _, err := readRecords(&file)
		if err != nil {
			t.Fatal(err)
		}
		again, err := NewRegister(read, &memory{}, &vault{})
		if err != nil {
			t.Fatal(err)
		}
		if want, got := g.State(), again.State(); !reflect.DeepEqual(want, got) {
			t.Fatalf("seed %d: replay gave\n%+v\nwant\n%+v", seed, got, want)
		}
		n := len(read)
		for range 20 {
			bad := append([]Record(nil), read...)
			i := r.IntN(n - 1) // the last one is vouched for by [State.Head]
			switch r.IntN(4) {
			case 0:
				bad = append(bad[:i], bad[i+1:]...)
			case 1:
				bad[i], bad[i+1] = bad[i+1], bad[i]
			case 2:
				bad[i].By = "user:somebody-else"
			case 3:
				bad[i].At = bad[i].At.Add(time.Second)
			}
			if _, err := NewRegister(bad, &memory{}, &vault{}); !errors.Is(err, ErrRegister) {
				t.Fatalf("seed %d: a bad record %d of %d was taken: %v", seed, i, n, err)
			}
		}
		if cut, err := NewRegister(read[:n-1], &memory{}, &vault{}); err != nil {
			t.Fatal(err)
		} else if a, h := cut.State().Head(); func() bool { b, i := g.State().Head(); return a == b && h == i }() {
			t.Fatal("the head does not tell that the last record was cut off")
		}
	}
}

func TestRegisterFile(t *testing.T) {
	dir := t.TempDir()
	v := &vault{}
	g, err := OpenRegister(dir, v)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenRegister(dir, v); !errors.Is(err, ErrLocked) {
		t.Errorf("opened twice: %v", err)
	}
	randomLife(t, rand.New(rand.NewPCG(1, 1)), g)
	want := g.State()
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "accounts.jsonl")
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v %v, want 0600", fi.Mode(), err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	open := func(b []byte) (*Register, error) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return OpenRegister(dir, v)
	}
	// A power cut leaves half a line, which was never acknowledged; the next record
	// follows the last whole one.
	for cut := range 40 {
		half := append(append([]byte(nil), whole...), []byte(`{"v":1,"n":999,"at":"2026-11-22T00:00:00Z","op":"account.create"`)[:cut+1]...)
		g, err := open(half)
		if err != nil {
			t.Fatalf("half a line of %d bytes: %v", cut, err)
		}
		if !reflect.DeepEqual(g.State(), want) {
			t.Fatal("the state is another")
		}
		if cut == 7 {
			if _, err := g.IssueSetup(t.Context(), by("x"), 0); err != nil && !errors.Is(err, ErrSetupNotEmpty) {
				t.Error(err)
			}
			if err := g.note(t.Context(), by("x"), "note"); err != nil {
				t.Error(err)
			}
			g.Close()
			if g, err = OpenRegister(dir, v); err != nil {
				t.Fatalf("after the next record: %v", err)
			}
		}
		g.Close()
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	newer := bytes.Replace(whole, []byte(`"v":1`), []byte(`"v":2`), 1)
	for name, tt := range map[string]struct {
		b    []byte
		want error
	}{
		"a line gone":          {bytes.Join(append(append([][]byte(nil), lines[:3]...), lines[4:]...), nil), ErrRegister},
		"garbage":              {append([]byte("garbage\n"), whole...), ErrRegister},
		"a newer version":      {newer, ErrNewerRegister},
		"somebody else did it": {bytes.Replace(whole, []byte(`"by":"user:x"`), []byte(`"by":"user:y"`), 1), ErrRegister},
	} {
		if bytes.Equal(tt.b, whole) {
			t.Fatalf("%s: nothing was altered", name)
		}
		if _, err := open(tt.b); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
	if _, err := open(whole); err != nil {
		t.Errorf("the lock was kept by an opening that failed: %v", err)
	}
}

func FuzzParseRecord(f *testing.F) {
	log := &memory{}
	g, _ := NewRegister(nil, log, &vault{})
	_, _ = g.IssueSetup(f.Context(), by("x"), time.Hour)
	_, _ = g.Create(f.Context(), by("x"), NewAccount{Name: "amini", Role: Admin, Hash: phc{cheap, make([]byte, 16), make([]byte, 32)}.String()})
	for _, r := range log.records {
		b, _ := json.Marshal(r)
		f.Add(b)
	}
	f.Add([]byte(`{"v":1,"n":1,"op":"x","account":{"id":"a","name":"b"},"device":{"id":"d"}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := ParseRecord(line)
		if err != nil {
			return
		}
		again, err := ParseRecord(mustJSON(t, r))
		if err != nil || again.digest() != r.digest() {
			t.Fatalf("%s is another record when it is written and read: %v", line, err)
		}
		r.N, r.Prev = 1, ""
		s, err := newState().Apply(r)
		if err != nil {
			return
		}
		r.N, r.Prev = 2, s.prev
		if _, err := s.Apply(r); err != nil { // absolute: twice is once
			t.Fatalf("%s cannot be applied again: %v", line, err)
		}
	})
}

func mustJSON(t *testing.T, v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReadersNeedNoLock(t *testing.T) {
	k := newKit(t)
	a := k.person(t, "amini", Dispatcher)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				s := k.Register.State()
				x, ok := s.Account(a.ID)
				if y, named := s.Named("amini"); !ok || !named || x.Grant != y.Grant {
					t.Error("half a change was seen")
					return
				}
			}
		})
	}
	for i := range 200 {
		role := PersonRoles[i%2]
		if _, err := k.Register.Change(t.Context(), by("x"), a.ID, AccountChanges{Role: &role}); err != nil {
			t.Error(err)
		}
	}
	close(done)
	wg.Wait()
}
