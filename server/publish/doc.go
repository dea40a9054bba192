// Package publish decides what the public may know, and keeps the world that it
// sees.
//
// Its law: nothing public is computed from what is private at the moment of
// reading. Whatever the public sees was decided by a rule, coarsened by that rule,
// and recorded, as a [Feature] inside a feature of kind [Publication]; the public
// world is made of those and of nothing else. [Feature] is a type of its own, so that a
// field nobody has named cannot slip through.
//
// # The decision
//
// publish.set and publish.withdraw are commands of people, publish.follow is the
// server's when a source changes. Their rules put one publication for each source, for
// good: a withdrawn one stays, so that publishing again goes on with the same cell.
// It holds what was asked for, the cell that the place is told by, what is shown
// now, and what will be shown when its delay is over. Delay and expiry are moments in
// [geo.Feature.Due], decided and recorded by [Due].
//
// The key of a publication follows from that of its source by a hash, because a rule
// must find it without looking at all of them. It is no secret and never public: the
// public id is random, comes with the command that published first, and follows from
// nothing.
//
// # Places
//
// [Policy] says for each kind and type how fine a place may be told at most. The rest
// is grid.go: a grid that is the same everywhere and for ever, whose cells nest. A rule
// looks at a place only to find its cell, and from then on at the numbers of cells
// alone. Hence what is published over all the life of an incident is a function of
// the cells that it was in; wavering, moving within and publishing again say nothing
// more (near and follow in grid.go, and the property tests).
//
// # The public world
//
// Each change of what is shown takes the next number of a sequence of its own, kept in
// the feature [headKey] and noted on the publication. So the public world is a
// function of the recorded world: [Open] makes it from a view, with the same numbers,
// revisions and tombstones as before a restart or on another node, and its epoch is a
// hash of the record's. It needs no journal of its own, and the audit chain covers it.
// The alternative, a second sequencer with a second journal, would have to agree with
// the first after every crash.
//
// [World] follows the frames of the record. It keeps a snapshot as bytes, plain and
// gzipped, and answers what changed since a number in chunks at fixed boundaries.
// A chunk holds what changed last between its ends, as it is now. So a chunk is a
// function of the world as well, what was withdrawn is gone from all of them at once, and
// whoever applies chunks up to the last one stands where the snapshot stands.
package publish
