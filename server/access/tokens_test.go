package access

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

func TestTokens(t *testing.T) {
	dir := t.TempDir()
	server, err := OpenTokens(dir)
	if err != nil {
		t.Fatal(err)
	}
	shell, err := OpenTokens(dir)
	if err != nil {
		t.Fatal(err)
	}
	token, err := shell.Issue("dispatcher", "cad bridge", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	who, ok := server.Check(token)
	if !ok || who.Name != "token:cad bridge" || who.Role != "dispatcher" {
		t.Errorf("a running server saw %+v, %v, want the token just issued", who, ok)
	}
	if _, ok := server.Check(token + "x"); ok {
		t.Error("a token with a letter more was accepted")
	}
	file, err := os.ReadFile(shell.path)
	if err != nil || strings.Contains(string(file), strings.TrimPrefix(token, tokenPrefix)) {
		t.Errorf("the token stands on disk in clear (%v)", err)
	}
	if fi, _ := os.Stat(shell.path); fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", fi.Mode())
	}
}

func TestTokensRefuse(t *testing.T) {
	tokens, err := OpenTokens(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tokens.Issue("king", "x", time.Now()); !errors.Is(err, ErrRole) {
		t.Errorf("got %v, want %v", err, ErrRole)
	}
	for _, name := range []string{"", "a\nb", strings.Repeat("x", 65)} {
		if _, err := tokens.Issue("feed", name, time.Now()); !errors.Is(err, ErrName) {
			t.Errorf("name %q: got %v, want %v", name, err, ErrName)
		}
	}
}
