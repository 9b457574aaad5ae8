package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"certrecall/worker/policy"
)

// policyCmd is about the file that says how much each source may revoke.
type policyCmd struct {
	Check policyCheckCmd `cmd:"" help:"Try a policy file, and tell what it says."`
}

// policyCheckCmd tries a policy file.
type policyCheckCmd struct {
	File string `arg:"" help:"The file."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Help is the long help, with an example.
func (policyCheckCmd) Help() string {
	return `It names everything that is wrong, each with its line, and asks nobody. A worker reads its file (--policy) again when it changes;
a broken one leaves the last good one in force.

Example:
  certrecall policy check policy.yaml

A file:
  sources:
    servicenow: {revocations: 50/10m}                      # distinct orders in a rolling window, over all workers
    soar:       {revocations: "200/1h,1000/7d", urgent: true}
    "*":        {revocations: 10/1h, skip_approval: false}  # every other source
  second_operator_above: 500                               # an allowance of more needs two operators`
}

// policyDocument is what --json prints.
type policyDocument struct {
	File     string   `json:"file"`
	Good     bool     `json:"good"`
	Rules    []string `json:"rules,omitempty"`
	Problems []string `json:"problems,omitempty"`
}

// Run tries the file.
func (c *policyCheckCmd) Run(_ context.Context, p *process) error {
	document := policyDocument{File: c.File}
	f, err := policy.Open(c.File)
	if err != nil {
		document.Problems = strings.Split(strings.TrimPrefix(err.Error(), c.File+": "), "\n")
		if c.JSON {
			if err := p.printJSON(document); err != nil {
				return err
			}
		}
		return fmt.Errorf("policy %w", err)
	}
	document.Good, document.Rules = true, f.Policy().Lines()
	if c.JSON {
		return p.printJSON(document)
	}
	for _, line := range document.Rules {
		fmt.Fprintf(p.stdout, "policy\t%s\n", line)
	}
	return nil
}

// policy reads the worker's policy; what is wrong with it goes into s.
func (c *workerCmd) policy(s *settings) string {
	if c.Policy == "" {
		return ""
	}
	if _, err := policy.Open(c.Policy); err != nil {
		if os.IsNotExist(err) || os.IsPermission(err) {
			s.bad("policy", "%v: name a file that can be read", err)
			return ""
		}
		for line := range strings.SplitSeq(err.Error(), "\n") {
			s.bad("policy", "%s", line)
		}
	}
	return c.Policy
}
