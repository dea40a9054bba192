// Package access decides who may come in, and what they may do and see.
//
// Its law: [Allow] decides, for every door. It is a pure function of a principal,
// an action and a target, over one table (table.go), which writes its own document,
// POLICY.md. What is not in the table is refused; a field that nobody has named is
// internal; a call or a command without an action is nobody's.
//
// # What is where
//
//	policy.go table.go   roles, actions, kinds, classes of fields: the decision
//	reader.go            what one principal, or one audience, sees of a feature
//	request.go           commands and calls of openapi.yaml as actions
//	signin.go            the Gate: sign-in, step-up, enrolment; who asks
//	accounts.go          people          register.go   the records they are made of
//	sessions.go store.go who is in       cookies.go    how a browser says so
//	password.go limiter.go totp.go       how a person proves who they are
//	tokens.go patterns.go                programs, and the ids that they move
//	devices.go                           walls
//	changes.go                           what was done to all of them, to be told in the world's record
//
// # How the door calls it
//
// At the start:
//
//	reg, err := access.OpenRegister(dataDir, sealer)          // holds the file; ErrLocked: ask the running server
//	tokens, err := access.OpenTokens(dataDir)
//	store, err := access.OpenFileStore(dataDir)               // or one of a cluster
//	gate, err := access.OpenGate(ctx, reg, tokens, store, log, tell)
//	go gate.Run(ctx)
//	if reg.State().Empty() { link, err := reg.IssueSetup(ctx, act, 24*time.Hour) … }   // printed once
//
// tell brings events into the record as acts, and those with Alarm set to people.
//
// For each request, in this order:
//
//  1. secure: the browser's connection is TLS, ours or a trusted proxy's. Without it
//     only [MayGoBare] requests may bring or get a session.
//  2. http.CrossOriginProtection, as before: SameSite is not the only guard.
//  3. c, err := [CredentialsOf](r, secure, from); for /feeds/…/{token} c.Token is that
//     of the path. p, err := gate.[Gate.Identify](ctx, c). An error of either is 401,
//     but [ErrNoSession]: a browser whose session is over goes on as [Nobody](from),
//     or it could not load the page to sign in.
//  4. action, kind, ok := [OperationAction](operationId). Not ok is 403. Calls that name
//     no feature: d := [Allow](p, action, Target{}). Reads of features go to 5,
//     commands to 6, fixes to 7.
//  5. Reads: see := [NewReader](p, DoorREST), then f = see.[Reader.Show](f, facts.Target(f))
//     for each feature; nil is left out of lists and 404 when it was named.
//     Answers of writes and problems that carry a feature ("current") go through it too.
//  6. Commands: req, err := [CommandAction](name, args), d := req.[Request.Decide](p, about),
//     before Propose. The act gets p.[Principal.Geo]().
//  7. Fixes: d := gate.[Gate.MayReport](p, feed, keys, len(body), about); a unit that is not
//     there: [CreatesUnit](p, key).
//
// A decision that is no becomes a problem whose type is its Code: 401 for
// [SignInNeeded], 404 for [Hidden], 429 for [RateLimited], 413 for [TooLarge], else 403.
// [*WaitError] is 429 with Retry-After, [ErrBusy] 503.
//
// A socket:
//
//	audience, d := access.ResolveAudience(p, query.Audience, replay)   // no: 4403, of nobody 4401
//	over, stop := gate.Watch(p)                                        // before the first frame
//	defer stop()
//	… on <-over: close with 4401
//
// The hub of an audience projects by [AudienceReader]: Project is
//
//	func(f *geo.Feature) *geo.Feature { return see.Show(f, facts.Target(f)) }
//
// which depends on the feature and the policy only, as the law of audiences wants. A
// socket whose screen answers calls gate.Sessions.Touch about once a minute. An audience is opened
// when somebody first asks for it.
//
// Signing in:
//
//	e, err := gate.SignIn(ctx, access.SignIn{Name, Password, Code, From, Agent, Old: c.Session, Browser: access.ReadBrowser(r, secure)})
//	access.SetCookie(w, secure, e.Secret, access.LifetimeOf(e.Session.Role, e.Session.BreakGlass).Absolute)
//	access.SetBrowser(w, secure, e.Browser)
//
// Step-up, setup, a changed password and an enrolled wall answer an [Entry] as
// well, whose Secret goes into the cookie: the one before is worth nothing.
package access
