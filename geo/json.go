package geo

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// What [strictJSON] refuses beyond what is not JSON at all.
var (
	errJSON      = errors.New("this is not valid JSON")
	errUTF8      = errors.New("the text is not valid UTF-8")
	errDeep      = fmt.Errorf("values are nested more than %d deep", propsDepth)
	errDuplicate = errors.New("the same name stands twice in an object")
)

// strictJSON accepts a JSON text that every parser reads alike: UTF-8, no
// duplicate names (one takes the first, the other the last), no deep nesting.
func strictJSON(b []byte) error {
	if !utf8.Valid(b) {
		return errUTF8
	}
	var raw json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return fmt.Errorf("%w: %w", errJSON, err)
	}
	_, err := strictValue(b, skipSpace(b, 0), propsDepth)
	return err
}

// strictValue walks over the value at i, of valid JSON, and returns where it ends.
func strictValue(b []byte, i, depth int) (int, error) {
	if depth < 0 {
		return i, errDeep
	}
	open := b[i]
	switch open {
	case '"':
		return skipString(b, i), nil
	case '{', '[':
	default:
		for i < len(b) && b[i] != ',' && b[i] != ']' && b[i] != '}' && !isSpace(b[i]) {
			i++
		}
		return i, nil
	}
	var few []string // names, until they are many
	var many map[string]struct{}
	for i = skipSpace(b, i+1); b[i] != '}' && b[i] != ']'; {
		if open == '{' {
			end := skipString(b, i)
			name := string(b[i+1 : end-1])
			if slices.Contains(b[i:end], '\\') {
				if err := json.Unmarshal(b[i:end], &name); err != nil {
					return i, errJSON
				}
			}
			twice := slices.Contains(few, name)
			if many != nil {
				_, twice = many[name]
				many[name] = struct{}{}
			} else if few = append(few, name); len(few) == 16 {
				many = map[string]struct{}{}
				for _, n := range few {
					many[n] = struct{}{}
				}
				few = nil
			}
			if twice {
				return i, fmt.Errorf("%w: %.60q", errDuplicate, name)
			}
			i = skipSpace(b, skipSpace(b, end)+1) // the colon
		}
		end, err := strictValue(b, i, depth-1)
		if err != nil {
			return i, err
		}
		if i = skipSpace(b, end); b[i] == ',' {
			i = skipSpace(b, i+1)
		}
	}
	return i + 1, nil
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func skipSpace(b []byte, i int) int {
	for i < len(b) && isSpace(b[i]) {
		i++
	}
	return i
}

// skipString returns where the string that starts at i ends.
func skipString[T ~string | ~[]byte](p T, i int) int {
	for i++; i < len(p); i++ {
		switch p[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(p)
}
