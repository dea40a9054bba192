package geo

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// mask is what nearest filters by, beside the point in the grid:
//
//	bit 0       dispatchable
//	bits 1-4    status      a code of vocabulary; 0: none, or one that got no code
//	bits 5-9    agency
//	bits 10-15  type
//	bits 16-30  capabilities, a bit each
//	bit 31      capabilities that got no bit
//
// Codes are given in the order of appearance. When they run out, the feature is
// asked: slower, never wrong.
type mask uint32

const (
	maskDispatchable = mask(1)
	statusShift      = 1
	agencyShift      = 5
	typeShift        = 10
	capabilityShift  = 16
	maskOther        = mask(1) << 31

	statusCodes     = 15
	agencyCodes     = 31
	typeCodes       = 63
	capabilityCodes = 15
)

// summary is what the masks of many points have in common to show: a bit for each
// thing that is among them. A search skips a page whose summary lacks what it needs.
type summary uint64

func (m mask) summary() summary {
	return 1<<(m&1) |
		1<<(2+m>>statusShift&15) |
		1<<(18+m>>agencyShift&15) |
		1<<(34+m>>typeShift&7) |
		summary(m>>capabilityShift)<<42
}

// vocabulary gives the words of masks their codes. It is immutable.
type vocabulary struct {
	status, agency, kind, capability map[string]uint8 // codes from 1, 0: got none
}

// words is the writer's side of the vocabulary. It may be used by several
// goroutines at a time.
type words struct {
	mu  sync.Mutex
	now atomic.Pointer[vocabulary]
}

func newWords() *words {
	w := &words{}
	w.now.Store(&vocabulary{map[string]uint8{}, map[string]uint8{}, map[string]uint8{}, map[string]uint8{}})
	return w
}

func (w *words) code(of func(*vocabulary) *map[string]uint8, word string, most int) mask {
	if word == "" {
		return 0
	}
	if c, ok := (*of(w.now.Load()))[word]; ok {
		return mask(c)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	v := *w.now.Load()
	m := of(&v)
	if c, ok := (*m)[word]; ok {
		return mask(c)
	}
	if len(*m) > most {
		return 0 // one word without a code is remembered: it says that there are such
	}
	next := maps.Clone(*m)
	c := uint8(len(*m) + 1)
	if len(*m) == most {
		c = 0
	}
	// The words live as long as the world; they must not keep whole Props with them.
	next[string([]byte(word))] = c
	*m = next
	w.now.Store(&v)
	return mask(c)
}

func statusOf(v *vocabulary) *map[string]uint8     { return &v.status }
func agencyOf(v *vocabulary) *map[string]uint8     { return &v.agency }
func kindOf(v *vocabulary) *map[string]uint8       { return &v.kind }
func capabilityOf(v *vocabulary) *map[string]uint8 { return &v.capability }

// mask makes the mask of a unit's properties.
func (w *words) mask(p Props) mask {
	var m mask
	for name, raw := range p.members {
		switch name {
		case "dispatchable":
			if raw == "true" {
				m |= maskDispatchable
			}
		case "status":
			m |= w.code(statusOf, text(raw), statusCodes) << statusShift
		case "agency":
			m |= w.code(agencyOf, text(raw), agencyCodes) << agencyShift
		case "type":
			m |= w.code(kindOf, text(raw), typeCodes) << typeShift
		case "capabilities":
			for s := range texts(raw) {
				if c := w.code(capabilityOf, s, capabilityCodes); c != 0 {
					m |= 1 << (capabilityShift - 1 + c)
				} else {
					m |= maskOther
				}
			}
		}
	}
	return m
}

// filter is a [Query]'s filter, ready for masks.
type filter struct {
	care, want mask
	need       summary
	ask        bool // the mask is not enough: ask the feature
	none       bool // nothing in the world has one of these words
}

func (v *vocabulary) filter(q *Query) filter {
	var f filter
	if q.Dispatchable != nil {
		f.care |= maskDispatchable
		if *q.Dispatchable {
			f.want |= maskDispatchable
			f.need |= 1 << 1
		} else {
			f.need |= 1 << 0
		}
	}
	word := func(codes map[string]uint8, word string, most int, shift, width, bit, buckets uint) {
		if word == "" {
			return
		}
		c := uint(codes[word])
		if c == 0 {
			f.ask = true
			f.none = f.none || len(codes) <= most
		}
		f.care |= mask(1<<width-1) << shift
		f.want |= mask(c) << shift
		f.need |= 1 << (bit + c%buckets)
	}
	word(v.status, q.Status, statusCodes, statusShift, 4, 2, 16)
	word(v.agency, q.Agency, agencyCodes, agencyShift, 5, 18, 16)
	word(v.kind, q.Type, typeCodes, typeShift, 6, 34, 8)
	for _, s := range q.Capability {
		m := maskOther
		if c := v.capability[s]; c != 0 {
			m = 1 << (capabilityShift - 1 + c)
		} else {
			f.none = f.none || len(v.capability) <= capabilityCodes
			f.ask = true
		}
		f.care |= m
		f.want |= m
		f.need |= summary(m>>capabilityShift) << 42
	}
	return f
}

// matches asks the feature itself.
func (q *Query) matches(f *Feature) bool {
	return (q.Dispatchable == nil || f.Props.Bool("dispatchable") == *q.Dispatchable) &&
		(q.Status == "" || f.Props.Text("status") == q.Status) &&
		(q.Agency == "" || f.Props.Text("agency") == q.Agency) &&
		(q.Type == "" || f.Props.Text("type") == q.Type) &&
		!slices.ContainsFunc(q.Capability, func(c string) bool { return !slices.Contains(f.Props.Texts("capabilities"), c) }) &&
		(q.Counts == nil || q.Counts(f))
}
