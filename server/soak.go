package main

import (
	"context"

	"rasad/geo"
)

// soak is empty but in a build for soaks (go build -tags soak ./server, see
// soak_tape.go): then a history that `rasad history` made is played into the live
// world, many times as fast as it was, so that a screen is watched through a month in
// an hour. No program that a city runs has it.
var soak struct {
	rules func(map[string]geo.Rule)
	run   func(ctx context.Context, s *server) error
	// exercise puts the mark EXERCISE on every screen, so that it can be looked at
	// before there are exercises.
	exercise bool
}
