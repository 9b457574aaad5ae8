package console

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"certrecall/worker/deadletters"
	"certrecall/worker/statements"
	"certrecall/worker/submission"
)

// lettersOf gives the dead letters that a form is about, and what a plan of it says.
func (c *Console) lettersOf(q *request) (*deadletters.DeadLetters, []deadletters.Letter, plan, error) {
	d, err := deadletters.Open(q.Context(), c.js, c.cfg.Names)
	if err != nil {
		return nil, nil, plan{}, err
	}
	letters, err := c.chosen(q.Context(), d, q.PostForm.Get, q.PostForm["number"], q.PostForm.Get("all") == "yes")
	if err != nil {
		return nil, nil, plan{}, err
	}
	p := plan{Nothing: len(letters) == 0}
	var last uint64
	for i, l := range letters {
		if i < examplesNamed {
			p.Letters = append(p.Letters, letterOf(l, false))
		}
		last = max(last, l.Number)
	}
	p.More = len(letters) - len(p.Letters)
	if q.PostForm.Get("through") == "" { // what comes after what was shown is not meant
		p.Fields = append(p.Fields, field{"through", strconv.FormatUint(last, 10)})
	}
	return d, letters, p, nil
}

// planReplay sends dead letters again.
func (c *Console) planReplay(q *request) (plan, error) {
	d, letters, p, err := c.lettersOf(q)
	if err != nil {
		return p, err
	}
	todo := deadletters.Prepare(letters, time.Now())
	commands, at := todo.Commands()
	revocations := submission.Revocations(commands)
	p.Title, p.Button, p.mayBeSilent = "Replay "+plural(len(letters), "dead letter"), "Replay", true
	p.Danger, p.Nothing = revocations > 0, len(commands) == 0
	p.Lines = []string{fmt.Sprintf("%s sent again as new commands of the same source, through the same checks.", plural(len(commands), "command"))}
	if revocations > 0 {
		p.Lines = append(p.Lines, plural(revocations, "of them revokes", "of them revoke")+" at DigiCert, which cannot be undone.")
	}
	if n := todo.Problems(); n > 0 {
		p.Lines = append(p.Lines, plural(n, "cannot be replayed as it is and stays", "cannot be replayed as they are and stay")+".")
		for _, one := range todo {
			if one.Problem != "" {
				p.Lines = append(p.Lines, fmt.Sprintf("Dead letter %d: %s", one.Number, one.Problem))
				break
			}
		}
	}
	keep := q.PostForm.Get("keep") == "yes"
	p.do = func(ctx context.Context, operator, reason string) ([]string, error) {
		for _, one := range todo {
			if one.New.ID == "" {
				continue
			}
			if _, err := c.say(ctx, statements.Statement{
				Operator: operator, Verb: statements.Replay, What: strconv.FormatUint(one.Number, 10),
				Words: statements.Words{Reason: reason, Incident: one.New.Incident, Command: one.Command},
			}); err != nil {
				return nil, err
			}
		}
		pub, err := submission.NewPublisher(c.cfg.Conn, c.cfg.Names)
		if err != nil {
			return nil, err
		}
		sent, removed := 0, 0
		pub.Patience = sayWithin
		pub.Stored = func(i int) { todo[at[i]].Sent = true; sent++ }
		err = pub.Publish(ctx, commands)
		for i := range todo {
			if todo[i].Sent && !keep {
				if d.Remove(ctx, todo[i].Number) == nil {
					removed++
				}
			}
		}
		if err != nil && sent == 0 {
			return nil, err
		}
		lines := []string{plural(sent, "command") + " sent, " + plural(removed, "dead letter") + " removed."}
		if err != nil {
			lines = append(lines, fmt.Sprintf("Then it ended: %v. Replaying the rest again is safe.", err))
		}
		return lines, nil
	}
	return p, nil
}

// planDrop removes dead letters.
func (c *Console) planDrop(q *request) (plan, error) {
	d, letters, p, err := c.lettersOf(q)
	if err != nil {
		return p, err
	}
	p.Title, p.Button, p.Danger, p.mayBeSilent = "Drop "+plural(len(letters), "dead letter"), "Drop", true, true
	p.Lines = []string{plural(len(letters), "dead letter") + " removed for good: no replay of them is possible afterwards. Their events stay."}
	p.do = func(ctx context.Context, operator, reason string) ([]string, error) {
		for _, l := range letters {
			if _, err := c.say(ctx, statements.Statement{
				Operator: operator, Verb: statements.Drop, What: strconv.FormatUint(l.Number, 10),
				Words: statements.Words{Reason: reason, Incident: l.Incident, Command: l.Name().String()},
			}); err != nil {
				return nil, err
			}
		}
		for i, l := range slices.Backward(letters) {
			if err := d.Remove(ctx, l.Number); err != nil {
				return nil, fmt.Errorf("dropping %d of %d: %w", i+1, len(letters), err)
			}
		}
		return []string{plural(len(letters), "dead letter") + " dropped."}, nil
	}
	return p, nil
}
