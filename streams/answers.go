package streams

import (
	"bytes"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"rasad/geo"
)

const (
	// answerAge is how long a retry is recognised. A phone that was off over
	// night still gets the answer of yesterday evening.
	answerAge = 24 * time.Hour
	// answersMax bounds the memory of answers, which is about a kilobyte each;
	// past it the oldest goes early.
	answersMax = 200_000
)

// answers remembers which idempotency keys were used in the last 24 hours of the
// record, and what they were answered. The zero value is not usable.
type answers struct {
	mu    sync.Mutex
	byKey map[answerKey]*answer
	acts  []geo.Act // recorded, oldest first
}

// answerKey: keys belong to their principal, so nobody gets another's answer.
type answerKey struct{ principal, key string }

type answer struct {
	at       geo.Millis
	digest   []byte
	body     json.RawMessage
	recorded bool
	first    *proposal // while it is not recorded
}

func newAnswers(acts []geo.Act) *answers {
	a := &answers{byKey: map[answerKey]*answer{}}
	for _, act := range acts {
		a.record(act)
	}
	return a
}

// open claims the key of p. It returns p itself when the key is new, the proposal
// that claimed it before when that is still under way, or the recorded answer.
// Another digest under the key is a [*geo.Refusal] of class Reused.
func (a *answers) open(p *proposal) (first *proposal, replay json.RawMessage, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := answerKey{p.By.Name, p.Key}
	old, ok := a.byKey[k]
	switch {
	case !ok:
		a.byKey[k] = &answer{digest: p.Digest, first: p}
		return p, nil, nil
	case !bytes.Equal(old.digest, p.Digest):
		return nil, nil, &geo.Refusal{Class: geo.Reused, Code: "key-reused",
			Detail: "this idempotency key was used for another request in the last 24 hours"}
	case old.recorded:
		return nil, old.body, nil
	default:
		return old.first, nil, nil
	}
}

// forget gives the key of p back: it was refused, or never entered a frame.
func (a *answers) forget(p *proposal) {
	if p.Key == "" {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	k := answerKey{p.By.Name, p.Key}
	if old, ok := a.byKey[k]; ok && old.first == p {
		delete(a.byKey, k)
	}
}

// record keeps an act that carries a key; others are passed over.
func (a *answers) record(act geo.Act) {
	if act.Key == "" {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.byKey[answerKey{act.By.Name, act.Key}] = &answer{at: act.At, digest: act.Digest, body: act.Answer, recorded: true}
	a.acts = append(a.acts, forAnswer(act))
	a.trim(act.At)
}

// forAnswer is what is kept of an act for retries: the arguments are in the journal.
func forAnswer(act geo.Act) geo.Act {
	act.Args, act.Subjects, act.Why = nil, nil, ""
	return act
}

// trim forgets what is older than 24 hours at now. The caller holds the lock.
func (a *answers) trim(now geo.Millis) {
	old := 0
	for ; old < len(a.acts); old++ {
		act := &a.acts[old]
		if now-act.At < geo.Millis(answerAge.Milliseconds()) && len(a.acts)-old <= answersMax {
			break
		}
		k := answerKey{act.By.Name, act.Key}
		if kept, ok := a.byKey[k]; ok && kept.recorded && kept.at == act.At { // not used anew since
			delete(a.byKey, k)
		}
	}
	if old == 0 {
		return
	}
	clear(a.acts[:old]) // the array lives on: let the answers go
	a.acts = a.acts[old:]
}

// expire forgets what is older than 24 hours at now.
func (a *answers) expire(now geo.Millis) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.trim(now)
}

// list returns the acts that a keyframe must carry, oldest first.
func (a *answers) list() []geo.Act {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.acts)
}
