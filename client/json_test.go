package client

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestScalars(t *testing.T) {
	t.Parallel()
	utc := func(y int, month time.Month, d, h, minute, s int) time.Time {
		return time.Date(y, month, d, h, minute, s, 0, time.UTC)
	}
	for _, tt := range []struct {
		json string
		text string
		n    int64
		b    bool
		at   time.Time
	}{
		{json: `"abc"`, text: "abc"},
		{json: `"a\"\u00e9\\"`, text: `a"é\`},
		{json: `null`},
		{json: `{"a":1}`},
		{json: `["a"]`},
		{json: `true`, text: "true", b: true},
		{json: `"TRUE"`, text: "TRUE", b: true},
		{json: `false`, text: "false"},
		{json: `0`, text: "0"},
		{json: `"0"`, text: "0"},
		{json: `1`, text: "1", n: 1, b: true, at: time.Unix(1, 0).UTC()},
		{json: `"1"`, text: "1", n: 1, b: true, at: time.Unix(1, 0).UTC()},
		{json: `4711.0`, text: "4711.0", n: 4711, at: time.Unix(4711, 0).UTC()},
		{json: `" 4711 "`, text: " 4711 ", n: 4711, at: time.Unix(4711, 0).UTC()},
		{json: `1e3`, text: "1e3", n: 1000, at: time.Unix(1000, 0).UTC()},
		{json: `1.5`, text: "1.5"},
		{json: `1e300`, text: "1e300"},
		{json: `9223372036854775807`, text: "9223372036854775807", n: math.MaxInt64},
		{json: `9223372036854775808`, text: "9223372036854775808"},
		{json: `-1`, text: "-1", n: -1},
		{json: `"0042"`, text: "0042", n: 42, at: time.Unix(42, 0).UTC()},
		{json: `1455124775`, text: "1455124775", n: 1455124775, at: utc(2016, 2, 10, 17, 19, 35)},
		{json: `1455124775000`, text: "1455124775000", n: 1455124775000, at: utc(2016, 2, 10, 17, 19, 35)},
		{json: `"2016-02-10T17:06:15+00:00"`, text: "2016-02-10T17:06:15+00:00", at: utc(2016, 2, 10, 17, 6, 15)},
		{json: `"2016-02-10T17:06:15-07:00"`, text: "2016-02-10T17:06:15-07:00", at: utc(2016, 2, 11, 0, 6, 15)},
		{json: `"2016-02-10T17:06:15.5Z"`, text: "2016-02-10T17:06:15.5Z", at: utc(2016, 2, 10, 17, 6, 15).Add(time.Second / 2)},
		{json: `"2016-02-10 17:06:15"`, text: "2016-02-10 17:06:15", at: utc(2016, 2, 10, 17, 6, 15)},
		{json: `"2016-02-10"`, text: "2016-02-10", at: utc(2016, 2, 10, 0, 0, 0)},
		{json: `"10 Feb 2016"`, text: "10 Feb 2016"},
		{json: `""`},
	} {
		v := []byte(tt.json)
		if got := text(v); got != tt.text {
			t.Errorf("text(%s) = %q, want %q", v, got, tt.text)
		}
		if got := integer(v); got != tt.n {
			t.Errorf("integer(%s) = %d, want %d", v, got, tt.n)
		}
		if got := boolean(v); got != tt.b {
			t.Errorf("boolean(%s) = %t, want %t", v, got, tt.b)
		}
		if got := moment(v); !got.Equal(tt.at) {
			t.Errorf("moment(%s) = %s, want %s", v, got, tt.at)
		}
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][]string{`["a","b"]`: {"a", "b"}, `[""]`: {""}, `[]`: nil, `"a"`: {"a"}, `null`: nil, `{}`: nil, `[1,null]`: {"1", ""}} {
		if diff := cmp.Diff(want, texts([]byte(in))); diff != "" {
			t.Errorf("texts(%s) (-want +got)\n%s", in, diff)
		}
	}
}

func TestMemberTakesTheLastOfItsName(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"a":1,"a":2}`: "2", ` { "b" : {"a":3} , "\u0061" : [ 4 ] } `: "[ 4 ]", `{"A":1}`: "", `[{"a":1}]`: "", `null`: "", ``: "",
		`{"x":"}\"{\\","a":"\\\""}`: `"\\\""`,
	} {
		if got := string(member([]byte(in), "a")); got != want {
			t.Errorf("member(%s) = %s, want %s", in, got, want)
		}
	}
}

// Walking in place must see what encoding/json sees, for every text that is JSON.
func FuzzWalk(f *testing.F) {
	for _, s := range []string{
		`{}`, `[]`, ` [ 1 , "a\\" , {"b":[true,null,-1.5e+3]} ] `, `{"a":"\"","\u0062":{},"c":[[],[{}]],"a":2}`, `"x"`, `7`, "\t{\"a\"\n:\r1 }", `["\\\\\"",{}]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if !json.Valid(b) {
			return
		}
		var list []json.RawMessage
		if json.Unmarshal(b, &list) == nil {
			i := 0
			for e := range elements(b) {
				if i >= len(list) || !bytes.Equal(e, list[i]) || !json.Valid(e) {
					t.Fatalf("element %d of %s: %s", i, b, e)
				}
				i++
			}
			if i != len(list) {
				t.Errorf("%d elements of %s, want %d", i, b, len(list))
			}
		}
		var object map[string]json.RawMessage
		if json.Unmarshal(b, &object) == nil {
			last := make(map[string]json.RawMessage)
			for k, v := range members(b) {
				last[string(k)] = v
			}
			for k, v := range last {
				// encoding/json replaces what is no UTF-8 in keys: compare what it left alone.
				if want, ok := object[k]; ok && !bytes.Equal(v, want) {
					t.Errorf("member %q of %s: %s, want %s", k, b, v, want)
				}
			}
			if len(object) > len(last) {
				t.Errorf("%d members of %s, want %d", len(last), b, len(object))
			}
		}
		for _, v := range [][]byte{bytes.TrimSpace(b)} { // no value makes a reader of scalars stumble
			_, _, _, _, _ = text(v), integer(v), boolean(v), moment(v), texts(v)
			_, _, _, _ = decodeOrder(v), decodeRequest(v), decodeCertificate(v), decodeStatusChange(v)
		}
	})
}

func FuzzDecodeCertificates(f *testing.F) {
	for _, s := range []string{
		"", "{}", "null", `{"certificates":[]}`, `{"certificates":null}`, `{"certificates":[{"id":"7"},null,[],"x"]}`, `{"certificates":{}}`,
		`{"certificates": [ {"id":1, "key_size":2048.0} , {"status":"issued"} ] }`, `[]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 0 && (!json.Valid(body) || len(bytes.TrimSpace(body)) != len(body)) {
			return
		}
		var items []Certificate
		list, err := decodeCertificates(body, func(v []byte) { items = append(items, decodeCertificate(v)) })
		list.Items = items
		if err != nil {
			return
		}
		var raw []json.RawMessage
		if err := json.Unmarshal(list.Raw, &raw); err != nil || raw == nil {
			t.Fatalf("%s gives the list %s: %v", body, list.Raw, err)
		}
		if len(raw) != len(list.Items) {
			t.Errorf("%s gives %d items of %d", body, len(list.Items), len(raw))
		}
		if string(list.Raw) != "[]" && !bytes.Contains(body, list.Raw) {
			t.Errorf("%s gives the list %s, which it does not hold", body, list.Raw)
		}
		for i, c := range list.Items {
			if !bytes.Equal(c.Raw, raw[i]) {
				t.Errorf("item %d is %s, want %s", i, c.Raw, raw[i])
			}
		}
	})
}

func BenchmarkDecodeCertificates(b *testing.B) {
	body := []byte(`{"certificates":[`)
	for i := range 1000 {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, `{"id":`+strconv.Itoa(i)+`,"thumbprint":"0123456789ABCDEF0123456789ABCDEF01234567","serial_number":"0123456789ABCDEF0123456789ABCDEF",`+
			`"common_name":"example.com","dns_names":["a.example.com","b.example.com"],"status":"issued","date_created":"2016-03-25T21:01:40+00:00",`+
			`"valid_from":"2016-03-23","valid_till":"2019-03-28","days_remaining":111,"server_platform":{"id":45,"name":"nginx"},"key_size":2048,"archived":"0"}`...)
	}
	body = append(body, "]}"...)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if !json.Valid(body) {
			b.Fatal("not JSON")
		}
		n := 0
		if _, err := decodeCertificates(body, func([]byte) { n++ }); err != nil || n != 1000 {
			b.Fatal(err)
		}
	}
}
