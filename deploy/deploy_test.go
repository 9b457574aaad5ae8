// Package deploy_test holds what is shipped beside the programs to what they are: alerts to the runbook, and the queries
// of rules and dashboard to the metrics that a worker exports.
package deploy_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"certrecall/client"
	"certrecall/messages"
	"certrecall/worker"
	"certrecall/worker/gateway"
	"certrecall/worker/natsconf"
	"certrecall/worker/natstest"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

const rules = "prometheus/certrecall.rules.yml"

func TestEveryAlertHasARunbookEntry(t *testing.T) {
	guide := read(t, "README.md")
	runbook := guide[strings.Index(guide, "\n## Runbook"):]
	var alerts []string
	for block := range strings.SplitSeq(read(t, rules), "- alert: ") {
		name, body, ok := strings.Cut(block, "\n")
		if !ok || !strings.HasPrefix(name, "Certrecall") {
			continue
		}
		alerts = append(alerts, name)
		if !strings.Contains(runbook, "\n### "+name+"\n") {
			t.Errorf("the runbook has no section %s", name)
		}
		if !strings.Contains(body, "runbook_url: https://git.example.com/certrecall/deploy/README.md#"+strings.ToLower(name)+"\n") {
			t.Errorf("%s does not lead to its section", name)
		}
		if !regexp.MustCompile(`severity: (critical|warning)`).MatchString(body) || !strings.Contains(body, "summary: ") {
			t.Errorf("%s has no severity or no summary", name)
		}
	}
	for _, heading := range regexp.MustCompile(`(?m)^### (Certrecall\w+)$`).FindAllStringSubmatch(runbook, -1) {
		if !slices.Contains(alerts, heading[1]) {
			t.Errorf("the runbook has a section %s, and nothing raises it", heading[1])
		}
	}
	if len(alerts) < 10 {
		t.Errorf("found only %d alerts", len(alerts))
	}
}

// Links within the guides lead to a heading or a file.
func TestLinksOfTheGuides(t *testing.T) {
	for _, page := range []string{"README.md", "examples/README.md", "../CONTRIBUTING.md"} {
		text := read(t, page)
		for _, link := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(text, -1) {
			if strings.HasPrefix(link[1], "http") {
				continue
			}
			file, heading, _ := strings.Cut(link[1], "#")
			target := page
			if file != "" {
				target = filepath.Join(filepath.Dir(page), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %v", page, err)
			} else if heading != "" && !anchorsOf(read(t, target))[heading] {
				t.Errorf("%s: no heading %s in %s", page, heading, target)
			}
		}
	}
}

// anchorsOf are the headings of a page, as links name them.
func anchorsOf(text string) map[string]bool {
	anchors := map[string]bool{}
	for _, h := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		anchor := strings.ReplaceAll(strings.ToLower(h[1]), " ", "-")
		anchors[regexp.MustCompile(`[^a-z0-9_-]`).ReplaceAllString(anchor, "")] = true
	}
	return anchors
}

// What the containers and manifests set is a setting that the worker has.
func TestSettingsAreKnown(t *testing.T) {
	guide := read(t, "../README.md")
	files, err := filepath.Glob("kubernetes/*/*")
	if err != nil {
		t.Fatal(err)
	}
	overlays, err := filepath.Glob("kubernetes/overlays/*/*")
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, overlays...)
	variable := regexp.MustCompile(`\b(?:CERTRECALL_[A-Z_]+|DIGICERT_[A-Z_]+|NATS_(?:URL|CREDS|NKEY|CA|CERT|KEY))\b`)
	found := map[string]bool{}
	for _, file := range append(files, "../docker-compose.yml", "docker-compose.cluster.yml") {
		if info, err := os.Stat(file); err != nil || info.IsDir() {
			continue
		}
		for _, name := range variable.FindAllString(read(t, file), -1) {
			found[name] = true
			if !strings.Contains(guide, "`"+name+"`") {
				t.Errorf("%s sets %s, which the README does not know", file, name)
			}
		}
	}
	if len(found) < 8 {
		t.Errorf("found only %v", found)
	}
}

