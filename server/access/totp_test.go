package access

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"
)

// The vectors of RFC 6238, appendix B, for SHA-1: 8 digits, of which an app shows
// the last 6.
func TestTheVectorsOfTheRFC(t *testing.T) {
	seed := []byte("12345678901234567890")
	for at, want := range map[int64]string{
		59: "94287082", 1111111109: "07081804", 1111111111: "14050471", 1234567890: "89005924", 2000000000: "69279037", 20000000000: "65353130",
	} {
		if got := hotp(seed, uint64(at)/30, 8); got != want {
			t.Errorf("at %d: got %s, want %s", at, got, want)
		}
		f := Factor{Secret: seed}
		step, ok := f.Check(want[2:], time.Unix(at, 0), 0)
		if !ok || step != at/30 {
			t.Errorf("the code of %d is not right: step %d, %v", at, step, ok)
		}
	}
	// RFC 4226, appendix D.
	for i, want := range []string{"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"} {
		if got := hotp(seed, uint64(i), 6); got != want {
			t.Errorf("counter %d: got %s, want %s", i, got, want)
		}
	}
}

func TestCodes(t *testing.T) {
	f, _ := NewFactor()
	at := time.Unix(1_800_000_015, 0)
	step := at.Unix() / 30
	code := func(n int64) string { return hotp(f.Secret, uint64(step+n), 6) }
	persian := strings.NewReplacer("0", "۰", "1", "۱", "2", "۲", "3", "۳", "4", "۴", "5", "۵", "6", "۶", "7", "۷", "8", "۸", "9", "۹").Replace(code(0))
	tests := map[string]struct {
		code string
		used int64
		want bool
	}{
		"now":                      {code(0), 0, true},
		"a slow phone":             {code(-1), 0, true},
		"a fast one":               {code(1), 0, true},
		"too slow":                 {code(-2), 0, false},
		"too fast":                 {code(2), 0, false},
		"used":                     {code(0), step, false},
		"older than what was used": {code(-1), step, false},
		"newer than what was used": {code(1), step, true},
		"with a space":             {code(0)[:3] + " " + code(0)[3:], 0, true},
		"in Persian digits":        {persian, 0, true},
		"five digits":              {code(0)[:5], 0, false},
		"seven":                    {code(0) + "0", 0, false},
		"none":                     {"", 0, false},
		"long":                     {strings.Repeat(code(0), 1000), 0, false},
		"letters":                  {"abcdef", 0, false},
	}
	for name, tt := range tests {
		if _, got := f.Check(tt.code, at, tt.used); got != tt.want {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
	if _, ok := (Factor{}).Check(hotp(nil, uint64(step), 6), at, 0); ok {
		t.Error("a factor without a secret has a code")
	}
	if _, ok := f.Check(code(0), time.Unix(-90, 0), 0); ok {
		t.Error("a clock before 1970")
	}
}

func TestRecoveryCodes(t *testing.T) {
	f, codes := NewFactor()
	if len(codes) != codesCount {
		t.Fatalf("%d codes", len(codes))
	}
	stored, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, c := range codes {
		if seen[c] || len(c) != 19 || strings.Contains(string(stored), strings.ReplaceAll(c, "-", "")) {
			t.Errorf("the code %q is bad, twice, or kept in clear", c)
		}
		seen[c] = true
	}
	left, ok := f.Recover(strings.ToUpper(strings.ReplaceAll(codes[3], "-", " ")))
	if !ok || len(left.Recovery) != codesCount-1 || len(f.Recovery) != codesCount {
		t.Fatalf("a code typed in capitals: %v, %d left", ok, len(left.Recovery))
	}
	if _, ok := left.Recover(codes[3]); ok {
		t.Error("a code works twice")
	}
	if _, ok := left.Recover(codes[4]); !ok {
		t.Error("the next code does not work")
	}
	for _, bad := range []string{"", "----", codes[4][:18], strings.Repeat("a", 1<<20)} {
		if _, ok := left.Recover(bad); ok {
			t.Errorf("%.20q is a code", bad)
		}
	}
}

func TestTheURIOfAnApp(t *testing.T) {
	f := Factor{Secret: []byte("12345678901234567890")}
	got := f.URI("Rasad Tehran", "amini")
	want := "otpauth://totp/Rasad%20Tehran:amini?algorithm=SHA1&digits=6&issuer=Rasad%20Tehran&period=30&secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if u, err := url.Parse(got); err != nil || u.Query().Get("issuer") != "Rasad Tehran" {
		t.Errorf("it reads as %v, %v", u, err)
	}
}
