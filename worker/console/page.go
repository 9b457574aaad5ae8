package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.uber.org/zap"

	"certrecall/messages"
)

// request is one page being made.
type request struct {
	*http.Request
	c      *Console
	w      http.ResponseWriter
	who    person
	mayAct bool
	now    time.Time
	seen   uint64 // what the hub had told before the page was made
}

// answer is one page: its data as JSON, and the same as HTML by a template.
type answer struct {
	template string
	title    string
	live     bool // it follows what happens
	data     any  // what the template shows
	document any  // what JSON answers; nil is data
	status   int  // 0 is 200
}

// pages are the templates.
type pages struct {
	base string
	all  map[string]*template.Template
}

func newPages(base string) (*pages, error) {
	p := &pages{base: base, all: map[string]*template.Template{}}
	layout, err := template.New("layout.html").Funcs(p.functions()).ParseFS(files, "templates/layout.html", "templates/parts.html")
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"overview", "incident", "report", "command", "order", "approvals", "held", "letters", "audit", "action", "done", "problem", "login"} {
		t, err := layout.Clone()
		if err != nil {
			return nil, err
		}
		if p.all[name], err = t.ParseFS(files, "templates/"+name+".html"); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// view is what the layout is given.
type view struct {
	Title   string
	Path    string // with the query, without the base: the page's own address
	Section string
	Live    bool
	Who     person
	MayAct  bool
	Login   bool // there is a session to end
	Now     time.Time
	Version string
	Seen    uint64
	Data    any
	Problem string // that what is shown may be old
}

// wantsJSON reports whether the data is asked for and not the page.
func wantsJSON(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		kind, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		switch strings.ToLower(kind) {
		case "text/html", "*/*", "application/xhtml+xml":
			return false
		case "application/json":
			return true
		}
	}
	return false
}

// serve makes one page.
func (c *Console) serve(w http.ResponseWriter, r *http.Request, route string, render func(*request) error) {
	began := time.Now()
	ctx, done := contextFor(r)
	defer done()
	q := &request{Request: r.WithContext(ctx), c: c, w: w, who: personOf(r), now: time.Now().UTC(), seen: c.hub.seen()}
	q.mayAct = c.rights.mayAct(ctx, q.who.Name)
	if reader, err := c.hub.open(); err == nil {
		q.now = reader.Now()
	}
	if err := render(q); err != nil {
		p := problemOf(err)
		if p.status >= 500 {
			c.cfg.Log.Warn("a page could not be made", zap.String("route", route), zap.Error(err))
		}
		detail := ""
		if p.cause != nil {
			detail = p.cause.Error()
		}
		_ = q.show(answer{
			template: "problem", title: http.StatusText(p.status), live: p.status >= 500, status: p.status,
			data:     map[string]any{"Text": p.text, "Detail": detail},
			document: map[string]any{"type": "about:blank", "title": http.StatusText(p.status), "status": p.status, "detail": p.Error()},
		})
	}
	c.metrics.served(route, time.Since(began))
}

// show writes an answer.
func (q *request) show(a answer) error {
	code := a.status
	if code == 0 {
		code = http.StatusOK
	}
	h := q.w.Header()
	h.Set("Vary", "Accept, Cookie")
	if wantsJSON(q.Request) {
		document := a.document
		if document == nil {
			document = a.data
		}
		text, err := json.Marshal(document)
		if err != nil {
			return fmt.Errorf("encoding the answer: %w", err)
		}
		h.Set("Content-Type", "application/json")
		if code >= 400 {
			h.Set("Content-Type", "application/problem+json")
		}
		q.w.WriteHeader(code)
		_, _ = q.w.Write(append(text, '\n'))
		return nil
	}
	v := view{
		Title: a.title, Path: q.URL.RequestURI(), Section: section(q.URL.Path), Live: a.live && q.Method == http.MethodGet, Who: q.who, MayAct: q.mayAct,
		Login: q.c.gate.access.Users != nil, Now: q.now, Seen: q.seen, Version: q.c.cfg.Version, Data: a.data,
	}
	var page bytes.Buffer
	if err := q.c.pages.all[a.template].ExecuteTemplate(&page, "layout.html", v); err != nil {
		return fmt.Errorf("making the page: %w", err)
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	q.w.WriteHeader(code)
	_, _ = q.w.Write(page.Bytes())
	return nil
}

func section(path string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if first == "" || first == "incidents" || first == "commands" || first == "orders" {
		return "overview"
	}
	return first
}

// with gives the address of this page with some of the query changed: pairs of
// name and value; an empty value goes away. The page goes back to the first.
func with(path string, pairs ...string) string {
	u, err := url.Parse(path)
	if err != nil {
		return path
	}
	query := u.Query()
	query.Del("page")
	for i := 0; i+1 < len(pairs); i += 2 {
		if query.Del(pairs[i]); pairs[i+1] != "" {
			query.Set(pairs[i], pairs[i+1])
		}
	}
	u.RawQuery = query.Encode()
	return u.String()
}

// incidentPath is where an incident is shown; "" is the commands without one.
func incidentPath(incident string) string {
	if incident == "" {
		incident = "-"
	}
	return "/incidents/" + url.PathEscape(incident)
}

func commandPath(c messages.CommandName) string {
	incident := c.Incident
	if incident == "" {
		incident = "-"
	}
	return "/commands/" + url.PathEscape(c.Source) + "/" + url.PathEscape(incident) + "/" + url.PathEscape(c.ID)
}
