package api

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"rasad/server/access"
)

func TestPaceIsOfEachCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace()
		count := func(who access.Principal, tries int) (n int) {
			for range tries {
				if _, ok := p.take(who, time.Now()); ok {
					n++
				}
			}
			return n
		}
		person, other := access.Principal{Role: access.Viewer, Session: "a"}, access.Principal{Role: access.Viewer, Session: "b"}
		if got := count(person, 5000); got != int(personPace.burst) {
			t.Errorf("at once a person gets %d calls, want %v", got, personPace.burst)
		}
		if got := count(other, 10); got != 10 {
			t.Errorf("another one gets %d of 10", got)
		}
		time.Sleep(time.Second)
		if got := count(person, 5000); got != int(personPace.perSecond) {
			t.Errorf("after a second a person gets %d calls, want %v", got, personPace.perSecond)
		}
		if got := count(access.Principal{Role: access.Admin, Token: "t"}, 30_000); got != 30_000 {
			t.Errorf("a program gets %d of 30000", got)
		}
		if got := count(access.Principal{Role: access.System}, 100_000); got != 100_000 {
			t.Errorf("the program itself gets %d of 100000", got)
		}
		if got := count(access.Nobody("2001:db8::1"), 1500) + count(access.Nobody("2001:db8::2"), 1500); got != int(strangerPace.burst) {
			t.Errorf("two addresses of one machine get %d calls, want %v", got, strangerPace.burst)
		}
	})
}

// Whoever comes from ever new addresses does not fill the memory, and does not shut
// out those who are known.
func TestPaceIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace()
		person := access.Principal{Role: access.Viewer, Session: "a"}
		p.take(person, time.Now())
		for i := range 3 * callersMax {
			p.take(access.Nobody(fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255)), time.Now())
		}
		if len(p.callers) > callersMax {
			t.Errorf("%d callers are kept, want at most %d", len(p.callers), callersMax)
		}
		if _, ok := p.take(person, time.Now()); !ok {
			t.Error("a flood of strangers shut a person out")
		}
		time.Sleep(callersRest + time.Second)
		p.take(access.Nobody("192.0.2.1"), time.Now())
		if len(p.callers) != 1 {
			t.Errorf("%d callers are kept after a rest, want 1", len(p.callers))
		}
	})
}
