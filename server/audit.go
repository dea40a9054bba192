package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"rasad/geo"
	"rasad/server/api"
	"rasad/streams"
)

// recordOf opens the record of a data folder from its files alone: no server is
// stopped or asked, and nothing is written.
func recordOf(data string) (fs.FS, *streams.Record, error) {
	if data == "" {
		return nil, nil, usagef("--data is missing: name the folder that keeps the record")
	}
	if _, err := os.Stat(data); err != nil {
		return nil, nil, fmt.Errorf("open the record: %w", err)
	}
	folder := os.DirFS(data)
	r, err := streams.NewRecord(folder, worldIn(data))
	if err != nil {
		return nil, nil, fmt.Errorf("open the record in %s: %w", data, err)
	}
	return folder, r, nil
}

// auditKey prints the public key that verifies the installation's heads. Write it
// down elsewhere: whoever may change the folder may change the key in it.
func auditKey(_ context.Context, e env, args []string) error {
	f := newFlags("audit key")
	data := f.String("data", "", "folder that keeps the record")
	if err := f.parse(args, e.getenv); err != nil {
		return err
	}
	if err := f.want(); err != nil {
		return err
	}
	if *data == "" {
		return usagef("--data is missing: name the folder that keeps the record")
	}
	key, err := streams.AuditKey(os.DirFS(*data))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s has no key yet; the first start of the server makes it", *data)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.out, streams.AuditKeyString(key))
	return err
}

// auditVerify proves the whole record, beside a running server or on a copy.
func auditVerify(ctx context.Context, e env, args []string) error {
	f := newFlags("audit verify")
	data := f.String("data", "", "folder that keeps the record")
	heads := f.String("heads", "", "a copy of the heads file that was shipped elsewhere")
	keys := f.String("key", "", "public keys, as `rasad audit key` printed them, with commas between")
	asJSON := f.Bool("json", false, "write one JSON object")
	if err := f.parse(args, e.getenv); err != nil {
		return err
	}
	if err := f.want(); err != nil {
		return err
	}
	var o streams.AuditOptions
	for _, text := range strings.FieldsFunc(*keys, func(r rune) bool { return r == ',' }) {
		k, err := streams.ParseAuditKey(strings.TrimSpace(text))
		if err != nil {
			return usagef("--key: %v", err)
		}
		o.Keys = append(o.Keys, k)
	}
	folder, _, err := recordOf(*data)
	if err != nil {
		return err
	}
	o.World = worldIn(*data)
	if *heads != "" {
		if o.Copy, err = os.ReadFile(*heads); err != nil {
			return fmt.Errorf("read the copy of the heads: %w", err)
		}
	}
	report, err := streams.VerifyRecord(ctx, folder, o)
	if err != nil {
		return fmt.Errorf("verify the record: %w", err)
	}
	if *asJSON {
		err = json.NewEncoder(e.out).Encode(report)
	} else {
		err = writeReport(e.out, report, o.Keys)
	}
	if err == nil && !report.Whole() {
		return errDamaged
	}
	return err
}

func writeReport(w io.Writer, r *streams.AuditReport, pinned []ed25519.PublicKey) error {
	out := bufio.NewWriter(w)
	for _, x := range r.Findings {
		where := ""
		switch {
		case x.To > 0:
			where = fmt.Sprintf(" frames %d-%d:", x.Frame, x.To)
		case x.Frame > 0:
			where = fmt.Sprintf(" frame %d:", x.Frame)
		}
		fmt.Fprintf(out, "found: %s:%s %s\n", x.Code, where, printable(x.What))
	}
	for _, what := range r.Notes {
		fmt.Fprintln(out, "note:", printable(what))
	}
	signed := "signed with the folder's own key; give --key to be independent of the folder"
	switch {
	case r.Heads == 0:
		signed = "not signed"
	case pinned != nil:
		signed = "signed with the key given"
	}
	fmt.Fprintf(out, "world %s, frames %d to %d: %d proven, %d of them replayed to the state recorded, %d keyframes, %d acts, %d heads (%s), in %s\n",
		r.World, r.First, r.Last, r.Frames, r.States, r.Keyframes, r.Acts, r.Heads, signed, r.Took.Round(time.Millisecond))
	if r.Whole() {
		fmt.Fprintln(out, "whole: nothing is missing, altered, moved or added")
	} else {
		fmt.Fprintf(out, "NOT WHOLE: %d findings\n", len(r.Findings))
	}
	return out.Flush()
}

