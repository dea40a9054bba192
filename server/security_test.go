package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// asvs is how many requirements each section of the ASVS 5.0.0 has, and which of them
// are of level 3 only.
var asvs = []struct {
	section string
	n       int
	third   []int
}{
	{"1.1", 2, nil}, {"1.2", 10, []int{10}}, {"1.3", 12, []int{12}}, {"1.4", 3, nil}, {"1.5", 3, []int{3}},
	{"2.1", 3, nil}, {"2.2", 3, nil}, {"2.3", 5, []int{5}}, {"2.4", 2, []int{2}},
	{"3.1", 1, []int{1}}, {"3.2", 3, []int{3}}, {"3.3", 5, []int{5}}, {"3.4", 8, []int{7, 8}}, {"3.5", 8, []int{6, 7, 8}}, {"3.6", 1, []int{1}}, {"3.7", 5, []int{3, 4, 5}},
	{"4.1", 5, []int{4, 5}}, {"4.2", 5, []int{2, 3, 4, 5}}, {"4.3", 2, nil}, {"4.4", 4, nil},
	{"5.1", 1, nil}, {"5.2", 6, []int{4, 5, 6}}, {"5.3", 3, []int{3}}, {"5.4", 3, nil},
	{"6.1", 3, nil}, {"6.2", 12, nil}, {"6.3", 8, []int{5, 6, 7, 8}}, {"6.4", 6, []int{5, 6}}, {"6.5", 8, []int{6, 7, 8}}, {"6.6", 4, []int{4}}, {"6.7", 2, []int{1, 2}}, {"6.8", 4, nil},
	{"7.1", 3, nil}, {"7.2", 4, nil}, {"7.3", 2, nil}, {"7.4", 5, nil}, {"7.5", 3, []int{3}}, {"7.6", 2, nil},
	{"8.1", 4, []int{3, 4}}, {"8.2", 4, []int{4}}, {"8.3", 3, []int{2, 3}}, {"8.4", 2, []int{2}},
	{"9.1", 3, nil}, {"9.2", 4, nil},
	{"10.1", 2, nil}, {"10.2", 3, []int{3}}, {"10.3", 5, []int{5}}, {"10.4", 16, []int{12, 13, 14, 15, 16}}, {"10.5", 5, nil}, {"10.6", 2, nil}, {"10.7", 3, nil},
	{"11.1", 4, []int{3, 4}}, {"11.2", 5, []int{4, 5}}, {"11.3", 5, []int{4, 5}}, {"11.4", 4, nil}, {"11.5", 2, []int{2}}, {"11.6", 2, []int{2}}, {"11.7", 2, []int{1, 2}},
	{"12.1", 5, []int{4, 5}}, {"12.2", 2, nil}, {"12.3", 5, []int{5}},
	{"13.1", 4, []int{2, 3, 4}}, {"13.2", 6, []int{6}}, {"13.3", 4, []int{3, 4}}, {"13.4", 7, []int{6, 7}},
	{"14.1", 2, nil}, {"14.2", 8, []int{5, 6, 7, 8}}, {"14.3", 3, nil},
	{"15.1", 5, []int{4, 5}}, {"15.2", 5, []int{4, 5}}, {"15.3", 7, nil}, {"15.4", 4, []int{1, 2, 3, 4}},
	{"16.1", 1, nil}, {"16.2", 5, nil}, {"16.3", 4, nil}, {"16.4", 3, nil}, {"16.5", 4, []int{4}},
	{"17.1", 2, []int{2}}, {"17.2", 8, []int{5, 6, 7, 8}}, {"17.3", 2, nil},
}

var (
	requirement = regexp.MustCompile(`^\d+\.\d+\.\d+$`)
	namedTest   = regexp.MustCompile(`\b([a-z]+/[a-z_]+_test\.go):(Test\w+)`)
	namedFile   = regexp.MustCompile(`\bfrontend/[\w./-]+\.\w+`)
)

// TestTheSecurityTableIsWhole: each requirement of levels 1 and 2 stands in it once, and
// each test that it names is there.
func TestTheSecurityTableIsWhole(t *testing.T) {
	b, err := os.ReadFile("../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]int{}
	named := 0
	for line := range strings.Lines(string(b)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 4 || !requirement.MatchString(strings.Fields(cells[0] + " x")[0]) {
			continue
		}
		for _, id := range strings.Fields(cells[0]) {
			rows[id]++
		}
		state, why := strings.TrimSpace(cells[2]), strings.TrimSpace(cells[3])
		if !slices.Contains([]string{"met", "n/a", "open"}, state) || why == "" {
			t.Errorf("%s: state %q, reason %q", cells[0], state, why)
		}
		for _, m := range namedTest.FindAllStringSubmatch(why, -1) {
			named++
			if err := hasTest(m[1], m[2]); err != nil {
				t.Errorf("%s: %v", cells[0], err)
			}
		}
		if strings.Count(why, "_test.go") != len(namedTest.FindAllString(why, -1)) {
			t.Errorf("%s: a test is not named as folder/file_test.go:TestName: %s", cells[0], why)
		}
		for _, name := range namedFile.FindAllString(why, -1) {
			if _, err := os.Stat(filepath.Join("..", name)); err != nil {
				t.Errorf("%s: %v", cells[0], err)
			}
		}
	}
	want := 0
	for _, s := range asvs {
		for i := 1; i <= s.n; i++ {
			id := fmt.Sprintf("%s.%d", s.section, i)
			if slices.Contains(s.third, i) {
				continue
			}
			want++
			if rows[id] != 1 {
				t.Errorf("%s stands in the table %d times, want once", id, rows[id])
			}
			delete(rows, id)
		}
	}
	for id := range rows {
		t.Errorf("the standard has no %s of levels 1 and 2", id)
	}
	if want != 253 {
		t.Errorf("%d requirements of both levels, and the standard has 253", want)
	}
	if named < 100 {
		t.Errorf("only %d tests are named", named)
	}
}

// hasTest looks for a test by the short name of its folder.
func hasTest(file, name string) error {
	dir, base := filepath.Split(file)
	path := map[string]string{"main/": ".", "streams/": "../streams"}[dir]
	if path == "" {
		path = dir
	}
	b, err := os.ReadFile(filepath.Join(path, base))
	if err != nil {
		return err
	}
	if !strings.Contains(string(b), "\nfunc "+name+"(t *testing.T) {") {
		return fmt.Errorf("%s has no %s", file, name)
	}
	return nil
}
