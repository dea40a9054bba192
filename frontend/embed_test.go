package frontend

import (
	"io/fs"
	"testing"
)

// A clean clone has no screens yet and must build all the same; a build of the
// screens must not take away the file that makes that so.
func TestDistIsThere(t *testing.T) {
	if _, err := fs.Stat(Dist(), ".keep"); err != nil {
		t.Fatal(err)
	}
	if _, err := fs.Stat(Dist(), "dist"); err == nil {
		t.Error("Dist begins a folder too high")
	}
}
