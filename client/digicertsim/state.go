package digicertsim

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// stateFile is a journal: one line for each version of an order, the last one of an order counting. It is written
// anew, with one line an order, at every start. A write is not synced: it outlives the process, not the machine.
type stateFile struct {
	f *os.File
}

// openState reads the orders of a state file, in the order they were first written, and opens it for more.
func openState(path string) (*stateFile, []Order, error) {
	orders, err := readState(path)
	if err != nil {
		return nil, nil, err
	}
	next, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return nil, nil, err
	}
	s := &stateFile{next}
	for i := range orders {
		if err := s.append(&orders[i]); err != nil {
			return nil, nil, errors.Join(err, next.Close(), os.Remove(next.Name()))
		}
	}
	if err := os.Rename(next.Name(), path); err != nil {
		return nil, nil, errors.Join(err, next.Close(), os.Remove(next.Name()))
	}
	return s, orders, nil
}

func readState(path string) ([]Order, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var orders []Order
	index := make(map[int64]int)
	r := bufio.NewReader(f)
	for n := 1; ; n++ {
		line, err := r.ReadBytes('\n')
		if err == io.EOF {
			return orders, nil // what stands behind the last line end is a write that a crash tore
		}
		if err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var o Order
		if err := json.Unmarshal(line, &o); err != nil {
			return nil, fmt.Errorf("line %d of %s: %w", n, path, err)
		}
		if i, known := index[o.ID]; known {
			orders[i] = o
			continue
		}
		index[o.ID] = len(orders)
		orders = append(orders, o)
	}
}

func (s *stateFile) append(o *Order) error {
	if _, err := s.f.Write(append(encode(o), '\n')); err != nil {
		return fmt.Errorf("keeping order %d: %w", o.ID, err)
	}
	return nil
}

func (s *stateFile) truncate() error {
	if err := s.f.Truncate(0); err != nil {
		return err
	}
	_, err := s.f.Seek(0, io.SeekStart)
	return err
}

func (s *stateFile) close() error { return s.f.Close() }
