package worker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a look at the file finds is taken over only when the next one agrees,
// and what protects less never silently.
func TestProtectedOrdersAreTakenOverWhenTwoLooksAgree(t *testing.T) {
	t.Parallel()
	const before = "11 # a\n12345 # b\n13 # c\n"
	for name, c := range map[string]struct {
		looks []string // what each finds; "-" no file
		taken bool
		gone  int    // orders taken out
		err   string // of the last look
		now   []int64
		not   []int64
	}{
		"more":                          {looks: []string{before + "14\n", before + "14\n"}, taken: true, now: []int64{11, 12345, 13, 14}},
		"one look":                      {looks: []string{before + "14\n"}, now: []int64{11, 12345, 13}, not: []int64{14}},
		"a file that is being written":  {looks: []string{"", "11\n", "11\n12345\n", before + "14\n"}, now: []int64{11, 12345, 13}, not: []int64{14}},
		"back to what is in force":      {looks: []string{"11\n", before, before}, now: []int64{11, 12345, 13}},
		"fewer":                         {looks: []string{"11\n13\n", "11\n13\n"}, taken: true, gone: 1, now: []int64{11, 13}, not: []int64{12345}},
		"empty":                         {looks: []string{"", "", ""}, err: "protects no order any more", now: []int64{11, 12345, 13}},
		"only comments":                 {looks: []string{"# none\n", "# none\n"}, err: "protects no order any more", now: []int64{11, 12345, 13}},
		"cut in the middle of an order": {looks: []string{before[:10], before[:10]}, err: "cut off", now: []int64{11, 12345, 13}, not: []int64{123}},
		"gone":                          {looks: []string{"-", "-"}, err: "no such file", now: []int64{11, 12345, 13}},
		"no number":                     {looks: []string{"x\n", "x\n"}, err: "line 1", now: []int64{11, 12345, 13}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "protected")
			write := func(content string) {
				t.Helper()
				var err error
				if content == "-" {
					err = os.RemoveAll(path)
				} else {
					err = os.WriteFile(path, []byte(content), 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			write(before)
			p, err := newProtectedOrders(path)
			if err != nil {
				t.Fatal(err)
			}
			var last change
			for _, content := range c.looks {
				write(content)
				last, err = p.load()
			}
			if last.taken != c.taken || last.removed != c.gone {
				t.Errorf("the last look came to %+v", last)
			}
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want %q", err, c.err)
			}
			for _, order := range c.now {
				if _, protected := p.reason(order); !protected {
					t.Errorf("order %d is not protected", order)
				}
			}
			for _, order := range c.not {
				if _, protected := p.reason(order); protected {
					t.Errorf("order %d is protected", order)
				}
			}
		})
	}
}
