// Package bench measures the whole program from outside, as `make bench` runs it:
// a server process, real sockets, real PostgreSQL beside it. Its tests carry the
// build tag bench and print figures; they fail only when something is wrong, never
// because something is slow.
package bench
