package assay_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/gen-emerge/assay"

// level is the shape of the program: a package may import only packages of
// lower levels, and anybody may import the root. Packages of one level do not
// know each other. A package that is not in this list has no place in the house.
var level = map[string]int{
	"pixel": 0, "token": 0, "onnx": 0, "weights": 0, "stat": 0, "index": 0, "gemm": 0,
	"nn": 1, "ort": 1, "rank": 1, "store": 1, "judge/vlm": 1, "judge/judgetest": 1,
	"backbone": 2, "gate": 2, "archive": 2, "judge": 2, "taste": 2,
	"metric":        3,
	"series":        4,
	"web":           5,
	"cmd/assay/art": 5, // draws the demo's pictures for cmd/assay
	"cmd/assay":     6,
}

// The files are read here and not by `go list`: the test cache does not see
// what a child process reads, and would answer from memory.
func TestImports(t *testing.T) {
	seen := map[string]bool{}
	each(t, ".go", func(file, pkg string) {
		if strings.HasSuffix(file, "_test.go") || strings.HasPrefix(pkg, "reference") {
			return
		}
		src, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		own, known := level[pkg]
		if pkg != "." && !known {
			t.Errorf("%s: package %s is not in the list of levels", file, pkg)
		}
		seen[pkg] = true
		for _, imp := range src.Imports {
			name, _ := strconv.Unquote(imp.Path.Value)
			to, ours := strings.CutPrefix(name, module+"/")
			switch {
			case !ours:
			case pkg == ".":
				t.Errorf("%s: the root imports %s; it may import none of ours", file, to)
			case level[to] >= own:
				t.Errorf("%s: %s (level %d) may not import %s (level %d)", file, pkg, own, to, level[to])
			}
			if ours && pkg == "series" && (to == "store" || to == "ort" || strings.HasPrefix(to, "judge")) {
				t.Errorf("%s: series says what it needs of %s in interfaces of its own", file, to)
			}
			if name == "C" {
				t.Errorf("%s: cgo: the program is built without it", file)
			}
		}
	})
	for pkg := range level {
		if !seen[pkg] {
			t.Errorf("package %s is in the list of levels and not in the tree", pkg)
		}
	}
}

// TestPackageComments holds every package to one comment that says what it is
// for, in one file.
func TestPackageComments(t *testing.T) {
	comments := map[string][]string{}
	packages := map[string]bool{}
	each(t, ".go", func(file, pkg string) {
		if strings.HasSuffix(file, "_test.go") || strings.HasPrefix(pkg, "reference") {
			return
		}
		src, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		packages[pkg] = true
		if src.Doc != nil {
			comments[pkg] = append(comments[pkg], file)
		}
	})
	for pkg := range packages {
		if len(comments[pkg]) != 1 {
			t.Errorf("package %s has %d package comments, want 1: %v", pkg, len(comments[pkg]), comments[pkg])
		}
	}
}

// TestFileSizes: a file that outgrows 500 lines wants to be two.
func TestFileSizes(t *testing.T) {
	each(t, ".go", func(file, pkg string) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(data), "\n"); n > 500 && !strings.HasSuffix(file, "_test.go") {
			t.Errorf("%s has %d lines; want at most 500", file, n)
		}
	})
}

// each calls fn for every file of the module with the given suffix.
func each(t *testing.T, suffix string, fn func(file, pkg string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && file != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if strings.HasSuffix(file, suffix) {
			fn(file, path.Dir(filepath.ToSlash(file)))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