// queries are those of the dashboard, with its variables filled in as Grafana does.
func queries(t *testing.T) []string {
	t.Helper()
	var dashboard struct {
		Panels []struct {
			Targets []struct {
				Expr string `json:"expr"`
			} `json:"targets"`
		} `json:"panels"`
	}
	if err := json.Unmarshal([]byte(read(t, "grafana/certrecall.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			all = append(all, strings.NewReplacer("$job", ".*", "$__rate_interval", "1m").Replace(target.Expr))
		}
	}
	if len(all) < 20 {
		t.Fatalf("found only %d queries", len(all))
	}
	return all
}

// exported gives the label names of each metric of a worker.
func exported(t *testing.T) map[string][]string {
	t.Helper()
	names, err := messages.NewNames("certrecall")
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	_, err = worker.New(worker.Config{
		Names: names, Conn: natstest.Start(t).Conn(), Registry: registry, Version: "test",
		DigiCert: client.Config{BaseURL: "http://127.0.0.1/services/v2", Key: client.StaticKey("key")},
	})
	if err != nil {
		t.Fatal(err)
	}
	metrics := described(registry)
	if len(metrics) < 15 {
		t.Fatalf("a worker exports only %v", metrics)
	}
	return metrics
}

// TestGatewayHasTheRightsOfItsConfiguration: what the gateway of compose takes, its NATS user may send, and nothing more.
func TestGatewayHasTheRightsOfItsConfiguration(t *testing.T) {
	names, err := messages.NewNames("certrecall")
	if err != nil {
		t.Fatal(err)
	}
	settings, err := gateway.ReadSettings("gateway/gateway.yaml", names)
	if err != nil {
		t.Fatal(err)
	}
	site, err := natsconf.Read([]byte(read(t, "nats/site.yml")))
	if err != nil {
		t.Fatal(err)
	}
	lanes := map[string][]messages.Lane{}
	for name, source := range settings.Sources {
		lanes[name] = source.Lanes
	}
	if got, want := fmt.Sprint(lanes), fmt.Sprint(site.Gateway.Sources); got != want {
		t.Errorf("the configuration has %s, site.yml %s", got, want)
	}
}

// gatewayMetrics gives the label names of each metric of a gateway.
func gatewayMetrics(t *testing.T) map[string][]string {
	t.Helper()
	registry := prometheus.NewRegistry()
	if _, err := gateway.New(gateway.Config{Conn: natstest.Start(t).Conn(), Registry: registry, Version: "test"}); err != nil {
		t.Fatal(err)
	}
	return described(registry)
}

func described(registry *prometheus.Registry) map[string][]string {
	descriptions := make(chan *prometheus.Desc)
	go func() {
		registry.Describe(descriptions)
		close(descriptions)
	}()
	metrics := map[string][]string{}
	pattern := regexp.MustCompile(`fqName: "(certrecall_\w+)".*variableLabels: \{([^}]*)\}`)
	for d := range descriptions {
		if m := pattern.FindStringSubmatch(d.String()); m != nil {
			metrics[m[1]] = strings.Split(m[2], ",")
		}
	}
	return metrics
}

func TestQueriesAskForMetricsThatAWorkerExports(t *testing.T) {
	metrics := exported(t)
	maps.Copy(metrics, gatewayMetrics(t))
	selector := regexp.MustCompile(`(certrecall_\w+)(?:\{([^}]*)\})?`)
	label := regexp.MustCompile(`(\w+)\s*(?:=|!)`)
	seen := map[string]bool{}
	for _, query := range append(queries(t), expressions(t)...) {
		for _, m := range selector.FindAllStringSubmatch(query, -1) {
			name := m[1]
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				if base, ok := strings.CutSuffix(name, suffix); ok && metrics[base] != nil {
					name = base
				}
			}
			labels, ok := metrics[name]
			if !ok {
				t.Errorf("no worker or gateway exports %s, asked for by %s", m[1], query)
				continue
			}
			seen[name] = true
			for _, l := range label.FindAllStringSubmatch(m[2], -1) {
				if !slices.Contains(append([]string{"job", "instance"}, labels...), l[1]) {
					t.Errorf("%s has no label %s, asked for by %s", name, l[1], query)
				}
			}
		}
	}
	for name := range metrics {
		if !seen[name] {
			t.Errorf("%s is on no panel and in no alert", name)
		}
	}
}

// expressions are those of the alert rules.
func expressions(t *testing.T) []string {
	t.Helper()
	var all []string
	for block := range strings.SplitSeq(read(t, rules), "- alert: ") {
		if _, after, ok := strings.Cut(block, "expr: "); ok {
			expression, _, _ := strings.Cut(after, "\n        labels:")
			expression, _, _ = strings.Cut(expression, "\n        for:")
			all = append(all, strings.TrimPrefix(expression, "|\n"))
		}
	}
	return all
}

// Prometheus itself reads the dashboard's queries; the rules have a test of their own (make rules).
func TestQueriesParse(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed (Debian: apt-get install prometheus); CI has it")
	}
	var b strings.Builder
	b.WriteString("groups:\n- name: dashboard\n  rules:\n")
	for _, q := range queries(t) {
		b.WriteString("  - record: q\n    expr: " + string(mustJSON(t, q)) + "\n")
	}
	file := filepath.Join(t.TempDir(), "queries.yml")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), promtool, "check", "rules", "--lint=none", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
