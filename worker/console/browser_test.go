package console

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"certrecall/messages"
	"certrecall/worker/gate"
)

//go:embed testdata/axe.min.js
var axe string

// browser is a real one; what it complains of fails the test.
type browser struct {
	*rig
	ctx context.Context
	mu  sync.Mutex
	bad []string
}

// newBrowser starts Chromium; where none is installed there is nothing to test with.
func newBrowser(t *testing.T, r *rig) *browser {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil && path == "" {
			path = p
		}
	}
	if path == "" {
		t.Skip("no Chromium is installed (Debian: apt-get install chromium); .ci/run installs it")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(profile(t)),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.NoFirstRun,
		chromedp.WSURLReadTimeout(time.Minute))
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(ctx)
	t.Cleanup(func() { _ = chromedp.Cancel(ctx); cancel() })
	ctx, late := context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(late)
	b := &browser{rig: r, ctx: ctx}
	chromedp.ListenTarget(ctx, func(event any) {
		text := ""
		switch e := event.(type) {
		case *log.EventEntryAdded:
			text = fmt.Sprint(e.Entry.Level, " ", e.Entry.Text, " ", e.Entry.URL)
		case *runtime.EventExceptionThrown:
			text = e.ExceptionDetails.Error()
		case *runtime.EventConsoleAPICalled:
			text = fmt.Sprint("console ", e.Type, " ", len(e.Args))
		}
		if text != "" {
			b.mu.Lock()
			b.bad = append(b.bad, text)
			b.mu.Unlock()
		}
	})
	b.run(log.Enable())
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.bad) > 0 {
			t.Errorf("the browser complains:\n%s", strings.Join(b.bad, "\n"))
		}
	})
	return b
}

// profile is a folder that the browser may still write to while it ends.
func profile(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "console") //nolint:usetesting // the browser's last child outlives the test by a moment
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func (b *browser) run(actions ...chromedp.Action) {
	b.t.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

func (b *browser) open(path string) {
	b.t.Helper()
	b.run(chromedp.Navigate(b.url+path), chromedp.WaitVisible("h1"))
}

func (b *browser) text(selector string) string {
	b.t.Helper()
	var text string
	b.run(chromedp.Text(selector, &text, chromedp.ByQuery))
	return text
}

// shows waits until a part of the page has a text.
func (b *browser) shows(selector, want string) time.Duration {
	b.t.Helper()
	began := time.Now()
	b.until(selector+" shows "+want, func() bool {
		var is bool
		b.run(chromedp.Evaluate(fmt.Sprintf(`(document.querySelector(%q)?.innerText ?? "").includes(%q)`, selector, want), &is))
		return is
	})
	return time.Since(began)
}

// shot keeps a picture where somebody wants to look at it.
func (b *browser) shot(name string) {
	dir := os.Getenv("CONSOLE_SCREENSHOTS")
	if dir == "" {
		return
	}
	var png []byte
	b.run(chromedp.FullScreenshot(&png, 100))
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

func (b *browser) screen(width int64, dark bool) {
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.run(emulation.SetDeviceMetricsOverride(width, 900, 1, width < 500),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}))
}

