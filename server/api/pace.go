package api

import (
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"rasad/server/access"
)

// pace bounds how often one caller asks: generously, so that only a loop that has gone
// wild or an attack ever meets it, and so that one caller cannot take the others' time.
// What feeds send is bounded by their tokens besides.
type pace struct {
	mu      sync.Mutex
	callers map[caller]*allowance
	swept   time.Time
	crowd   allowance // whom there is no room to know one by one
}

// caller is who is counted: a session, a token, or a network of strangers.
type caller struct {
	sort byte
	id   string
}

// allowance is what a caller may ask yet.
type allowance struct {
	left   float64
	filled time.Time
}

// rate is how many calls a second, and how many at once after a silence.
type rate struct{ perSecond, burst float64 }

// A console asks some ten calls a second at its busiest. A program may be a gateway of
// a whole region, or a benchmark; strangers read a few pages to sign in.
var (
	personPace   = rate{200, 2000}
	programPace  = rate{100_000, 200_000}
	strangerPace = rate{500, 2000}
)

const (
	callersMax  = 50_000
	callersRest = 30 * time.Second // after which everybody's allowance is whole again
)

func newPace() *pace { return &pace{callers: map[caller]*allowance{}} }

// take counts a call; false is one too many.
func (p *pace) take(who access.Principal, now time.Time) (r rate, ok bool) {
	var key caller
	switch {
	case who.Token != "":
		key, r = caller{'t', who.Token}, programPace
	case who.Session != "":
		key, r = caller{'s', who.Session}, personPace
	case who.Role == access.Anonymous:
		key, r = caller{'a', neighbours(who.From)}, strangerPace
	default:
		return r, true // a part of this program
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.callers[key]
	if a == nil {
		p.sweep(now)
		if len(p.callers) >= callersMax {
			a = &p.crowd
		} else {
			a = &allowance{}
			p.callers[key] = a
		}
	}
	return r, a.take(r, now)
}

func (a *allowance) take(r rate, now time.Time) bool {
	switch d := now.Sub(a.filled); {
	case a.filled.IsZero():
		a.left, a.filled = r.burst, now
	case d > 0:
		a.left, a.filled = min(r.burst, a.left+d.Seconds()*r.perSecond), now
	}
	if a.left < 1 {
		return false
	}
	a.left--
	return true
}

// sweep forgets those who have rested, now and then.
func (p *pace) sweep(now time.Time) {
	if d := now.Sub(p.swept); d >= 0 && d < time.Second {
		return
	}
	p.swept = now
	for key, a := range p.callers {
		if now.Sub(a.filled) > callersRest {
			delete(p.callers, key)
		}
	}
}

// neighbours is the network that an address is counted with: one machine has a whole
// /64 of IPv6.
func neighbours(from string) string {
	ip, err := netip.ParseAddr(from)
	if err != nil || ip.Is4() || ip.Is4In6() {
		return from
	}
	net, _ := ip.WithZone("").Prefix(64) // of an IPv6 address: there is one
	return net.String()
}

// paced refuses a call too many.
func (a *API) paced(who access.Principal) error {
	if r, ok := a.pace.take(who, time.Now()); !ok {
		return problem(http.StatusTooManyRequests, access.RateLimited,
			fmt.Sprintf("more calls than the limit of %.0f a second, or %.0f after a silence", r.perSecond, r.burst))
	}
	return nil
}
