package streams

import "errors"

// What a journal says when it did not record a frame; the sequencer acts on
// each, and the door knows the first.
var (
	// ErrNotRecording is a journal that cannot write now. The same frame may be
	// offered again.
	ErrNotRecording = errors.New("the journal cannot be written")
	// ErrPenLost is another writer in the same history. There is no going on.
	ErrPenLost = errors.New("another writer holds the pen")
	// ErrFrameTooLarge is a frame over the journal's limit. It was not recorded
	// and its sequence is still free.
	ErrFrameTooLarge = errors.New("the frame is larger than the journal takes")
)
