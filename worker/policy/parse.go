package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"

	"certrecall/messages"
)

// Parse reads a policy strictly. The error joins everything that is wrong, a
// line each, with the line of the file.
func Parse(content []byte) (Policy, error) {
	d := yaml.NewDecoder(bytes.NewReader(content))
	var document, more yaml.Node
	switch err := d.Decode(&document); {
	case errors.Is(err, io.EOF):
		return Policy{}, errors.New("the file is empty: a policy without limits is written as sources: {}")
	case err != nil:
		return Policy{}, fmt.Errorf("it is not YAML: %w", err)
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return Policy{}, errors.New("there is more than one document in the file: write one policy")
	}
	p := parser{policy: Policy{Sources: map[string]Rule{}}}
	p.root(document.Content[0])
	return p.policy, errors.Join(p.problems...)
}

type parser struct {
	policy   Policy
	problems []error
}

func (p *parser) bad(n *yaml.Node, format string, args ...any) {
	p.problems = append(p.problems, fmt.Errorf("line %d: %s", n.Line, fmt.Sprintf(format, args...)))
}

// each calls f with every key of a mapping, once; what is not known is a problem.
func (p *parser) each(n *yaml.Node, where string, known []string, f func(key string, k, v *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		p.bad(n, "%s: want keys with values", where)
		return
	}
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode {
			p.bad(k, "%s: a key must be a word", where)
			continue
		}
		if line, twice := first[k.Value]; twice {
			p.bad(k, "%s: %q is there twice, first in line %d", where, k.Value, line)
			continue
		}
		first[k.Value] = k.Line
		if known != nil && !slices.Contains(known, k.Value) {
			p.bad(k, "%s: there is no key %q: want one of %q", where, k.Value, known)
			continue
		}
		if v.Kind == yaml.AliasNode {
			p.bad(v, "%s: %s: write the value itself, not an alias", where, k.Value)
			continue
		}
		f(k.Value, k, v)
	}
}

func (p *parser) root(n *yaml.Node) {
	p.each(n, "the policy", []string{"sources", "second_operator_above"}, func(key string, _, v *yaml.Node) {
		if key == "sources" {
			p.each(v, "sources", nil, p.source)
			return
		}
		above, err := strconv.ParseInt(v.Value, 10, 64)
		if v.Tag != "!!int" || err != nil || above < 1 {
			p.bad(v, "second_operator_above: %q: want a whole number from 1; leave it out where one operator is enough", v.Value)
		}
		p.policy.SecondOperatorAbove = above
	})
}

func (p *parser) source(name string, k, v *yaml.Node) {
	if name != anyOther && !messages.ValidSource(name) {
		p.bad(k, "sources: %q cannot be a source: 1 to 64 characters of A-Z, a-z, 0-9, _ and -, or \"*\" for every other", name)
	}
	var r Rule
	p.each(v, "sources: "+name, []string{"revocations", "skip_approval", "urgent"}, func(key string, _, v *yaml.Node) {
		where := name + ": " + key
		switch key {
		case "revocations":
			var err error
			if v.Kind != yaml.ScalarNode {
				err = errors.New("want orders/duration, as 50/10m")
			} else {
				r.Limits, err = ParseLimits(v.Value)
			}
			if err != nil {
				p.bad(v, "sources: %s: %v", where, err)
			}
		case "skip_approval":
			r.NoSkipApproval = !p.boolean(v, where)
		case "urgent":
			r.NoUrgent = !p.boolean(v, where)
		}
	})
	p.policy.Sources[name] = r
}

func (p *parser) boolean(v *yaml.Node, where string) bool {
	var b bool
	if v.Tag != "!!bool" || v.Decode(&b) != nil {
		p.bad(v, "sources: %s: %q: want true or false", where, v.Value)
	}
	return b
}
