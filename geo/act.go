package geo

// Act is who did what and why: history, not state. Frames carry acts, Merge
// concatenates them, Apply ignores them, hubs strip them, audit and archive
// read them.
type Act struct {
	At   Millis
	Name string // the command, or what happened: "assign", "fix.late", "hazard.expired"
	By   Principal
	Why  string // given by the person; required where a rule says so
	// Subjects are the keys of the features that the act is about.
	Subjects []string
	// Args are the command's arguments as JSON, personal fields sealed.
	Args []byte
	// Idempotency: the caller's key, a keyed digest of the body, and the answer
	// that a retry gets. Empty when the caller sent no key.
	Key    string
	Digest []byte
	Answer []byte
	// Extra holds fields of a newer format, as they came.
	Extra string
}

// Principal is who acts: a person, a program or a device, as the door knew it.
type Principal struct {
	Name string // "dispatcher:amini", "feed:osmand", "system"
	Role string
	From string // network address, may be empty
	// Session is the id of the session, empty for programs and the server itself.
	Session string
}
