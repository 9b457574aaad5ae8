package messages

// Lane is one of the three queues a command can be sent through. It is a
// token of the subject; it decides what the command does and how urgent it is.
type Lane string

// The lanes of version 1.
const (
	LaneRevokeUrgent   Lane = "revoke-urgent"   // revocations that go before all others
	LaneRevoke         Lane = "revoke"          // revocations
	LaneListDuplicates Lane = "list-duplicates" // reads of an order's duplicate certificates
)

// Lanes returns all lanes, highest priority first.
func Lanes() []Lane {
	return []Lane{LaneRevokeUrgent, LaneRevoke, LaneListDuplicates}
}

// Action returns what a command of this lane does, or "" for a lane that does
// not exist.
func (l Lane) Action() Action {
	switch l {
	case LaneRevokeUrgent, LaneRevoke:
		return ActionRevoke
	case LaneListDuplicates:
		return ActionListDuplicates
	}
	return ""
}

// Action is what a command asks for.
type Action string

// The actions of version 1.
const (
	ActionRevoke         Action = "revoke"          // revoke an order, or one certificate of it
	ActionListDuplicates Action = "list-duplicates" // list an order's duplicate certificates
)
