package messages_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"certrecall/messages"

	"github.com/google/go-cmp/cmp"
)

// problemsOf returns what is wrong with a message, each as "field: detail".
func problemsOf(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	invalid, ok := errors.AsType[*messages.InvalidCommand](err)
	if !ok {
		t.Fatalf("error is %T, want *InvalidCommand: %v", err, err)
	}
	var list []string
	for _, p := range invalid.Problems {
		list = append(list, p.Field+": "+p.Detail)
	}
	return list
}

func TestDecodeCommandReadsEveryField(t *testing.T) {
	t.Parallel()
	body := ` {
	"id": "INC-1", "order_id": "00123", "certificate_id": 9223372036854775807,
	"comments": "K\u00e9y \ud83d\udd11 \"found\" \/ 公開", "revocation_reason": "keyCompromise",
	"skip_approval": true, "expected_common_name": "www.Example.com", "dry_run": true, "incident": "INC0012345",
	"deadline": "2026-03-01T17:00:00.5+01:00", "expires": "2026-03-02t00:00:00z",
	"requested_by": "jane@example.com",
	"context": { "b" : [1.0, 1e3, "\u0041"], "a":{} , "Id":1, "id":2 }
} ` + "\r\n"
	header := map[string][]string{
		"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
		"tracestate":  {"a=1", "b=2"},
		"Nats-Msg-Id": {"x"},
	}
	got, err := messages.DecodeCommand(messages.LaneRevokeUrgent, "servicenow", header, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	want := messages.Command{
		ID: "INC-1", Source: "servicenow", Lane: messages.LaneRevokeUrgent,
		OrderID: 123, CertificateID: 9223372036854775807,
		Comments: `Kéy 🔑 "found" / 公開`, RevocationReason: messages.ReasonKeyCompromise,
		SkipApproval: true, ExpectedCommonName: "www.Example.com", DryRun: true, Incident: "INC0012345",
		Deadline:    time.Date(2026, 3, 1, 16, 0, 0, 5e8, time.UTC),
		Expires:     time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC),
		RequestedBy: "jane@example.com",
		Context:     json.RawMessage(`{ "b" : [1.0, 1e3, "\u0041"], "a":{} , "Id":1, "id":2 }`),
		Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Tracestate: "a=1,b=2",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("command (-want +got):\n%s", diff)
	}
	if got.Action() != messages.ActionRevoke {
		t.Errorf("action = %q", got.Action())
	}
	if want := " [certrecall servicenow/INC0012345/INC-1]"; got.Suffix() != want {
		t.Errorf("suffix = %q, want %q", got.Suffix(), want)
	}
}

func TestDecodeCommandKeepsNoReferenceToTheBody(t *testing.T) {
	t.Parallel()
	body := []byte(`{"id":"i-1","order_id":1,"comments":"one","context":{"a":"one"}}`)
	c, err := messages.DecodeCommand(messages.LaneRevoke, "soar", nil, body)
	if err != nil {
		t.Fatal(err)
	}
	clear(body)
	if c.ID != "i-1" || c.Comments != "one" || string(c.Context) != `{"a":"one"}` {
		t.Errorf("the command changed with the body: %+v", c)
	}
}

// refused is one message, everything that is wrong with it, and the id under
// which it is answered.
type refused struct {
	lane messages.Lane
	body string
	want []string
	id   string // "i" if empty; "-" for none
}

