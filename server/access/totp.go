package access

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" // what every authenticator app speaks; HMAC-SHA-1 is not broken
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"
)

// One-time codes as RFC 6238 has them.
const (
	codePeriod  = 30 // seconds
	codeDigits  = 6
	codeSkew    = 1 // steps of a phone's clock either way
	secretBytes = 20
	codesCount  = 10 // recovery codes
)

var base32Plain = base32.StdEncoding.WithPadding(base32.NoPadding)

// Factor is the second factor of an account. It is sealed where it is kept.
type Factor struct {
	Secret []byte `json:"secret"`
	// Recovery are the SHA-256 of the recovery codes that are left. The codes have 80
	// random bits, so they need no slow hash.
	Recovery []string `json:"recovery,omitempty"`
}

// NewFactor makes a secret and recovery codes. The codes are shown once.
func NewFactor() (f Factor, codes []string) {
	f.Secret = make([]byte, secretBytes)
	_, _ = rand.Read(f.Secret) // crypto/rand does not fail
	for range codesCount {
		b := make([]byte, 10)
		_, _ = rand.Read(b)
		s := strings.ToLower(base32Plain.EncodeToString(b)) // 16 letters
		codes = append(codes, s[:4]+"-"+s[4:8]+"-"+s[8:12]+"-"+s[12:])
		f.Recovery = append(f.Recovery, recoveryHash(s))
	}
	return f, codes
}

// Text is the secret as people type it into an authenticator app.
func (f Factor) Text() string { return base32Plain.EncodeToString(f.Secret) }

// URI is what an authenticator app reads from a QR code.
func (f Factor) URI(issuer, account string) string {
	q := url.Values{"secret": {base32Plain.EncodeToString(f.Secret)}, "issuer": {issuer}, "algorithm": {"SHA1"},
		"digits": {fmt.Sprint(codeDigits)}, "period": {fmt.Sprint(codePeriod)}}
	return "otpauth://totp/" + url.PathEscape(issuer+":"+account) + "?" + strings.ReplaceAll(q.Encode(), "+", "%20")
}

// hotp is RFC 4226.
func hotp(secret []byte, counter uint64, digits int) string {
	h := hmac.New(sha1.New, secret)
	var c [8]byte
	binary.BigEndian.PutUint64(c[:], counter)
	h.Write(c[:])
	sum := h.Sum(nil)
	at := sum[len(sum)-1] & 0x0f
	v := binary.BigEndian.Uint32(sum[at:]) & 0x7fffffff
	mod := uint32(1)
	for range digits {
		mod *= 10
	}
	return fmt.Sprintf("%0*d", digits, v%mod)
}

// Check tells whether a code is right at a moment, and of which step it is. A code
// of a step that was used, or of one before it, is not right any more.
func (f Factor) Check(code string, now time.Time, used int64) (step int64, ok bool) {
	code = digits(code)
	if len(code) != codeDigits || len(f.Secret) == 0 {
		return 0, false
	}
	at := now.Unix() / codePeriod
	for s := at - codeSkew; s <= at+codeSkew; s++ {
		if s < 0 {
			continue
		}
		// Every step is computed, so that the answer takes as long for each.
		if subtle.ConstantTimeCompare([]byte(hotp(f.Secret, uint64(s), codeDigits)), []byte(code)) == 1 && s > used {
			step, ok = s, true
		}
	}
	return step, ok
}

// Recover tells whether a code is one of the recovery codes, and returns the factor
// without it.
func (f Factor) Recover(code string) (Factor, bool) {
	want, found := recoveryHash(code), -1
	for i, h := range f.Recovery {
		if subtle.ConstantTimeCompare([]byte(h), []byte(want)) == 1 {
			found = i
		}
	}
	if found < 0 {
		return f, false
	}
	left := make([]string, 0, len(f.Recovery))
	left = append(append(left, f.Recovery[:found]...), f.Recovery[found+1:]...)
	f.Recovery = left
	return f, true
}

func recoveryHash(code string) string {
	code = strings.ToLower(strings.NewReplacer("-", "", " ", "").Replace(norm.NFKC.String(clip(code, 64))))
	sum := sha256.Sum256([]byte("rasad recovery " + code))
	return hex.EncodeToString(sum[:])
}

// digits reads a code as people type it: in Persian, Arabic or full-width digits,
// with spaces.
func digits(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= '۰' && r <= '۹':
			return '0' + r - '۰'
		case r >= '٠' && r <= '٩':
			return '0' + r - '٠'
		case r == ' ' || r == '-' || r == '\u200c':
			return -1
		}
		return r
	}, norm.NFKC.String(clip(s, 64)))
}

func clip(s string, most int) string {
	if len(s) > most {
		return s[:most]
	}
	return s
}
