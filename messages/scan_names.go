package messages

import "bytes"

// names are the names seen so far in one object.
type names struct {
	base int                 // where they begin in keys
	set  map[string]struct{} // all of them, where they are many
}

// fewNames is how many names are compared one by one.
const fewNames = 16

// open begins an object.
func (s *scanner) open() names {
	if s.strict && s.keys == nil {
		s.keys = make([][]byte, 0, fewNames)
	}
	return names{base: len(s.keys)}
}

// close forgets the names of an object.
func (s *scanner) close(n names) { s.keys = s.keys[:n.base] }

// within steps into the member with the given name, and reports it if the
// object had it before; fresh is false then.
func (s *scanner) within(n *names, name []byte, broken bool) (fresh bool) {
	s.step(step{name: name})
	if broken {
		s.reportBroken()
	}
	if s.repeated(n, name) {
		s.found.add(s.where(), givenTwice)
		return false
	}
	s.keys = append(s.keys, name)
	if n.set != nil {
		n.set[string(name)] = struct{}{}
	}
	return true
}

// step steps into a value. Only a strict scanner has something to report and
// keeps the path for it.
func (s *scanner) step(to step) {
	if s.strict {
		s.path = append(s.path, to)
	}
}

// leave steps back out of a value.
func (s *scanner) leave() {
	if s.strict {
		s.path = s.path[:len(s.path)-1]
	}
}

func (s *scanner) repeated(n *names, name []byte) bool {
	own := s.keys[n.base:]
	if len(own) < fewNames {
		for _, k := range own {
			if bytes.Equal(k, name) {
				return true
			}
		}
		return false
	}
	if n.set == nil {
		n.set = make(map[string]struct{}, 4*fewNames)
		for _, k := range own {
			n.set[string(k)] = struct{}{}
		}
	}
	_, ok := n.set[string(name)]
	return ok
}