func refusedCommands() map[string]refused {
	const (
		revoke    = messages.LaneRevoke
		list      = messages.LaneListDuplicates
		unknown   = " is no field of a command; leave it out, or put it inside context"
		integer   = " must be an integer from 1 to 9223372036854775807, or a string of its digits"
		timestamp = " must be an RFC 3339 time such as 2026-03-01T17:00:00Z"
		id        = " must be 1 to 128 characters of A-Z, a-z, 0-9, _ and -"
		reserved  = " is reserved: it begins with seq- or ends in -replay-<digits>; choose another"
		required  = " missing; it is required"
		twice     = " given twice; give it once"
		unicode   = " is not Unicode text; send UTF-8, and escapes of surrogates only in pairs"
	)
	// with is a good revocation with one member more.
	with := func(member string) string { return `{"id":"i","order_id":1,"comments":"c",` + member + `}` }
	order := func(value string) string { return `{"id":"i","comments":"c","order_id":` + value + `}` }
	return map[string]refused{
		"empty":                   {revoke, ``, []string{"body: is empty; send one JSON object"}, "-"},
		"white space":             {revoke, "\n ", []string{"body: the JSON ends early: want a value at byte 2; send one JSON object"}, "-"},
		"array":                   {revoke, `[{"id":"i"}]`, []string{"body: must be a JSON object, not an array"}, "-"},
		"string":                  {revoke, `"i"`, []string{"body: must be a JSON object, not a string"}, "-"},
		"null":                    {revoke, `null`, []string{"body: must be a JSON object, not null"}, "-"},
		"html":                    {revoke, `<html>`, []string{`body: no JSON: want a value, found '<' at byte 0; send one JSON object`}, "-"},
		"nul":                     {revoke, "\x00", []string{`body: no JSON: want a value, found byte 0x00 at byte 0; send one JSON object`}, "-"},
		"byte order mark":         {revoke, "\ufeff{}", []string{"body: begins with a byte order mark; send UTF-8 without one"}, "-"},
		"cut off":                 {revoke, `{"id":"i","order_id":1`, []string{`body: the JSON ends early: want a comma or } at byte 22; send one JSON object`}, ""},
		"comma at the end":        {list, `{"id":"i","order_id":1,}`, []string{`body: no JSON: want a name in quotes, found '}' at byte 23; send one JSON object`}, ""},
		"single quotes":           {list, `{'id':'i'}`, []string{`body: no JSON: want a name in quotes, found '\'' at byte 1; send one JSON object`}, "-"},
		"comment":                 {list, `{"id":"i","order_id":1 /* x */}`, []string{`body: no JSON: want a comma or }, found '/' at byte 23; send one JSON object`}, ""},
		"second object":           {list, `{"id":"i","order_id":1}{"id":"j"}`, []string{"body: something follows the JSON object at byte 23; send one JSON object"}, ""},
		"NUL behind":              {list, "{\"id\":\"i\",\"order_id\":1}\x00", []string{"body: something follows the JSON object at byte 23; send one JSON object"}, ""},
		"leading zero":            {revoke, order(`01`), []string{`body: no JSON: a number begins with 0 at byte 37; send one JSON object`}, ""},
		"control character":       {revoke, "{\"id\":\"i\",\"comments\":\"a\nb\"}", []string{"body: no JSON: a control character in a string; write it as an escape at byte 23; send one JSON object"}, ""},
		"bad escape":              {revoke, `{"id":"i","comments":"\x41"}`, []string{`body: no JSON: want an escape, found 'x' at byte 23; send one JSON object`}, ""},
		"nothing given":           {revoke, `{}`, []string{"id:" + required, "order_id:" + required, "comments:" + required}, "-"},
		"nothing given, list":     {list, `{}`, []string{"id:" + required, "order_id:" + required}, "-"},
		"unknown key":             {revoke, with(`"colour":"red"`), []string{"colour:" + unknown}, ""},
		"empty key":               {revoke, with(`"":1`), []string{`: is no field of a command; leave it out, or put it inside context`}, ""},
		"key of another case":     {revoke, with(`"Dry_Run":true`), []string{"Dry_Run: is no field of a command; did you mean dry_run?"}, ""},
		"key in camel case":       {revoke, with(`"skipApproval":true`), []string{"skipApproval: is no field of a command; did you mean skip_approval?"}, ""},
		"misspelt key":            {revoke, with(`"dry_runn":true`), []string{"dry_runn: is no field of a command; did you mean dry_run?"}, ""},
		"misspelt twice":          {revoke, with(`"reveocation_reson":"superseded"`), []string{"reveocation_reson: is no field of a command; did you mean revocation_reason?"}, ""},
		"required key misspelt":   {list, `{"id":"i","orderId":1}`, []string{"orderId: is no field of a command; did you mean order_id?", "order_id:" + required}, ""},
		"word of a key":           {revoke, with(`"reason":"superseded"`), []string{"reason: is no field of a command; did you mean revocation_reason?"}, ""},
		"key of the subject":      {list, `{"id":"i","order_id":1,"source":"soar"}`, []string{"source: is no field of a command; leave it out, the subject says it"}, ""},
		"event without its type":  {list, `{"specversion":"1.0","id":"i","order_id":1}`, []string{"specversion: is no field of a command; send a whole CloudEvent with the header Content-Type: application/cloudevents+json"}, ""},
		"key not printable":       {list, `{"id":"i","order_id":1,"a\nb` + strings.Repeat("x", 300) + `":1}`, []string{"a\ufffdb" + strings.Repeat("x", 155) + "…:" + unknown}, ""},
		"field of revocations":    {list, `{"id":"i","order_id":1,"skip_approval":true,"comments":null}`, []string{"skip_approval: belongs to revoke commands; leave it out, or send to another lane", "comments: belongs to revoke commands; leave it out, or send to another lane"}, ""},
		"deadline of a listing":   {list, `{"id":"i","order_id":1,"deadline":"2026-03-01T17:00:00Z"}`, []string{"deadline: belongs to revoke commands; leave it out, or send to another lane"}, ""},
		"field of listings":       {revoke, with(`"show_archived":false`), []string{"show_archived: belongs to list-duplicates commands; leave it out, or send to another lane"}, ""},
		"key twice":               {revoke, with(`"comments":"d"`), []string{"comments:" + twice}, ""},
		"key twice, escaped":      {revoke, with(`"c\u006fmments":"c"`), []string{"comments:" + twice}, ""},
		"id twice":                {list, `{"id":"i","order_id":1,"id":"i"}`, []string{"id:" + twice}, "-"},
		"twice in context":        {revoke, with(`"context":{"a":1,"\u0061":2}`), []string{"context.a:" + twice}, ""},
		"twice deep in context":   {revoke, with(`"context":{"a":[0,{"b":{"c":1,"c":1}}]}`), []string{"context.a[1].b.c:" + twice}, ""},
		"twice in unknown":        {revoke, with(`"extra":{"a":1,"a":2}`), []string{"extra:" + unknown, "extra.a:" + twice}, ""},
		"context no object":       {revoke, with(`"context":[]`), []string{"context: must be an object, not an array"}, ""},
		"context is text":         {revoke, with(`"context":"{}"`), []string{"context: must be an object, not a string"}, ""},
		"context too large":       {revoke, with(`"context":{"a":"` + strings.Repeat("x", 8<<10-7) + `"}`), []string{"context: larger than 8 KiB; send less"}, ""},
		"half a surrogate pair":   {revoke, with(`"context":{"a":"\ud83d"}`), []string{"context.a:" + unicode}, ""},
		"surrogates reversed":     {revoke, with(`"requested_by":"\udd11\ud83d"`), []string{"requested_by:" + unicode}, ""},
		"invalid UTF-8":           {revoke, with("\"requested_by\":\"\xff\""), []string{"requested_by:" + unicode}, ""},
		"invalid UTF-8 in a name": {revoke, with("\"context\":{\"\xff\":1}"), []string{"context.\ufffd:" + unicode}, ""},
		"overlong UTF-8":          {list, "{\"id\":\"\xc0\xaf\",\"order_id\":1}", []string{"id:" + unicode}, "-"},

		"order missing":         {list, `{"id":"i"}`, []string{"order_id:" + required}, ""},
		"order null":            {list, order(`null`)[:10] + `"order_id":null}`, []string{"order_id: must be an integer or a string of digits, not null"}, ""},
		"order 0":               {revoke, order(`0`), []string{"order_id:" + integer}, ""},
		"order -1":              {revoke, order(`-1`), []string{"order_id:" + integer}, ""},
		"order 1.0":             {revoke, order(`1.0`), []string{"order_id:" + integer}, ""},
		"order 1e3":             {revoke, order(`1e3`), []string{"order_id:" + integer}, ""},
		"order 2^63":            {revoke, order(`9223372036854775808`), []string{"order_id:" + integer}, ""},
		"order 2^63 as text":    {revoke, order(`"9223372036854775808"`), []string{"order_id:" + integer}, ""},
		"order 2^64+1":          {revoke, order(`18446744073709551617`), []string{"order_id:" + integer}, ""},
		"order empty":           {revoke, order(`""`), []string{"order_id:" + integer}, ""},
		"order zeros":           {revoke, order(`"000"`), []string{"order_id:" + integer}, ""},
		"order with a sign":     {revoke, order(`"+1"`), []string{"order_id:" + integer}, ""},
		"order with a space":    {revoke, order(`" 1"`), []string{"order_id:" + integer}, ""},
		"order in other digits": {revoke, order(`"١٢"`), []string{"order_id:" + integer}, ""},
		"order is a path":       {revoke, order(`"1/../2"`), []string{"order_id:" + integer}, ""},
		"order is a boolean":    {revoke, order(`true`), []string{"order_id: must be an integer or a string of digits, not a boolean"}, ""},
		"order is a list":       {revoke, order(`[1,2]`), []string{"order_id: must be an integer or a string of digits, not an array"}, ""},
		"certificate null":      {revoke, with(`"certificate_id":null`), []string{"certificate_id: must be an integer or a string of digits, not null"}, ""},
		"certificate 0":         {revoke, with(`"certificate_id":"0"`), []string{"certificate_id:" + integer}, ""},

		"comments missing":        {revoke, `{"id":"i","order_id":1}`, []string{"comments:" + required}, ""},
		"comments empty":          {revoke, `{"id":"i","order_id":1,"comments":""}`, []string{"comments: must be 1 to 1000 characters; shorten it"}, ""},
		"comments null":           {revoke, `{"id":"i","order_id":1,"comments":null}`, []string{"comments: must be a string, not null"}, ""},
		"comments too long":       {revoke, `{"id":"i","order_id":1,"comments":"` + strings.Repeat("é", 1001) + `"}`, []string{"comments: must be 1 to 1000 characters; shorten it"}, ""},
		"comments of two lines":   {revoke, `{"id":"i","order_id":1,"comments":"a\nb"}`, []string{"comments: has a control character; write it in one line of plain text"}, ""},
		"comments with C1":        {revoke, `{"id":"i","order_id":1,"comments":"a\u0085b"}`, []string{"comments: has a control character; write it in one line of plain text"}, ""},
		"comments with DEL":       {revoke, `{"id":"i","order_id":1,"comments":"a` + "\x7f" + `b"}`, []string{"comments: has a control character; write it in one line of plain text"}, ""},
		"reason unknown":          {revoke, with(`"revocation_reason":"privilegeWithdrawn"`), []string{"revocation_reason: must be one of unspecified, keyCompromise, affiliationChanged, superseded, cessationOfOperation"}, ""},
		"reason of other case":    {revoke, with(`"revocation_reason":"KeyCompromise"`), []string{"revocation_reason: must be one of unspecified, keyCompromise, affiliationChanged, superseded, cessationOfOperation"}, ""},
		"reason null":             {revoke, with(`"revocation_reason":null`), []string{"revocation_reason: must be a string, not null"}, ""},
		"boolean as text":         {revoke, with(`"dry_run":"true"`), []string{"dry_run: must be true or false, not a string"}, ""},
		"boolean as number":       {revoke, with(`"skip_approval":1`), []string{"skip_approval: must be true or false, not a number"}, ""},
		"boolean null":            {revoke, with(`"dry_run":null`), []string{"dry_run: must be true or false, not null"}, ""},
		"archived as text":        {list, `{"id":"i","order_id":1,"show_archived":"1"}`, []string{"show_archived: must be true or false, not a string"}, ""},
		"incident with a dot":     {revoke, with(`"incident":"a.b"`), []string{"incident: must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -, and not - alone"}, ""},
		"incident empty":          {revoke, with(`"incident":""`), []string{"incident: must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -, and not - alone"}, ""},
		"incident too long":       {revoke, with(`"incident":"` + strings.Repeat("a", 65) + `"`), []string{"incident: must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -, and not - alone"}, ""},
		"incident of a dash":      {revoke, with(`"incident":"-"`), []string{"incident: must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -, and not - alone"}, ""},
		"common name empty":       {revoke, with(`"expected_common_name":""`), []string{"expected_common_name: must be 1 to 255 characters; leave the field out if it does not matter"}, ""},
		"common name too long":    {revoke, with(`"expected_common_name":"` + strings.Repeat("é", 256) + `"`), []string{"expected_common_name: must be 1 to 255 characters; leave the field out if it does not matter"}, ""},
		"common name a number":    {revoke, with(`"expected_common_name":1`), []string{"expected_common_name: must be a string, not a number"}, ""},
		"common name of a list":   {list, `{"id":"i","order_id":1,"expected_common_name":"a"}`, []string{"expected_common_name: belongs to revoke commands; leave it out, or send to another lane"}, ""},
		"common name misspelt":    {revoke, with(`"expectedCommonName":"a"`), []string{"expectedCommonName: is no field of a command; did you mean expected_common_name?"}, ""},
		"requester too long":      {revoke, with(`"requested_by":"` + strings.Repeat("é", 257) + `"`), []string{"requested_by: must be at most 256 characters; shorten it"}, ""},
		"requester is an object":  {revoke, with(`"requested_by":{"name":"jane"}`), []string{"requested_by: must be a string, not an object"}, ""},
		"time without zone":       {revoke, with(`"deadline":"2026-03-01T17:00:00"`), []string{"deadline:" + timestamp}, ""},
		"time with a space":       {revoke, with(`"deadline":"2026-03-01 17:00:00Z"`), []string{"deadline:" + timestamp}, ""},
		"time with a comma":       {revoke, with(`"deadline":"2026-03-01T17:00:00,5Z"`), []string{"deadline:" + timestamp}, ""},
		"time with a short hour":  {revoke, with(`"expires":"2026-03-01T7:00:00Z"`), []string{"expires:" + timestamp}, ""},
		"day that does not exist": {revoke, with(`"expires":"2026-02-30T17:00:00Z"`), []string{"expires:" + timestamp}, ""},
		"time in a zone too far":  {revoke, with(`"expires":"2026-03-01T17:00:00+24:00"`), []string{"expires:" + timestamp}, ""},
		"time behind a fraction":  {revoke, with(`"expires":"2026-03-01T17:00:00.Z"`), []string{"expires:" + timestamp}, ""},
		"leap second":             {revoke, with(`"expires":"2016-12-31T23:59:60Z"`), []string{"expires:" + timestamp}, ""},
		"date only":               {list, `{"id":"i","order_id":1,"expires":"2026-03-01"}`, []string{"expires:" + timestamp}, ""},
		"time empty":              {revoke, with(`"expires":""`), []string{"expires:" + timestamp}, ""},
		"time in seconds":         {revoke, with(`"expires":1772384400`), []string{"expires: must be a string, not a number"}, ""},
		"zero time":               {revoke, with(`"expires":"0001-01-01T00:00:00Z"`), []string{"expires: must lie in the years 1 to 9999, and not be the zero time; leave the field out if there is none"}, ""},
		"time past 9999":          {revoke, with(`"expires":"9999-12-31T23:59:59-01:00"`), []string{"expires: must lie in the years 1 to 9999, and not be the zero time; leave the field out if there is none"}, ""},

		"id missing":          {list, `{"order_id":1}`, []string{"id:" + required}, "-"},
		"id null":             {list, `{"id":null,"order_id":1}`, []string{"id: must be a string, not null"}, "-"},
		"id a number":         {list, `{"id":7,"order_id":1}`, []string{"id: must be a string, not a number"}, "-"},
		"id empty":            {list, `{"id":"","order_id":1}`, []string{"id:" + id}, "-"},
		"id with a dot":       {list, `{"id":"a.b","order_id":1}`, []string{"id:" + id}, "-"},
		"id with a wildcard":  {list, `{"id":">","order_id":1}`, []string{"id:" + id}, "-"},
		"id with a line end":  {list, `{"id":"a\n","order_id":1}`, []string{"id:" + id}, "-"},
		"id too long":         {list, `{"id":"` + strings.Repeat("a", 129) + `","order_id":1}`, []string{"id:" + id}, "-"},
		"id of ours":          {list, `{"id":"seq-1-2","order_id":1}`, []string{"id:" + reserved}, "-"},
		"id of a replay":      {list, `{"id":"a-replay-2","order_id":1}`, []string{"id:" + reserved}, "-"},
		"id like a replay":    {list, `{"id":"i-replay-","order_id":0}`, []string{"order_id:" + integer}, "i-replay-"},
		"id like ours":        {list, `{"id":"Seq-1","order_id":0}`, []string{"order_id:" + integer}, "Seq-1"},
		"everything at once":  {revoke, `{"order_id":"x","comments":"","id":"i","dry_run":1,"dryrun":true,"id":"j"}`, []string{"order_id:" + integer, "comments: must be 1 to 1000 characters; shorten it", "dry_run: must be true or false, not a number", "dryrun: is no field of a command; did you mean dry_run?", "id:" + twice}, "-"},
		"problems, then junk": {revoke, `{"id":"i","order_id":0,"colour":1,]`, []string{"order_id:" + integer, "colour:" + unknown, `body: no JSON: want a name in quotes, found ']' at byte 34; send one JSON object`}, ""},
	}
}

