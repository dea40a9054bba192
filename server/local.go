package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"rasad/geo"
	"rasad/streams"
)

// socketName lies in the data folder. Whoever may open it may read the record:
// the folder belongs to the user that runs the server, mode 0700.
const socketName = "rasad.sock"

// local answers the command line while the server holds the data folder.
func (s *server) local() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /check", func(w http.ResponseWriter, r *http.Request) {
		found, err := s.journal.Check(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		writeFindings(w, s.world.View(), s.journal.Epoch(), found)
	})
	mux.HandleFunc("GET /export", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		from, err1 := time.Parse(time.RFC3339, q.Get("from"))
		to, err2 := time.Parse(time.RFC3339, q.Get("to"))
		write := exporters[q.Get("format")]
		if err1 != nil || err2 != nil || write == nil {
			http.Error(w, "from, to and format must be given", http.StatusBadRequest)
			return
		}
		if err := write(r.Context(), s.journal, geo.Millis(from.UnixMilli()), geo.Millis(to.UnixMilli()), w); err != nil {
			s.log.Warn("an export failed", "error", err)
			panic(http.ErrAbortHandler) // the client must not take half a file for a whole one
		}
	})
	mux.HandleFunc("POST /erase", s.erase)
	mux.HandleFunc("POST /people", s.people)
	return mux
}

// serveLocal listens on the socket until ctx ends.
func (s *server) serveLocal(ctx context.Context) error {
	path := filepath.Join(s.config.Data, socketName)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove an old socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		// A path over 108 bytes cannot be a socket. The server is worth more.
		s.log.Warn("no socket for the command line; check and export work only while the server is stopped", "error", err)
		return nil
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return err
	}
	srv := &http.Server{Handler: s.local(), ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		srv.Close()
	}()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// askLocal copies the answer of a running server.
func askLocal(ctx context.Context, data, path string, out io.Writer) error {
	return tellLocal(ctx, http.MethodGet, data, path, out)
}

// tellLocal asks a running server to do something, and copies its answer.
func tellLocal(ctx context.Context, method, data, path string, out io.Writer) error {
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(data, socketName))
	}}}
	req, err := http.NewRequestWithContext(ctx, method, "http://rasad"+path, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("a server holds %s, but does not answer on its socket: %w", data, err)
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusConflict {
		_, _ = io.Copy(out, res.Body)
		return errDamaged
	}
	if res.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(io.LimitReader(res.Body, 4096))
		return fmt.Errorf("the server answered %s: %s", res.Status, b)
	}
	_, err = io.Copy(out, res.Body)
	return err
}

// errDamaged ends `rasad check` with status 1; what is damaged stands in the output.
var errDamaged = errors.New("the record is damaged")

func writeFindings(w io.Writer, v *geo.View, epoch string, found []string) {
	if h, ok := w.(http.ResponseWriter); ok && len(found) > 0 {
		h.WriteHeader(http.StatusConflict)
	}
	for _, what := range found {
		fmt.Fprintln(w, "damaged:", what)
	}
	fmt.Fprintf(w, "epoch %s, frame %d, %d features, state %016x\n", epoch, v.Seq(), v.Len(""), v.Hash())
	if len(found) == 0 {
		fmt.Fprintln(w, "whole: every frame and keyframe that is kept was read and proven by the chain")
	}
}

// check reads the whole record. It opens it as a start of the server does: what
// can be repaired is repaired, and said.
func check(ctx context.Context, e env, args []string) error {
	f := newFlags("check")
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
	if _, err := os.Stat(*data); err != nil {
		return fmt.Errorf("open the record: %w", err)
	}
	journal, world, recovery, err := streams.OpenJournal(ctx, streams.JournalOptions{Dir: *data, World: worldIn(*data), Log: e.logger(), ScrubRate: -1})
	if errors.Is(err, streams.ErrDirHeld) {
		return askLocal(ctx, *data, "/check", e.out)
	}
	if err != nil {
		return fmt.Errorf("open the record: %w", err)
	}
	defer journal.Close()
	for _, what := range recovery.Repaired {
		fmt.Fprintln(e.out, "repaired:", what)
	}
	found, err := journal.Check(ctx)
	if err != nil {
		return fmt.Errorf("read the record: %w", err)
	}
	found = append(recovery.Damaged, found...)
	writeFindings(e.out, world.View(), journal.Epoch(), found)
	if len(found) > 0 {
		return errDamaged
	}
	return nil
}
