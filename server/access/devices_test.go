package access

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestAWallIsEnrolled(t *testing.T) {
	k := newKit(t)
	now := time.Now()
	code, claim, ends, err := k.Enrolments.Begin(now, "192.0.2.7:4711", "Chromium on a wall")
	if err != nil || len(code) != 9 || code[4] != '-' || !ends.Equal(now.Add(codeLives)) {
		t.Fatalf("got %q until %v, %v", code, ends, err)
	}
	if _, err := k.Enrol(t.Context(), claim, "", ""); !errors.Is(err, ErrNotApproved) {
		t.Errorf("before it is approved: %v", err)
	}
	typed := strings.ToLower(strings.NewReplacer("-", " ", "2", "۲", "3", "٣", "4", "４").Replace(code))
	p, err := k.Enrolments.Look(now, "user:sup", typed)
	if err != nil || p.From != "192.0.2.7:4711" || p.Agent != "Chromium on a wall" || p.Code != code {
		t.Errorf("the approver sees %+v, %v", p, err)
	}
	if _, err := k.Enrolments.Approve(t.Context(), k.Register, by("sup"), typed, "bad\nname", Home); !errors.Is(err, ErrDeviceName) {
		t.Errorf("a bad name: %v", err)
	}
	d, err := k.Enrolments.Approve(t.Context(), k.Register, by("sup"), typed, "Room 1, left", Home)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Enrolments.Approve(t.Context(), k.Register, by("sup"), code, "again", Home); !errors.Is(err, ErrCode) {
		t.Errorf("approved twice: %v", err)
	}
	e, err := k.Enrol(t.Context(), claim, "192.0.2.7", "Chromium")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Enrol(t.Context(), claim, "192.0.2.7", "Chromium"); !errors.Is(err, ErrCode) {
		t.Errorf("claimed twice: %v", err)
	}
	who, err := k.Identify(t.Context(), Credentials{Session: e.Secret})
	if err != nil || who.Role != Wall || who.Name != "device:Room 1, left" || who.Device != d.ID || who.Account != "" {
		t.Errorf("the wall is %+v, %v", who, err)
	}
	if !Allow(who, FeatureRead, Target{Kind: "unit"}).Allowed || Allow(who, FeaturePatch, Target{Kind: "unit"}).Allowed {
		t.Error("a wall reads, and only that")
	}
	over, stop := k.Watch(who)
	defer stop()
	if err := k.Register.RevokeDevice(t.Context(), by("sup"), d.ID); err != nil || !isOver(over) {
		t.Errorf("revoked: %v, over: %v", err, isOver(over))
	}
	if _, err := k.Identify(t.Context(), Credentials{Session: e.Secret}); !errors.Is(err, ErrNoSession) {
		t.Errorf("after that: %v", err)
	}
	if err := k.Register.RevokeDevice(t.Context(), by("sup"), "nobody"); !errors.Is(err, ErrNoDevice) {
		t.Error(err)
	}
}

func TestACodeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		code, claim, _, err := k.Enrolments.Begin(time.Now(), "192.0.2.7", "")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(codeLives)
		if _, err := k.Enrolments.Approve(t.Context(), k.Register, by("sup"), code, "x", Home); !errors.Is(err, ErrCode) {
			t.Errorf("approved after its time: %v", err)
		}
		if _, err := k.Enrolments.Claim(time.Now(), claim); !errors.Is(err, ErrCode) {
			t.Errorf("claimed after its time: %v", err)
		}
	})
}

