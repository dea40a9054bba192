package api_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// What is committed is what openapi.yaml generates.
func TestGeneratedCodeIsCurrent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"openapi.yaml", "oapi-codegen.yaml"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		b = bytes.ReplaceAll(b, []byte("output: openapi.gen.go"), []byte("output: "+filepath.Join(dir, "openapi.gen.go")))
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("go", "tool", "oapi-codegen", "-config", filepath.Join(dir, "oapi-codegen.yaml"), filepath.Join(dir, "openapi.yaml")).CombinedOutput()
	if err != nil {
		t.Fatalf("generate: %v\n%s", err, out)
	}
	same(t, "openapi.gen.go", filepath.Join(dir, "openapi.gen.go"), "go generate ./server/api")
}

func TestGeneratedTypesOfTheScreensAreCurrent(t *testing.T) {
	t.Parallel()
	const tool = "../../node_modules/.bin/openapi-typescript"
	if _, err := os.Stat(tool); err != nil {
		t.Fatalf("types.ts cannot be checked without the tools of the screens; npm ci brings them: %v", err)
	}
	file := filepath.Join(t.TempDir(), "types.ts")
	if out, err := exec.Command(tool, "openapi.yaml", "-o", file).CombinedOutput(); err != nil {
		t.Fatalf("generate: %v\n%s", err, out)
	}
	same(t, "../../frontend/src/api/types.ts", file, "npm run generate")
}

func same(t *testing.T, committed, generated, mend string) {
	t.Helper()
	got, err := os.ReadFile(committed)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(generated)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what openapi.yaml generates; mend it with: %s", committed, mend)
	}
}
