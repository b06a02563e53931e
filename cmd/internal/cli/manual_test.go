package cli

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// Every event of the package is in the manual page.
func TestManualHasEveryEvent(t *testing.T) {
	listed := map[string]bool{}
	for _, e := range events {
		listed[reflect.TypeOf(e.object).Name()] = true
	}
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range names {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok && strings.HasSuffix(spec.Name.Name, "Event") {
				found++
				if !listed[spec.Name.Name] {
					t.Errorf("%s is not in the manual page", spec.Name.Name)
				}
			}
			return true
		})
	}
	if found == 0 {
		t.Error("no events found")
	}
}

// What the help says is in the manual page as it is, whatever it means in Markdown.
func TestManualIsPlain(t *testing.T) {
	g := NewGroup("What")
	g.String("to", "", "like `X`: 'team/*:1.*', <b> CONTAINERD_ADDRESS or # [a](b) & ~c~")
	p := NewProgram(NewVoice("imgsend"), Words{}, []*Group{g}, nil)
	page := strings.NewReplacer(`\-`, "-", `\&`, "").Replace(string(p.Manual()))
	for _, want := range []string{
		"like X: 'team/*:1.*', <b> CONTAINERD_ADDRESS or # [a](b) & ~c~", `\fB--to\fP X`, `imgrecv\fP(1)`, "\n.SH FILES\n"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
}
