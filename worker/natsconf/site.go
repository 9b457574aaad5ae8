// Package natsconf writes the NATS configuration of a site: who lives in which account, and which subjects each account
// reaches. What a role may do is told once, in roles.go; names and numbers come from a short list of systems and people.
package natsconf

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"certrecall/messages"
)

// Site is the list of systems and people.
type Site struct {
	// Prefix is the first token of all subjects; empty is certrecall.
	Prefix string `yaml:"prefix"`
	// Operators are people who may stop, allow and replay: a NATS user and an account each.
	Operators []string `yaml:"operators"`
	// Viewers read everything and write nothing, as a console does.
	Viewers []string `yaml:"viewers"`
	// Producers are systems that send commands, by their source.
	Producers map[string]Producer `yaml:"producers"`
	// Readers are systems that read the events of everybody.
	Readers []string `yaml:"readers"`
	// Gateway speaks HTTP for systems that know no NATS.
	Gateway Gateway `yaml:"gateway"`
}

// Producer is a system that sends commands under its own name.
type Producer struct {
	Lanes  []string `yaml:"lanes"`  // that it may use; none = all
	Events bool     `yaml:"events"` // it reads the events of its own commands
}

// Gateway says for whom `certrecall gateway` speaks: sources with their lanes, as in its own configuration.
type Gateway struct {
	Sources    map[string][]string `yaml:"sources"`
	Deliveries []string            `yaml:"deliveries"`
}

// Read decodes a list strictly and checks it.
func Read(text []byte) (Site, error) {
	var s Site
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&s); err != nil {
		return Site{}, fmt.Errorf("reading the list of systems and people: %w", err)
	}
	return s, s.check()
}

// reserved are the users of certrecall itself.
var reserved = []string{"sys", "admin", "admin-queue", "admin-words", "worker", "setup", "gateway"}

// A user of NATS becomes a part of an account's name and of a variable's.
var userName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)

func (s *Site) check() error {
	if s.Prefix == "" {
		s.Prefix = "certrecall"
	}
	if _, err := messages.NewNames(s.Prefix); err != nil {
		return fmt.Errorf("prefix: %w", err)
	}
	variables := map[string]string{}
	for _, u := range s.users() {
		if !userName.MatchString(u) {
			return fmt.Errorf("%q is no name for a user: a lower-case letter, then lower-case letters, digits, - and _, at most 32 in all", u)
		}
		if other, taken := variables[variable(u)]; taken {
			return fmt.Errorf("%s and %s share a name: each user needs one of its own, also without - and _", u, other)
		}
		variables[variable(u)] = u
	}
	for source, p := range s.Producers {
		if err := checkLanes("producers", source, p.Lanes); err != nil {
			return err
		}
	}
	for source, lanes := range s.Gateway.Sources {
		if !messages.ValidSource(source) {
			return fmt.Errorf("gateway: %q is no source: 1 to 64 letters, digits, - and _", source)
		}
		if err := checkLanes("gateway", source, lanes); err != nil {
			return err
		}
		if _, own := s.Producers[source]; own {
			return fmt.Errorf("%s has an account of its own and is vouched for by the gateway: two ways to be one source; choose one", source)
		}
	}
	for _, d := range s.Gateway.Deliveries {
		if !userName.MatchString(d) {
			return fmt.Errorf("gateway: %q is no name for a delivery", d)
		}
	}
	return nil
}

func checkLanes(where, source string, lanes []string) error {
	for _, l := range lanes {
		if !slices.Contains(messages.Lanes(), messages.Lane(l)) {
			return fmt.Errorf("%s: %s: there is no lane %q", where, source, l)
		}
	}
	return nil
}

// users are all, in the order of the file.
func (s Site) users() []string {
	return slices.Concat(reserved, s.Operators, s.Viewers, s.producers(), s.Readers)
}

func (s Site) producers() []string { return slices.Sorted(maps.Keys(s.Producers)) }

// Variables are the environment variables that hold the passwords.
func (s Site) Variables() []string {
	var all []string
	for _, u := range s.users() {
		if u != "gateway" || s.hasGateway() {
			all = append(all, "NATS_"+variable(u)+"_PASSWORD")
		}
	}
	return all
}

func (s Site) hasGateway() bool { return len(s.Gateway.Sources)+len(s.Gateway.Deliveries) > 0 }

func variable(user string) string {
	return strings.ToUpper(strings.NewReplacer("-", "_").Replace(user))
}
