package access

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// FileStore keeps sessions in a file of the data folder, so that a restart signs
// nobody out and walls come back by themselves. It is a [SessionStore] for one
// process, the one that holds the register.
//
// The file is a line for each change, written anew when most of it is past. What
// cannot be read of it is left out: a session that is lost costs a sign-in. Ends are
// synced before Delete returns; signs of life are not.
type FileStore struct {
	path string

	mu   sync.Mutex
	f    *os.File
	live map[string][]byte // lines by id
	size int64
	held int64 // bytes of live
	shut bool
}

// sessionLine is a line: a session, or the id of one that is over.
type sessionLine struct {
	Session *Session `json:"session,omitempty"`
	Over    string   `json:"over,omitempty"`
}

// compactAbove is the size from which a file that is mostly past is written anew.
const compactAbove = 1 << 20

// OpenFileStore opens the sessions of a data folder, which must exist.
func OpenFileStore(dir string) (*FileStore, error) {
	s := &FileStore{path: filepath.Join(dir, "sessions.jsonl"), live: map[string][]byte{}}
	b, err := os.ReadFile(s.path)
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("read the sessions: %w", err)
	}
	for line := range bytes.Lines(b) {
		var l sessionLine
		if json.Unmarshal(line, &l) != nil {
			continue
		}
		if l.Session != nil && l.Session.ID != "" {
			s.set(l.Session.ID, bytes.TrimSpace(line))
		} else {
			s.set(l.Over, nil)
		}
	}
	if err := s.compact(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *FileStore) set(id string, line []byte) {
	s.held += int64(len(line) - len(s.live[id]))
	if line == nil {
		delete(s.live, id)
		return
	}
	s.live[id] = line
}

// Load returns the sessions that are kept.
func (s *FileStore) Load(context.Context) ([]Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Session, 0, len(s.live))
	for _, line := range s.live {
		var l sessionLine
		if err := json.Unmarshal(line, &l); err != nil {
			return nil, fmt.Errorf("read a session: %w", err)
		}
		out = append(out, *l.Session)
	}
	return out, nil
}

// Put keeps a session as it is now.
func (s *FileStore) Put(_ context.Context, x Session) error {
	line, err := json.Marshal(sessionLine{Session: &x})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set(x.ID, line)
	return s.write(line, false)
}

// Delete forgets a session; it does not come back by a restart.
func (s *FileStore) Delete(_ context.Context, id string) error {
	line, err := json.Marshal(sessionLine{Over: id})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set(id, nil)
	return s.write(line, true)
}

func (s *FileStore) write(line []byte, sync bool) error {
	if s.shut {
		return fmt.Errorf("write the sessions: %w", os.ErrClosed)
	}
	if s.f == nil || s.size > compactAbove && s.size > 4*s.held {
		return s.compact() // which holds this change already
	}
	n, err := s.f.Write(append(line, '\n'))
	s.size += int64(n)
	if err == nil && sync {
		err = s.f.Sync()
	}
	if err != nil {
		// Half a line would spoil the next one: the next change writes the file anew.
		s.f.Close()
		s.f = nil
		return fmt.Errorf("write the sessions: %w", err)
	}
	return nil
}

// compact writes what is live into a new file and puts it in the place of the old.
func (s *FileStore) compact() error {
	tmp, err := os.OpenFile(s.path+".tmp", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write the sessions: %w", err)
	}
	w := bufio.NewWriter(tmp)
	size := int64(0)
	for _, line := range s.live {
		n, _ := w.Write(line) // Flush tells
		_ = w.WriteByte('\n')
		size += int64(n) + 1
	}
	if err = w.Flush(); err == nil {
		err = tmp.Sync()
	}
	if err == nil {
		err = os.Rename(tmp.Name(), s.path)
	}
	if err == nil {
		err = syncFolder(filepath.Dir(s.path))
	}
	if err != nil {
		tmp.Close()
		return fmt.Errorf("write the sessions: %w", err)
	}
	if s.f != nil {
		s.f.Close()
	}
	s.f, s.size = tmp, size
	return nil
}

// syncFolder makes a new name outlive a power cut.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Close closes the file. Nothing is kept after it.
func (s *FileStore) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shut = true
	if s.f == nil {
		return nil
	}
	f := s.f
	s.f = nil
	return f.Close()
}