// printable keeps what a stranger wrote from steering a terminal.
func printable(s string) string {
	q := strconv.QuoteToGraphic(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

// auditQuery chooses acts.
type auditQuery struct {
	from, to          geo.Millis
	who, act, feature string
}

func (q auditQuery) wants(a *geo.Act) bool {
	if q.who != "" && !strings.Contains(strings.ToLower(a.By.Name), strings.ToLower(q.who)) {
		return false
	}
	if ok, _ := path.Match(q.act, a.Name); q.act != "" && !ok {
		return false
	}
	return q.feature == "" || slices.Contains(a.Subjects, q.feature)
}

// auditEntry is one act as a person reads it.
type auditEntry struct {
	At       string   `json:"at"`
	Seq      uint64   `json:"seq"`
	Epoch    string   `json:"epoch"`
	Act      string   `json:"act"`
	By       string   `json:"by"`
	Role     string   `json:"role,omitempty"`
	From     string   `json:"from,omitempty"`
	Session  string   `json:"session,omitempty"`
	Why      string   `json:"why,omitempty"`
	Subjects []string `json:"subjects,omitempty"`
	// Args are the command's arguments, sealed fields by their names only.
	Args json.RawMessage `json:"args,omitempty"`
	// Changes are, for each subject that the act's frame changed and each member
	// that differs, what was before and after. Acts of one frame share them.
	Changes map[string]map[string][2]json.RawMessage `json:"changes,omitempty"`
}

// auditList writes the acts of a stretch of time.
func auditList(ctx context.Context, e env, args []string) error {
	f := newFlags("audit list")
	data := f.String("data", "", "folder that keeps the record")
	from := f.String("from", "", "RFC 3339 time")
	to := f.String("to", "", "RFC 3339 time")
	asJSON := f.Bool("json", false, "write JSON lines")
	var q auditQuery
	f.StringVar(&q.who, "who", "", "a part of the name of who acted")
	f.StringVar(&q.act, "act", "", "name of the act, or a pattern such as 'incident.*'")
	f.StringVar(&q.feature, "feature", "", "key of a feature that the act is about")
	if err := f.parse(args, e.getenv); err != nil {
		return err
	}
	if err := f.want(); err != nil {
		return err
	}
	q.to = geo.Millis(time.Now().UnixMilli())
	for _, t := range []struct {
		flag, text string
		into       *geo.Millis
	}{{"from", *from, &q.from}, {"to", *to, &q.to}} {
		if t.text == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339, t.text)
		if err != nil {
			return usagef("--%s %q: write an RFC 3339 time, such as 2026-11-22T09:00:00+03:30", t.flag, t.text)
		}
		*t.into = geo.Millis(at.UnixMilli())
	}
	if q.to < q.from {
		return usagef("--to lies before --from")
	}
	if _, err := path.Match(q.act, ""); err != nil {
		return usagef("--act %q is no pattern", q.act)
	}
	_, record, err := recordOf(*data)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(e.out)
	lines := json.NewEncoder(out)
	err = listActs(ctx, record, q, func(x auditEntry) error {
		if *asJSON {
			return lines.Encode(x)
		}
		return x.write(out)
	})
	return errors.Join(err, out.Flush())
}

// listActs shows the acts that q wants, oldest first, each with what its frame
// changed. It plays history into a world of its own.
func listActs(ctx context.Context, h streams.History, q auditQuery, show func(auditEntry) error) error {
	key, err := h.KeyframeAt(ctx, q.from)
	if err != nil {
		return fmt.Errorf("find the world at the start: %w", err)
	}
	w := geo.NewWorld()
	load := func(f *streams.Frame) {
		w.Load(geo.Moment{Seq: f.Seq, Time: f.Time}, f.Delta, f.NextID, f.Changed, f.Tombs)
	}
	load(key)
	for f, err := range h.Frames(ctx, key.Seq) {
		if err != nil {
			return fmt.Errorf("read the record: %w", err)
		}
		if f.Time > q.to {
			break
		}
		if f.Keyframe() { // of the next epoch; its acts are those of the frames before
			load(f)
			continue
		}
		before := w.View()
		w.Apply(geo.Moment{Seq: f.Seq, Time: f.Time}, f.Delta)
		if f.Time < q.from {
			continue
		}
		for i := range f.Acts {
			if q.wants(&f.Acts[i]) {
				if err := show(entryOf(f, &f.Acts[i], before, w.View())); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func entryOf(f *streams.Frame, a *geo.Act, before, after *geo.View) auditEntry {
	x := auditEntry{At: stamp(cmp.Or(a.At, f.Time)), Seq: f.Seq, Epoch: f.Epoch, Act: a.Name, By: a.By.Name, Role: a.By.Role, From: a.By.From, Session: a.By.Session,
		Why: a.Why, Subjects: a.Subjects, Args: api.ActArgs(a.Args), Changes: map[string]map[string][2]json.RawMessage{}}
	for _, key := range a.Subjects {
		if c := api.Changes(before, after, key); len(c) > 0 {
			x.Changes[key] = c
		}
	}
	return x
}

// write puts an act on a few lines: when, where in the record, what, who, about
// what; then what changed, and why.
func (x auditEntry) write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  frame %d  %s  %s", x.At, x.Seq, printable(x.Act), printable(cmp.Or(x.By, "system")))
	if x.Role != "" {
		fmt.Fprintf(&b, " (%s)", printable(x.Role))
	}
	if x.From != "" {
		fmt.Fprintf(&b, " from %s", printable(x.From))
	}
	if len(x.Subjects) > 0 {
		fmt.Fprintf(&b, "  %s", printable(strings.Join(x.Subjects, ", ")))
	}
	b.WriteByte('\n')
	for _, key := range slices.Sorted(maps.Keys(x.Changes)) {
		fmt.Fprintf(&b, "    %s", printable(key))
		for i, name := range slices.Sorted(maps.Keys(x.Changes[key])) {
			c := x.Changes[key][name]
			sep := ";"
			if i == 0 {
				sep = ""
			}
			fmt.Fprintf(&b, "%s  %s: %s → %s", sep, printable(name), short(c[0]), short(c[1]))
		}
		b.WriteByte('\n')
	}
	if x.Why != "" {
		fmt.Fprintf(&b, "    why: %s\n", printable(x.Why))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// short is a value on a line; the whole stands in --json.
func short(raw json.RawMessage) string {
	const most = 80
	r := []rune(printable(string(raw)))
	if len(r) > most {
		return string(r[:most]) + "…"
	}
	return string(r)
}

// auditErase destroys the keys of a sealed field for ever, through the running
// server: only it may write the act that says so.
func auditErase(ctx context.Context, e env, args []string) error {
	f := newFlags("audit erase")
	data := f.String("data", "", "folder that keeps the record")
	incident := f.String("incident", "", "key of the incident, or of the call")
	field := f.String("field", "caller", "name of the sealed field")
	why := f.String("why", "", "why it is erased; it is written in the record")
	if err := f.parse(args, e.getenv); err != nil {
		return err
	}
	if err := f.want(); err != nil {
		return err
	}
	for _, given := range []struct{ flag, value string }{{"data", *data}, {"incident", *incident}, {"why", *why}} {
		if given.value == "" {
			return usagef("--%s is missing", given.flag)
		}
	}
	who := "unknown"
	if u, err := user.Current(); err == nil {
		who = u.Username
	}
	q := url.Values{"incident": {*incident}, "field": {*field}, "why": {*why}, "who": {who}}
	if _, err := os.Stat(filepath.Join(*data, socketName)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no server runs in %s; start it: it writes in the record who erased what", *data)
	}
	return tellLocal(ctx, http.MethodPost, *data, "/erase?"+q.Encode(), e.out)
}

// eraseName is the command of [eraseSealed].
const eraseName = "sealed.erase"

type erasure struct {
	Key    string `json:"key"`
	Name   string `json:"name"`
	Reason string `json:"reason"`
	Keys   int    `json:"keys"` // how many are destroyed
}

// eraseSealed is a rule that changes nothing and leaves an act: who had the keys of
// which sealed field destroyed, and why. The box stays in the feature, and opens no
// more. It answers the key that the field has now, if the feature is still there.
//
//	sealed.erase  {"key", "name", "reason", "keys"}
func eraseSealed(d *geo.Draft, by geo.Principal, args json.RawMessage) (any, error) {
	var in erasure
	if err := json.Unmarshal(args, &in); err != nil {
		return nil, &geo.Refusal{Class: geo.Invalid, Code: "bad-args", Detail: "the arguments of sealed.erase are not as they should be"}
	}
	now := ""
	if f, ok := d.Get(in.Key); ok {
		for _, s := range f.Sealed {
			if s.Name == in.Name {
				now = s.KeyID
			}
		}
	}
	if now == "" && in.Keys == 0 {
		return nil, &geo.Refusal{Class: geo.Missing, Code: "no-" + in.Name, Detail: in.Key + " never had a sealed " + in.Name}
	}
	d.Act(geo.Act{Name: eraseName, By: by, Why: in.Reason, Subjects: []string{in.Key}, Args: args})
	return map[string]string{"key_id": now}, nil
}

// erase answers the command line: it destroys the keys of a field of a feature.
func (s *server) erase(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	in := api.Erasure{Key: q.Get("incident"), Field: q.Get("field"), Why: q.Get("why"), By: geo.Principal{Name: "local:" + q.Get("who"), Role: "admin", From: "socket"}}
	if err := geo.CheckKey(in.Key); err != nil || in.Field == "" || in.Why == "" {
		http.Error(w, "incident, field and why must be given", http.StatusBadRequest)
		return
	}
	done, err := s.eraseField(r.Context(), in)
	var refusal *geo.Refusal
	switch {
	case errors.As(err, &refusal):
		http.Error(w, refusal.Detail, http.StatusNotFound)
	case err != nil && done.Seq == 0:
		http.Error(w, "nothing was erased: "+err.Error(), http.StatusServiceUnavailable)
	case err != nil:
		http.Error(w, fmt.Sprintf("%d keys were destroyed, but not all is done: %v", done.Keys, err), http.StatusInternalServerError)
	default:
		fmt.Fprintf(w, "erased: the %s of %s can be read by nobody any more, now and in the past: %d keys destroyed, said in frame %d\n", in.Field, in.Key, done.Keys, done.Seq)
	}
}

// eraseField destroys every key under which a field of a feature was ever sealed: what
// was changed since has older boxes in the past. It returns a *geo.Refusal when there
// never was one. An error beside a frame: it was said, and not all of it is done.
func (s *server) eraseField(ctx context.Context, in api.Erasure) (done api.ErasureDone, err error) {
	keys, unread := s.sealedKeys(ctx, in.Key, in.Field)
	if err := ctx.Err(); err != nil {
		return done, err
	}
	args, err := json.Marshal(erasure{Key: in.Key, Name: in.Field, Reason: in.Why, Keys: len(keys)})
	if err != nil {
		return done, fmt.Errorf("write the arguments of %s: %w", eraseName, err)
	}
	// Said first, done then: an act without its erasing is found and done again, an
	// erasing without its act would be a hole that nobody made.
	answer, err := s.seq.Propose(ctx, streams.Command{Name: eraseName, Args: args, By: in.By, Why: in.Why})
	if err != nil {
		return done, err
	}
	done.Seq = answer.Seq
	var now struct {
		KeyID string `json:"key_id"`
	}
	if err := json.Unmarshal(answer.Body, &now); err != nil {
		return done, fmt.Errorf("read the answer of %s: %w", eraseName, err)
	}
	if now.KeyID != "" && !slices.Contains(keys, now.KeyID) {
		keys = append(keys, now.KeyID)
	}
	failed := unread
	for _, id := range keys {
		switch err := s.sealer.Erase(id); {
		case err == nil:
			done.Keys++
		case errors.Is(err, streams.ErrKeyMissing): // it opens nothing either way
		default:
			failed = errors.Join(failed, err)
		}
	}
	s.log.Info("a sealed field was erased", "feature", in.Key, "field", in.Field, "keys", done.Keys, "frame", done.Seq)
	if failed != nil {
		return done, fmt.Errorf("erase the %s of %s: %w", in.Field, in.Key, failed)
	}
	return done, nil
}

// sealedKeys finds the keys of a field in the whole record: in the files of this
// folder, or in the cluster that keeps the frames instead.
func (s *server) sealedKeys(ctx context.Context, key, name string) ([]string, error) {
	record, err := streams.NewRecord(os.DirFS(s.config.Data), s.config.world)
	if err != nil {
		return nil, err
	}
	keys, err := record.SealedKeys(ctx, key, name)
	if s.config.NATS == "" || err != nil {
		return keys, err
	}
	first, err := s.journal.KeyframeAt(ctx, 0)
	if err != nil {
		return keys, err
	}
	for f, err := range s.journal.Frames(ctx, first.Seq) {
		if err != nil {
			return keys, err
		}
		for _, p := range f.Put {
			for _, x := range p.Sealed {
				if p.Key == key && x.Name == name && x.KeyID != "" && !slices.Contains(keys, x.KeyID) {
					keys = append(keys, x.KeyID)
				}
			}
		}
	}
	return keys, nil
}

// openHeads makes the signer of heads. A city is worth more than its audit: what is
// wrong with the key is said, and the server starts.
func (s *server) openHeads(raise func(alarm)) {
	heads, err := streams.OpenHeads(s.journal)
	if err != nil {
		s.log.Error("the record is not signed", "error", err)
		raise(alarm{"alarm:audit", "journal_damaged", "The record is not signed: " + err.Error(), true})
		return
	}
	s.heads = heads
	s.log.Info("the record is signed", "key", streams.AuditKeyString(heads.Public()))
}

// signHeads signs until ctx ends; signLast covers what came after.
func (s *server) signHeads(ctx context.Context) {
	if s.heads != nil {
		s.heads.Run(ctx)
	}
}

func (s *server) signLast(ctx context.Context) {
	if s.heads != nil {
		_ = s.heads.Sign(ctx) // it says itself what went wrong
	}
}
