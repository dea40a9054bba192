package access

import (
	"context"
	"crypto/rand"
	"errors"
	"math/big"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Device is an enrolled wall: nobody signs in on it. It reads, reports its health,
// and can be revoked.
type Device struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	World    string    `json:"world,omitempty"` // that it shows; empty: [Home]
	Approved time.Time `json:"approved"`
	By       string    `json:"by"` // who approved it
	From     string    `json:"from,omitempty"`
	Revoked  bool      `json:"revoked,omitempty"`
}

// worlds is what the wall may enter.
func (d Device) worlds() []string {
	if d.World == "" {
		return nil
	}
	return []string{d.World}
}

// Health is what a wall tells about itself. It is not recorded: the last word counts.
type Health struct {
	At            time.Time `json:"at"`
	Build         string    `json:"build"`
	FPS           float64   `json:"fps"`
	MemoryMB      float64   `json:"memory_mb"`
	Seq           uint64    `json:"seq"` // of the last frame that it drew
	FrameAgeS     float64   `json:"frame_age_s"`
	ContextLosses int       `json:"context_losses"` // of WebGL, since it was loaded
	Width         int       `json:"width"`          // pixels
	Height        int       `json:"height"`
	UptimeS       float64   `json:"uptime_s"`
}

// Errors of enrolling.
var (
	ErrCode         = errors.New("there is no wall with this code; codes end after ten minutes")
	ErrEnrolTooMany = errors.New("too many codes were asked for; wait a minute")
	ErrCodeTooMany  = errors.New("too many wrong codes; wait a minute")
	ErrNotApproved  = errors.New("nobody has approved this wall yet")
	ErrDeviceName   = errors.New("the name of a wall has 1 to 64 printable characters")
	ErrNoDevice     = errors.New("there is no such device")
	ErrHealth       = errors.New("the health of a wall has numbers that cannot be")
)

// codeAlphabet has no two letters that are mistaken for each other on a screen or
// on the telephone, and no vowels, so that no words come up.
const codeAlphabet = "2346789CDFGHJKMPQRTVWX"

const (
	codeLen   = 8 // 22⁸ = 5·10¹⁰: with the limits below a guess in ten minutes hits one of 10⁸
	codeLives = 10 * time.Minute
	// pendingMax bounds memory; pendingPer what one address takes of it.
	pendingMax = 500
	pendingPer = 10
	codeTries  = 10 // wrong codes of one approver in a minute
	healthMax  = 1000
)

// Enrolments are walls that wait to be approved, and the health of those that were.
// They live in memory: after a restart a wall asks for another code.
type Enrolments struct {
	mu     sync.Mutex
	byCode map[string]*pendingWall
	bySum  map[string]*pendingWall
	wrong  map[string]*attempts // by approver
	health map[string]Health
}

type attempts struct {
	n     int
	since time.Time
}

type pendingWall struct {
	code, sum, source string
	from, agent       string
	ends              time.Time
	device            string // once approved
}

// Pending is what an approver is shown before saying yes: is it the wall in front
// of them?
type Pending struct {
	Code  string    `json:"code"`
	From  string    `json:"from"`
	Agent string    `json:"agent"`
	Ends  time.Time `json:"ends"`
}

// NewEnrolments returns none.
func NewEnrolments() *Enrolments {
	return &Enrolments{byCode: map[string]*pendingWall{}, bySum: map[string]*pendingWall{}, wrong: map[string]*attempts{}, health: map[string]Health{}}
}

// Begin makes a code to show, and a claim that the wall keeps to itself and asks
// with. It returns [ErrEnrolTooMany].
func (e *Enrolments) Begin(now time.Time, from, agent string) (code, claim string, ends time.Time, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sweep(now)
	w := &pendingWall{source: Source(from), from: clip(from, 100), agent: clip(agent, 200), ends: now.Add(codeLives)}
	same := 0
	for _, o := range e.byCode {
		if o.source == w.source {
			same++
		}
	}
	if same >= pendingPer || len(e.byCode) >= pendingMax {
		return "", "", time.Time{}, ErrEnrolTooMany
	}
	for w.code == "" || e.byCode[w.code] != nil {
		w.code = newCode()
	}
	claim = secret(32)
	w.sum = sha(claim)
	e.byCode[w.code], e.bySum[w.sum] = w, w
	return w.code[:4] + "-" + w.code[4:], claim, w.ends, nil
}

func newCode() string {
	b := make([]byte, codeLen)
	for i := range b {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(codeAlphabet))))
		if err != nil {
			panic("access: no random numbers: " + err.Error())
		}
		b[i] = codeAlphabet[n.Int64()]
	}
	return string(b)
}

// NormalCode is a code as it was typed, in the form that was shown, without the
// dash; "" when it can be none.
func NormalCode(s string) string {
	s = strings.ToUpper(digits(s))
	if len(s) != codeLen || strings.Trim(s, codeAlphabet) != "" {
		return ""
	}
	return s
}

