// Package frontend carries the built screens inside the binary, so that one file
// is the whole of Rasad and nothing is fetched from anywhere at run time.
//
// A clean clone holds only dist/.keep: it builds, and serves no screens until
// they are built.
package frontend

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

//go:embed messages/embed/*.json src/tokens.css
var words embed.FS

// Embed returns what the server writes the page of news sites with: the words under
// messages/embed and the colours of the screens, src/tokens.css.
func Embed() fs.FS { return words }

// Dist returns the built screens, index.html at its root. Before a build of the
// screens it holds nothing but .keep.
func Dist() fs.FS {
	sub, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // "dist" is a constant and valid
	}
	return sub
}
