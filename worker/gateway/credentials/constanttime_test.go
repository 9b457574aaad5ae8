package credentials

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestSecretsAreComparedInConstantTime reads the package's own text: no
// comparison of secrets may end at the first byte that differs.
func TestSecretsAreComparedInConstantTime(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	constant := 0
	fset := token.NewFileSet()
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BinaryExpr:
				if (n.Op == token.EQL || n.Op == token.NEQ) && (secretField(n.X) || secretField(n.Y)) {
					t.Errorf("%s compares a secret with %s", fset.Position(n.Pos()), n.Op)
				}
			case *ast.CallExpr:
				switch called := callee(n); {
				case called == "subtle.ConstantTimeCompare", called == "hmac.Equal":
					constant++
				case slices.Contains([]string{"bytes.Equal", "bytes.Compare", "slices.Equal", "slices.Compare", "strings.Compare", "reflect.DeepEqual"}, called):
					t.Errorf("%s calls %s", fset.Position(n.Pos()), called)
				}
			}
			return true
		})
	}
	if constant < 3 { // tokens, hub signatures, and secrets of two sources
		t.Errorf("%d comparisons in constant time, want 3: the test looks in the wrong place", constant)
	}
}

// secretField tells whether an expression is what a secret or its hash is kept in.
func secretField(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.SelectorExpr:
		return e.Sel.Name == "sum" || e.Sel.Name == "key"
	case *ast.SliceExpr:
		return secretField(e.X)
	case *ast.CallExpr: // string(e.key)
		return callee(e) == "string" && slices.ContainsFunc(e.Args, secretField)
	}
	return false
}

func callee(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok {
			return x.Name + "." + f.Sel.Name
		}
	}
	return ""
}