// Look shows an approver the wall of a code. It returns [ErrCode] and, when one
// approver asks for wrong codes again and again, [ErrCodeTooMany].
func (e *Enrolments) Look(now time.Time, approver, code string) (Pending, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	w, err := e.find(now, approver, code)
	if err != nil {
		return Pending{}, err
	}
	return Pending{w.code[:4] + "-" + w.code[4:], w.from, w.agent, w.ends}, nil
}

func (e *Enrolments) find(now time.Time, approver, code string) (*pendingWall, error) {
	e.sweep(now)
	t := e.wrong[approver]
	if t != nil && t.n >= codeTries {
		return nil, ErrCodeTooMany
	}
	w := e.byCode[NormalCode(code)]
	if w == nil || w.device != "" {
		if t == nil {
			t = &attempts{since: now}
			e.wrong[approver] = t
		}
		t.n++
		return nil, ErrCode
	}
	return w, nil
}

func (e *Enrolments) sweep(now time.Time) {
	for code, w := range e.byCode {
		if !now.Before(w.ends) {
			delete(e.byCode, code)
			delete(e.bySum, w.sum)
		}
	}
	for who, t := range e.wrong {
		if now.Sub(t.since) >= time.Minute {
			delete(e.wrong, who)
		}
	}
}

// Approve makes a device of a world of the wall that shows the code. Errors are [ErrCode],
// [ErrCodeTooMany], [ErrDeviceName] and those of the record.
func (e *Enrolments) Approve(ctx context.Context, g *Register, act Act, code, name, world string) (Device, error) {
	name, err := deviceName(name)
	if err != nil {
		return Device{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock() // held while it is recorded: a code makes one device
	w, err := e.find(act.At, act.By, code)
	if err != nil {
		return Device{}, err
	}
	d := Device{ID: secret(9), Name: name, Approved: act.At.UTC().Round(0), By: act.By, From: w.from}
	if world != Home {
		d.World = world
	}
	if _, err := g.change(ctx, act, func(_ *State, r *Record) error {
		r.Op, r.Device = "device.approve", &d
		return nil
	}); err != nil {
		return Device{}, err
	}
	w.device = d.ID
	return d, nil
}

func deviceName(name string) (string, error) {
	name = norm.NFC.String(strings.TrimSpace(clip(name, 512)))
	if n := utf8.RuneCountInString(name); n < 1 || n > 64 || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return "", ErrDeviceName
	}
	return name, nil
}

// Claim tells a wall, by the claim that it kept, which device it has become. It
// succeeds once. Errors are [ErrNotApproved] and [ErrCode].
func (e *Enrolments) Claim(now time.Time, claim string) (device string, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sweep(now)
	w := e.bySum[sha(claim)]
	switch {
	case w == nil:
		return "", ErrCode
	case w.device == "":
		return "", ErrNotApproved
	}
	delete(e.byCode, w.code)
	delete(e.bySum, w.sum)
	return w.device, nil
}

// NoteHealth keeps the last word of a wall. It returns [ErrHealth].
func (e *Enrolments) NoteHealth(now time.Time, device string, h Health) error {
	sane := func(v, most float64) bool { return v >= 0 && v <= most } // false for NaN
	if !sane(h.FPS, 1000) || !sane(h.MemoryMB, 1e6) || !sane(h.FrameAgeS, 1e9) || !sane(h.UptimeS, 1e9) ||
		h.ContextLosses < 0 || h.ContextLosses > 1e6 || h.Width < 0 || h.Width > 1e5 || h.Height < 0 || h.Height > 1e5 || len(h.Build) > 100 {
		return ErrHealth
	}
	h.At = now.UTC().Round(0)
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, known := e.health[device]; !known && len(e.health) >= healthMax {
		return ErrHealth
	}
	e.health[device] = h
	return nil
}

// HealthOf returns the last word of a wall, false when it has not said any since
// the start.
func (e *Enrolments) HealthOf(device string) (Health, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	h, ok := e.health[device]
	return h, ok
}

// RenameDevice gives a device another name. If is asked with the device as it is, and
// its error is the answer; it may be nil. Errors are [ErrDeviceName], [ErrNoDevice]
// and those of the record.
func (g *Register) RenameDevice(ctx context.Context, act Act, id, name string, If func(Device) error) (Device, error) {
	name, err := deviceName(name)
	if err != nil {
		return Device{}, err
	}
	var d Device
	_, err = g.change(ctx, act, func(s *State, r *Record) error {
		var ok bool
		if d, ok = s.Device(id); !ok || d.Revoked {
			return ErrNoDevice
		}
		if If != nil {
			if err := If(d); err != nil {
				return err
			}
		}
		d.Name = name
		kept := d
		r.Op, r.Device = "device.rename", &kept
		return nil
	})
	return d, err
}

// RevokeDevice ends a device for ever. Its session is over when it returns, if the
// sessions follow the register. It returns [ErrNoDevice].
func (g *Register) RevokeDevice(ctx context.Context, act Act, id string) error {
	_, err := g.change(ctx, act, func(s *State, r *Record) error {
		d, ok := s.Device(id)
		if !ok {
			return ErrNoDevice
		}
		d.Revoked = true
		r.Op, r.Device = "device.revoke", &d
		return nil
	})
	return err
}
