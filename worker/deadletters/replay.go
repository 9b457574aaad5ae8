package deadletters

import (
	"time"

	"certrecall/messages"
)

// Replayed is what became of one dead letter.
type Replayed struct {
	Number  uint64 `json:"number"`
	Command string `json:"command,omitempty"` // the new one's name
	Sent    bool   `json:"sent"`
	Removed bool   `json:"removed"`
	Problem string `json:"problem,omitempty"`

	Letter Letter           `json:"-"`
	New    messages.Command `json:"-"` // no id: it cannot be replayed
}

// Replays are dead letters on their way.
type Replays []Replayed

// Prepare makes the new commands, each through the same checks as a producer's.
func Prepare(letters []Letter, now time.Time) Replays {
	r := make(Replays, len(letters))
	for i, l := range letters {
		r[i] = Replayed{Number: l.Number, Letter: l}
		c, err := l.Replay(now)
		if err != nil {
			r[i].Problem = err.Error()
			continue
		}
		r[i].Command, r[i].New = c.Name().String(), c
	}
	return r
}

// Commands are the new commands, with the place of each among the replays.
func (r Replays) Commands() (all []messages.Command, at []int) {
	for i, one := range r {
		if one.New.ID != "" {
			all, at = append(all, one.New), append(at, i)
		}
	}
	return all, at
}

// Problems counts those that cannot be replayed.
func (r Replays) Problems() int {
	n := 0
	for _, one := range r {
		if one.Problem != "" {
			n++
		}
	}
	return n
}