func TestCodesAreLimited(t *testing.T) {
	now := time.Unix(1e9, 0)
	e := NewEnrolments()
	for i := range pendingPer + 5 {
		if _, _, _, err := e.Begin(now, "192.0.2.7", ""); (err != nil) != (i >= pendingPer) {
			t.Errorf("code %d of one address: %v", i, err)
		}
	}
	made := pendingPer
	for i := range 2 * pendingMax {
		if _, _, _, err := e.Begin(now, fmt.Sprintf("10.0.%d.%d", i/256, i%256), ""); err == nil {
			made++
		}
	}
	if made != pendingMax || len(e.bySum) != pendingMax {
		t.Errorf("%d codes wait, want %d", made, pendingMax)
	}
	// Guessing.
	for i := range codeTries + 2 {
		_, err := e.Look(now, "user:guesser", "CCCC-CCCC")
		want := ErrCode
		if i >= codeTries {
			want = ErrCodeTooMany
		}
		if !errors.Is(err, want) {
			t.Errorf("guess %d: %v", i, err)
		}
	}
	var some *pendingWall
	for _, some = range e.byCode {
		break
	}
	if _, err := e.Look(now, "user:guesser", some.code); !errors.Is(err, ErrCodeTooMany) {
		t.Errorf("the right one after that: %v", err)
	}
	if _, err := e.Look(now, "user:other", some.code); err != nil {
		t.Errorf("somebody else: %v", err)
	}
	if _, err := e.Look(now.Add(time.Minute), "user:guesser", some.code); err != nil {
		t.Errorf("a minute later: %v", err)
	}
	if _, _, _, err := e.Begin(now.Add(codeLives), "192.0.2.7", ""); err != nil || len(e.byCode) != 1 {
		t.Errorf("after ten minutes: %v, %d wait", err, len(e.byCode))
	}
}

func TestTwoApproveOneCode(t *testing.T) {
	k := newKit(t)
	code, _, _, _ := k.Enrolments.Begin(time.Now(), "192.0.2.7", "")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			_, _ = k.Enrolments.Approve(t.Context(), k.Register, by(fmt.Sprint("sup", i)), code, "wall", Home)
		})
	}
	wg.Wait()
	if n := len(k.Register.State().Devices()); n != 1 {
		t.Errorf("one code made %d devices", n)
	}
}

func TestCodeAlphabet(t *testing.T) {
	for _, r := range "01OIL5SUYB" { // 8 stays: B is gone
		if strings.ContainsRune(codeAlphabet, r) {
			t.Errorf("%c is mistaken for another", r)
		}
	}
	count := map[rune]int{}
	for range 2000 {
		for _, r := range newCode() {
			count[r]++
		}
	}
	for _, r := range codeAlphabet {
		if n := count[r]; n < 550 || n > 950 { // 727 expected, ±8 standard deviations
			t.Errorf("%c came %d times", r, n)
		}
	}
}

func TestHealth(t *testing.T) {
	e := NewEnrolments()
	now := time.Now()
	good := Health{Build: "1.0", FPS: 60, MemoryMB: 512, Seq: 7, Width: 3840, Height: 2160}
	if err := e.NoteHealth(now, "d", good); err != nil {
		t.Fatal(err)
	}
	if h, ok := e.HealthOf("d"); !ok || h.FPS != 60 || !h.At.Equal(now) {
		t.Errorf("got %+v %v", h, ok)
	}
	if _, ok := e.HealthOf("other"); ok {
		t.Error("another wall's health")
	}
	for name, change := range map[string]func(*Health){
		"NaN": func(h *Health) { h.FPS = math.NaN() }, "infinite": func(h *Health) { h.MemoryMB = math.Inf(1) }, "negative": func(h *Health) { h.FrameAgeS = -1 },
		"wide": func(h *Health) { h.Width = 1 << 30 }, "long": func(h *Health) { h.Build = strings.Repeat("x", 101) }, "losses": func(h *Health) { h.ContextLosses = -1 },
	} {
		h := good
		change(&h)
		if err := e.NoteHealth(now, "d", h); !errors.Is(err, ErrHealth) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range healthMax + 10 {
		_ = e.NoteHealth(now, fmt.Sprint(i), good)
	}
	if len(e.health) > healthMax {
		t.Errorf("%d healths", len(e.health))
	}
}

func FuzzNormalCode(f *testing.F) {
	f.Add("cdfg-2346")
	f.Add("۲۳۴۶ CDFG")
	f.Fuzz(func(t *testing.T, s string) {
		if c := NormalCode(s); c != "" && (NormalCode(c) != c || len(c) != codeLen) {
			t.Fatalf("%q became %q", s, c)
		}
	})
}
