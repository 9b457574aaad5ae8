package statements

import "slices"

// Book is what operators have said on each thing. The zero value is not ready:
// use [NewBook]. It is not safe for concurrent use.
type Book struct {
	things map[thing]map[string][]Statement // of each operator, the latest last
}

type thing struct {
	verb Verb
	what string
}

// historyKept bounds the statements kept of one operator on one thing: as many
// as a bucket keeps.
const historyKept = 64

// NewBook makes an empty book.
func NewBook() *Book { return &Book{things: make(map[thing]map[string][]Statement)} }

// Add takes a statement in. Statements of one key come in the order of the
// bucket; one that is known already changes nothing.
func (b *Book) Add(s Statement) {
	t := thing{s.Verb, s.What}
	operators := b.things[t]
	if operators == nil {
		operators = make(map[string][]Statement)
		b.things[t] = operators
	}
	said := operators[s.Operator]
	if n := len(said); n > 0 && said[n-1].Revision >= s.Revision {
		return
	}
	if len(said) == historyKept {
		said = slices.Delete(said, 0, 1)
	}
	operators[s.Operator] = append(said, s)
}

// Latest gives the latest statement on a thing, of those that stand: each
// operator's last one, unless its key is gone.
func (b *Book) Latest(v Verb, what string) (Statement, bool) {
	var latest Statement
	found := false
	for _, said := range b.things[thing{v, what}] {
		s := said[len(said)-1]
		if !s.Gone && (!found || Later(s, latest) > 0) {
			latest, found = s, true
		}
	}
	return latest, found
}

// Things gives what has ever been the object of the verb.
func (b *Book) Things(v Verb) []string {
	var all []string
	for t := range b.things {
		if t.verb == v {
			all = append(all, t.what)
		}
	}
	slices.Sort(all)
	return all
}

// History gives all that is known to have been said on a thing, in the order
// of the server's stamps.
func (b *Book) History(v Verb, what string) []Statement {
	var all []Statement
	for _, said := range b.things[thing{v, what}] {
		all = append(all, said...)
	}
	slices.SortFunc(all, Later)
	return all
}
