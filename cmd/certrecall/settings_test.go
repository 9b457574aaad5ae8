package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"certrecall/client"
)

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"20s": 20 * time.Second, "1m30s": 90 * time.Second, "100ms": 100 * time.Millisecond, "0": 0,
		"30d": 30 * 24 * time.Hour, "1d12h": 36 * time.Hour, "1d": 24 * time.Hour,
	} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "5", "d", "-1d", "1.5d", "1d5", "99999999d", "1dd", "abc"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("%q: %v, want an error", text, got)
		}
	}
}

func TestShort(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		100 * time.Millisecond: "100ms", time.Second: "1s", time.Minute: "1m", 5 * time.Minute: "5m", time.Hour: "1h",
		90 * time.Second: "1m30s", 24 * time.Hour: "24h", 30 * 24 * time.Hour: "30d", 0: "0s",
	} {
		if got := short(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestRedactedURL(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"nats://127.0.0.1:4222":                       "nats://127.0.0.1:4222",
		"nats://user:secret@nats.example.com:4222":    "nats://user:REDACTED@nats.example.com:4222",
		"nats://secret@nats.example.com:4222":         "nats://REDACTED@nats.example.com:4222",
		"user:secret@nats.example.com":                "nats://user:REDACTED@nats.example.com",
		"tls://a:secret@one.example.com,two:4222":     "tls://a:REDACTED@one.example.com,nats://two:4222",
		"nats://user:secret@nats.example.com:no-port": "REDACTED",
		"nats://host:port,user:a,b@host":              "REDACTED,REDACTED,nats://REDACTED@host",
		"nats://host:port":                            `"nats://host:port"`,
	} {
		f := natsFlags{URL: url}
		if got := f.redacted(); got != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
}

// FuzzRedactedURL: a password never comes through, however the URL is broken.
func FuzzRedactedURL(f *testing.F) {
	for _, seed := range []string{"nats://user:%s@host:1", "%s@host", "user:%s@", "nats://a:b@c,nats://user:%s@[", "://%s@", "nats://user:%s@host:x,"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, shape string) {
		const secret = "Qx7secretQx7"
		before, after, found := strings.Cut(shape, "%s@")
		if !found {
			return
		}
		flags := natsFlags{URL: before + secret + "@" + after}
		if got := flags.redacted(); strings.Contains(got, secret) {
			t.Errorf("%s: %s", flags.URL, got)
		}
	})
}

// TestReadmeListsSettings: every setting of the worker stands in the README
// with its variable and its default, and nothing else does.
func TestReadmeListsSettings(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	parser, err := kong.New(&cli{}, kong.Vars{"digicert_url": client.DefaultBaseURL, "log_format": "json"})
	if err != nil {
		t.Fatal(err)
	}
	command, err := parser.Parse([]string{"worker"})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, flag := range command.Selected().Flags {
		if len(flag.Envs) == 0 {
			continue
		}
		row := "| `--" + flag.Name + "` | `" + flag.Envs[0] + "` | "
		if flag.HasDefault {
			row += "`" + flag.Default + "` |"
		}
		want = append(want, row)
		if !strings.Contains(string(readme), "\n"+row) {
			t.Errorf("README.md has no row %s", row)
		}
	}
	if rows := strings.Count(string(readme), "\n| `--"); rows != len(want) {
		t.Errorf("README.md has %d settings, the worker has %d", rows, len(want))
	}
}
