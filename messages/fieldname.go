package messages

// FieldProblem returns what is wrong with a name that is meant for a field of a
// command of the action, and what to do; "" if there is such a field.
func FieldProblem(a Action, name string) string {
	switch f := fieldOf([]byte(name)); {
	case f == fieldUnknown:
		return unknown([]byte(name))
	case f.of(a):
		return ""
	case a == ActionListDuplicates:
		return ofRevocations
	}
	return ofListings
}
