package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"certrecall/worker/statements"
	"certrecall/worker/streams"
)

// operatorFlag is whose word a subcommand gives. Embed it where a statement is made.
type operatorFlag struct {
	Operator string `name:"operator" env:"CERTRECALL_OPERATOR" placeholder:"NAME" help:"Whose word this is: the name under which NATS lets you speak. Default: the NATS user, else $USER."`
}

func (o operatorFlag) check(s *settings) {
	if o.Operator == "" {
		return
	}
	if err := statements.ValidOperator(o.Operator); err != nil {
		s.bad("operator", "%v", err)
	}
}

// whoTimeout bounds the question who we are: a server that does not let us ask
// does not answer.
const whoTimeout = time.Second

// whoSubject is where a server tells a user its own name.
const whoSubject = "$SYS.REQ.USER.INFO"

// name gives the operator: as set, else the NATS user, else $USER.
func (o operatorFlag) name(ctx context.Context, p *process, n session) (string, error) {
	if o.Operator != "" {
		return o.Operator, nil
	}
	from, name := "the NATS user", natsUser(ctx, n)
	if name == "" {
		from, name = "$USER", os.Getenv("USER")
	}
	s := p.settings()
	if name == "" {
		s.bad("operator", "say whose word this is: the NATS server tells no user name, and $USER is empty")
	} else if err := statements.ValidOperator(name); err != nil {
		s.bad("operator", "%s does not do: %v; set it", from, err)
	}
	return name, s.err()
}

// natsUser gives the name of the NATS user; "" where the server tells none, or
// only a key.
func natsUser(ctx context.Context, n session) string {
	if n.conn.Opts.UserJWT != nil || n.conn.Opts.Nkey != "" {
		return "" // it would tell the public key
	}
	ctx, cancel := context.WithTimeout(ctx, whoTimeout)
	defer cancel()
	m, err := n.conn.RequestWithContext(ctx, whoSubject, nil)
	if err != nil {
		return ""
	}
	var info struct {
		Data struct {
			User string `json:"user"`
		} `json:"data"`
	}
	if json.Unmarshal(m.Data, &info) != nil || nkeys.IsValidPublicUserKey(info.Data.User) || info.Data.User == "[REDACTED]" {
		return ""
	}
	return info.Data.User
}

// control opens the bucket of the statements.
func (n session) control(ctx context.Context) (jetstream.KeyValue, error) {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	kv, err := streams.OpenBucket(ctx, n.js, n.names.ControlBucket())
	if err != nil {
		return nil, fmt.Errorf("opening bucket %s: %w", n.names.ControlBucket(), err)
	}
	return kv, nil
}

// lettersWord is the word of an operator about dead letters.
type lettersWord struct {
	operatorFlag
	Reason string `name:"reason" placeholder:"TEXT" help:"Why; it stands in the audit."`
}

func (w lettersWord) check(s *settings) {
	w.operatorFlag.check(s)
	if w.Reason != "" {
		if err := statements.ValidReason(w.Reason); err != nil {
			s.bad("reason", "%v", err)
		}
	}
}

// say states each, before it is done: what is done is always in the audit.
func (w lettersWord) say(ctx context.Context, p *process, n session, all []statements.Statement) error {
	if len(all) == 0 {
		return nil
	}
	kv, err := n.control(ctx)
	if err != nil {
		return err
	}
	operator, err := w.name(ctx, p, n)
	if err != nil {
		return err
	}
	for _, s := range all {
		s.Operator, s.Reason = operator, w.Reason
		bounded, cancel := context.WithTimeout(ctx, controlTimeout)
		_, err := statements.Say(bounded, kv, s)
		cancel()
		if err != nil {
			return fmt.Errorf("nothing was done: %w", err)
		}
	}
	return nil
}
