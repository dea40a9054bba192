package streams

// pbPropsDepth is how deep properties may nest: as deep as encoding/json, which
// made them, allows.
const pbPropsDepth = 10000

// pbProps tells whether s is empty or one JSON object without white space
// between its parts: what geo.Props trusts its text to be. It is a scan by hand
// because a keyframe of a million features goes through it at every start.
func pbProps(s string) bool {
	if s == "" {
		return true
	}
	if s[0] != '{' {
		return false
	}
	end := jsonValue(s, 0, 0)
	return end == len(s)
}

// jsonValue returns the index after the value that begins at i, or -1.
func jsonValue(s string, i, depth int) int {
	if i >= len(s) || depth > pbPropsDepth {
		return -1
	}
	switch c := s[i]; {
	case c == '"':
		return jsonString(s, i)
	case c == '{':
		return jsonMembers(s, i, depth, '}', true)
	case c == '[':
		return jsonMembers(s, i, depth, ']', false)
	case c == '-' || c >= '0' && c <= '9':
		return jsonNumber(s, i)
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if len(s)-i >= len(word) && s[i:i+len(word)] == word {
			return i + len(word)
		}
	}
	return -1
}

func jsonMembers(s string, i, depth int, end byte, named bool) int {
	i++
	if i < len(s) && s[i] == end {
		return i + 1
	}
	for i < len(s) {
		if named {
			if s[i] != '"' {
				return -1
			}
			if i = jsonString(s, i); i < 0 || i >= len(s) || s[i] != ':' {
				return -1
			}
			i++
		}
		if i = jsonValue(s, i, depth+1); i < 0 || i >= len(s) {
			return -1
		}
		switch s[i] {
		case end:
			return i + 1
		case ',':
			i++
		default:
			return -1
		}
	}
	return -1
}

func jsonString(s string, i int) int {
	for i++; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return i + 1
		case c < ' ':
			return -1
		case c == '\\':
			i++
			if i >= len(s) {
				return -1
			}
			switch s[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				for range 4 {
					i++
					if i >= len(s) || !jsonHex(s[i]) {
						return -1
					}
				}
			default:
				return -1
			}
		}
	}
	return -1
}

func jsonHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func jsonNumber(s string, i int) int {
	if s[i] == '-' {
		i++
	}
	start := i
	if i = jsonDigits(s, i); i == start || s[start] == '0' && i > start+1 {
		return -1
	}
	if i < len(s) && s[i] == '.' {
		start = i + 1
		if i = jsonDigits(s, start); i == start {
			return -1
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		start = i
		if i = jsonDigits(s, start); i == start {
			return -1
		}
	}
	return i
}

func jsonDigits(s string, i int) int {
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return i
}
