package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
)

// shown prints a value in every way that a log, an error or a debugger's print may.
func shown(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
		fmt.Fprintf(&b, verb+"\n", v)
	}
	if j, err := json.Marshal(v); err == nil {
		b.Write(j)
	}
	slog.New(slog.NewJSONHandler(&b, nil)).Info("", "v", v)
	slog.New(slog.NewTextHandler(&b, nil)).Info("", "v", v)
	return b.String()
}

func TestTheKeyIsNeverShown(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(testKey), 0o600); err != nil {
		t.Fatal(err)
	}
	keyFile, err := NewKeyFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// A server that repeats the key wherever it can.
	p := serve(t, answers(403, `{"errors":[{"code":"x|`+testKey+`","message":"bad key `+testKey+`"}]}`, "Location", "http://"+testKey+"/"))
	c := newClient(t, "http://digicert.example.com", func(cfg *Config) { cfg.DialContext = p.dial })
	_, refused := c.RevokeOrder(t.Context(), 1, Revocation{})
	if e := asError(t, refused); !strings.Contains(e.Message, redacted) {
		t.Errorf("the message is %q: the server's words were not seen", e.Message)
	}
	badKey := testKey + "\x00"
	_, neverSent := newClient(t, "http://digicert.example.com", func(cfg *Config) { cfg.Key = StaticKey(Secret(badKey)) }).Reader(nil).Order(t.Context(), 1)
	if !errors.Is(neverSent, ErrNeverSent) {
		t.Errorf("a key that no header can carry: %v", neverSent)
	}
	_, badURL := New(Config{BaseURL: "https://user:" + testKey + "@digicert.example.com", Key: StaticKey(testKey)})
	_, worseURL := New(Config{BaseURL: "https://user:" + testKey + "@[", Key: StaticKey(testKey)})
	if badURL == nil || worseURL == nil {
		t.Error("took a URL with a password")
	}

	type holder struct {
		Exported Secret
		Pointer  *Secret
		Any      any
		Map      map[string]Secret
		hidden   *Secret
	}
	for name, v := range map[string]any{
		"secret": Secret(testKey), "pointer": new(Secret(testKey)), "slice": []Secret{testKey},
		"holder":       holder{testKey, new(Secret(testKey)), Secret(testKey), map[string]Secret{"k": testKey}, new(Secret(testKey))},
		"static key":   StaticKey(testKey),
		"key file":     keyFile,
		"key file (v)": []any{keyFile, StaticKey(testKey)},
		"config":       Config{Key: StaticKey(testKey)},
		"client":       c, "client value": *c, "reader": c.Reader(nil),
		"refused": refused, "never sent": neverSent, "bad URL": badURL, "worse URL": worseURL,
		"wrapped": fmt.Errorf("revoking: %w", refused),
	} {
		if s := shown(t, v); strings.Contains(s, testKey) || strings.Contains(s, fmt.Sprintf("%x", testKey)) {
			t.Errorf("%s shows the key:\n%s", name, s)
		}
	}
	if string(Secret(testKey)) != testKey {
		t.Error("a conversion does not give the key")
	}
}

func TestTheKeyIsNotShownWhereAServerRepeatsIt(t *testing.T) {
	t.Parallel()
	for name, echo := range map[string]string{
		"status line": testKey + "\r\n\r\n",
		"header line": "HTTP/1.1 200 OK\r\n" + testKey + "\r\n\r\n",
		"length":      "HTTP/1.1 200 OK\r\nContent-Length: " + testKey + "\r\n\r\n",
		"redirect":    "HTTP/1.1 302 Found\r\nLocation: https://" + testKey + "/\r\nContent-Length: 0\r\n\r\n",
	} {
		addr := rawServer(t, func(conn net.Conn) {
			_ = readHead(bufio.NewReader(conn))
			_, _ = io.WriteString(conn, echo)
		})
		_, err := newClient(t, "http://"+addr).RevokeOrder(t.Context(), 1, Revocation{})
		if s := shown(t, err); strings.Contains(s, testKey) || !strings.Contains(s, redacted) {
			t.Errorf("%s:\n%s", name, s)
		}
	}
}

func TestStaticKeyIsTrimmedAndChecked(t *testing.T) {
	t.Parallel()
	for in, want := range map[Secret]string{" \tabc\r\n": "abc", "": "empty", " \n": "empty", "a b": "printable", "a\nb": "printable", "schlüssel": "printable"} {
		key, err := StaticKey(in).Key(t.Context())
		if err != nil && !strings.Contains(err.Error(), want) || err == nil && string(key) != want {
			t.Errorf("%q: %q, %v; want %q", string(in), string(key), err, want)
		}
	}
}

func TestKeyFileIsReadAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	write := func(s string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		write(" first\n")
		k, err := NewKeyFile(path)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		ctx, stop := context.WithCancel(t.Context())
		go func() { done <- k.Run(ctx) }()
		expect := func(key string, changed bool, problem string) {
			t.Helper()
			pass(keyFileInterval)
			synctest.Wait()
			got, _ := k.Key(ctx)
			if string(got) != key {
				t.Errorf("key %q, want %q", string(got), key)
			}
			select {
			case <-k.Changed():
				if !changed {
					t.Error("told of a change")
				}
			default:
				if changed {
					t.Error("not told of the change")
				}
			}
			if err := k.Err(); (err == nil) != (problem == "") || err != nil && !strings.Contains(err.Error(), problem) {
				t.Errorf("problem %v, want %q", err, problem)
			}
		}
		expect("first", false, "")
		write("second")
		expect("second", true, "")
		write("")
		expect("second", false, "empty")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		expect("second", false, "no such file")
		write(strings.Repeat("x", keyFileLimit+1))
		expect("second", false, "more than 4096 bytes")
		write("second\n")
		expect("second", false, "")
		write("third")
		pass(keyFileInterval)
		write("fourth")
		expect("fourth", true, "") // two changes, one signal
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestKeyFileMustHoldAKeyAtFirst(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{empty, filepath.Join(dir, "none"), dir} {
		if _, err := NewKeyFile(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestANewKeyIsUsedAtOnce(t *testing.T) {
	t.Parallel()
	var seen []string
	p := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Get("X-DC-DEVKEY"))
		w.WriteHeader(http.StatusNoContent)
	}))
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := NewKeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, "http://digicert.example.com", func(cfg *Config) { cfg.DialContext, cfg.Key = p.dial, k })
	for _, key := range []string{"one", "two"} {
		if err := os.WriteFile(path, []byte(key), 0o600); err != nil {
			t.Fatal(err)
		}
		k.look()
		if _, err := c.RevokeOrder(t.Context(), 1, Revocation{}); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Join(seen, " ") != "one two" {
		t.Errorf("keys sent: %v", seen)
	}
}