func TestDecodeCommandNamesEveryProblem(t *testing.T) {
	t.Parallel()
	for name, test := range refusedCommands() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := messages.DecodeCommand(test.lane, "soar", nil, []byte(test.body))
			if diff := cmp.Diff(test.want, problemsOf(t, err)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			switch test.id {
			case "":
				test.id = "i"
			case "-":
				test.id = ""
			}
			if c.ID != test.id {
				t.Errorf("id = %q, want %q", c.ID, test.id)
			}
		})
	}
}

// What could be read of an invalid command is there for its answer; each field
// is valid or zero.
func TestDecodeCommandReturnsWhatCouldBeRead(t *testing.T) {
	t.Parallel()
	body := `{"id":"seq-7","order_id":"5","comments":"a\nb","revocation_reason":"superseded","incident":"INC-1",
		"requested_by":"jane","context":{"a":1,"a":2},"deadline":"tomorrow","expires":"2026-03-01T17:00:00Z","colour":1}`
	got, err := messages.DecodeCommand(messages.LaneRevoke, "bad.source", nil, []byte(body))
	if n := len(problemsOf(t, err)); n != 6 {
		t.Errorf("%d problems, want 6: %v", n, err)
	}
	want := messages.Command{
		ClaimedID: "seq-7", Source: messages.InvalidSource, Lane: messages.LaneRevoke, OrderID: 5,
		RevocationReason: messages.ReasonSuperseded, Incident: "INC-1", RequestedBy: "jane",
		Expires: time.Date(2026, 3, 1, 17, 0, 0, 0, time.UTC),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("command (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(err.Error(), "invalid command: source: ") {
		t.Errorf("error %q does not begin with the source", err)
	}
}

// Which of two incidents is meant cannot be read, nor one that breaks the rule:
// such a message is answered as one without.
func TestDecodeCommandWithoutAReadableIncident(t *testing.T) {
	t.Parallel()
	for _, member := range []string{`"incident":"INC-1","incident":"INC-2"`, `"incident":"INC-1","incident":"INC-1"`, `"incident":"-"`, `"incident":"a.b"`, `"incident":7`} {
		c, err := messages.DecodeCommand(messages.LaneRevoke, "soar", nil, []byte(`{"id":"i","order_id":1,"comments":"c",`+member+`}`))
		if len(problemsOf(t, err)) != 1 || c.Incident != "" || c.Name() != (messages.CommandName{Source: "soar", ID: "i"}) {
			t.Errorf("%s: %v, under %s", member, err, c.Name())
		}
	}
}

func TestDecodeCommandClaimedID(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`"a b"`:                               "a b",
		`"a\r\nb"`:                            "a\ufffd\ufffdb",
		`12`:                                  "12",
		`"` + strings.Repeat("x", 2000) + `"`: strings.Repeat("x", 160),
		`"` + strings.Repeat("é", 100) + `"`:  strings.Repeat("é", 80),
		`"fine"`:                              "",
	} {
		c, _ := messages.DecodeCommand(messages.LaneListDuplicates, "soar", nil, []byte(`{"id":`+raw+`,"order_id":1}`))
		if c.ClaimedID != want || (c.ID == "") == (want == "") {
			t.Errorf("id %s: claimed %q, id %q, want claimed %q", raw, c.ClaimedID, c.ID, want)
		}
	}
}
