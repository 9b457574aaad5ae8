package console

import (
	"bufio"
	"encoding/json"
	"net/http"
	"time"

	"certrecall/worker/status"
)

// exportWithin bounds the writing of one file.
const exportWithin = 5 * time.Minute

func (q *request) file(name, kind string) *bufio.Writer {
	_ = http.NewResponseController(q.w).SetWriteDeadline(time.Now().Add(exportWithin)) // where it cannot be set the server's holds
	h := q.w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	return bufio.NewWriterSize(q.w, 64<<10)
}

// exportCSV writes the evidence file.
func (c *Console) exportCSV(q *request, name string, s *shared) error {
	w := q.file(name+".csv", "text/csv; charset=utf-8")
	_ = status.WriteEvidence(w, s.view.Each(q.now), "certrecall "+c.cfg.Version) // the reader went away; the checksum tells
	_ = w.Flush()
	return nil
}

// exportJSON writes every command, one at a time.
func (c *Console) exportJSON(q *request, name string, s *shared) error {
	w := q.file(name+".json", "application/json")
	states := s.view.Counts()
	head, err := json.Marshal(map[string]any{"incident": name, "total": sum(states), "states": states, "page": 1, "pages": 1})
	if err != nil {
		return err
	}
	_, _ = w.Write(head[:len(head)-1])
	_, _ = w.WriteString(`,"commands":[`)
	first := true
	for row := range s.view.Each(q.now) {
		text, err := json.Marshal(row)
		if err != nil {
			continue
		}
		if !first {
			_ = w.WriteByte(',')
		}
		first = false
		if _, err := w.Write(text); err != nil {
			return nil // the reader went away
		}
	}
	_, _ = w.WriteString("]}\n")
	_ = w.Flush()
	return nil
}