// accessible fails the test for what axe-core finds serious.
func (b *browser) accessible(path string) {
	b.t.Helper()
	var found []struct {
		ID, Impact, Help string
		Nodes            []struct{ HTML, FailureSummary string }
	}
	b.run(chromedp.Evaluate(axe, nil), chromedp.Evaluate(`axe.run().then(r => r.violations)`, &found, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	for _, v := range found {
		if v.Impact == "serious" || v.Impact == "critical" {
			b.t.Errorf("%s: axe: %s %s, %+v", path, v.ID, v.Help, v.Nodes[0])
		}
	}
}

func TestPagesInABrowser(t *testing.T) {
	r := newRig(t)
	r.night()
	held := revocation("held", 70)
	r.say(held, messages.EventRevokeAccepted)
	r.say(held, messages.EventRevokeHeld, func(e *messages.Event) { e.Held = &messages.Held{Source: "cli", Limit: "50/10m", Count: 50} })
	b := newBrowser(t, r)
	for _, look := range []struct {
		width int64
		dark  bool
	}{{1440, false}, {800, true}, {360, false}, {360, true}} {
		b.screen(look.width, look.dark)
		for name, path := range map[string]string{
			"overview": "/", "incident": "/incidents/INC-1", "report": "/incidents/INC-1/report", "command": "/commands/cli/INC-1/evil", "order": "/orders/7",
			"approvals": "/approvals", "held": "/held", "dead-letters": "/dead-letters", "audit": "/audit",
		} {
			b.open(path)
			var wide bool
			var title string
			b.run(chromedp.Evaluate(`document.documentElement.scrollWidth > innerWidth`, &wide), chromedp.Title(&title))
			if wide {
				t.Errorf("%s is wider than %d pixels", path, look.width)
			}
			if title == "owned" {
				t.Errorf("%s: somebody else's script ran", path)
			}
			if look.width != 800 {
				b.accessible(fmt.Sprint(path, look))
			}
			b.shot(fmt.Sprintf("%s-%d-%v", name, look.width, map[bool]string{true: "dark", false: "light"}[look.dark]))
		}
	}
}

func TestPageFollowsAndPauses(t *testing.T) {
	r := newRig(t)
	r.night()
	b := newBrowser(t, r)
	b.open("/incidents/INC-1")
	b.shows("#live", "live")
	r.say(revocation("queued", 7), messages.EventRevokeAccepted)
	if took := b.shows(".tabs", "accepted 1"); took > 3*time.Second {
		t.Errorf("the event was on the screen after %s", took)
	}
	b.run(chromedp.Click("#pause"))
	b.shows("#live", "paused")
	r.say(revocation("queued", 7), messages.EventRevoked, func(e *messages.Event) { e.Status = "revoked" })
	r.until("the server knows", func() bool { return strings.Contains(r.get("/incidents/INC-1").body, "revoked 6") })
	if text := b.text(".tabs"); !strings.Contains(text, "accepted 1") {
		t.Errorf("a paused page moved on: %s", text)
	}
	b.run(chromedp.Click("#pause"))
	b.shows(".tabs", "revoked 6") // what was missed
	r.server.Stop()
	b.until("the console says what it does not know", func() bool { return !r.c.ready().Ready })
	r.server.Restart()
	b.until("the console is ready again", func() bool { return r.c.ready().Ready })
	b.open("/incidents/INC-1")
	b.shows(".tabs", "revoked 6")
	b.bad = nil // of the time without NATS
}

func TestKeyboardAloneDoes(t *testing.T) {
	r := newRig(t)
	r.night()
	b := newBrowser(t, r)
	b.open("/")
	press := func(label string) {
		t.Helper()
		for range 60 {
			b.run(chromedp.KeyEvent(kb.Tab))
			var at string
			b.run(chromedp.Evaluate(`document.activeElement.innerText ?? ""`, &at))
			if strings.TrimSpace(at) == label {
				b.run(chromedp.KeyEvent(kb.Enter))
				return
			}
		}
		t.Fatalf("tab does not come to %q", label)
	}
	press("Pause revocations…")
	b.run(chromedp.WaitVisible("#reason"))
	b.shot("action-keyboard")
	b.accessible("/actions/pause")
	for range 60 {
		b.run(chromedp.KeyEvent(kb.Tab))
		var at string
		b.run(chromedp.Evaluate(`document.activeElement.id`, &at))
		if at == "reason" {
			break
		}
	}
	b.run(chromedp.KeyEvent("wrong list"))
	press("Pause")
	b.shows("main", "Paused: revocations")
	all, err := gate.Pauses(t.Context(), r.c.hub.reader.Stores().Control)
	if err != nil || len(all) != 1 || all[0].Reason != "wrong list" {
		t.Errorf("pauses %v %v", all, err)
	}
	b.open("/")
	b.shows("main", "paused")
}
