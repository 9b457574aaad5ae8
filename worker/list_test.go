package worker

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"certrecall/client/digicertsim"
	"certrecall/messages"
)

// A list that no message can hold goes to the object bucket, byte for byte.
func TestLargeListGoesToTheObjectBucket(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		list := w.largeList(4711)
		w.start()
		w.publish(messages.LaneListDuplicates, "cli", fields{"id": "l", "order_id": 4711, "show_archived": true})
		e := w.waitFor("cli", "l", messages.EventDuplicatesListed, time.Minute)
		o := e.CertificatesObject
		if o == nil || len(e.Certificates) != 0 || e.Count == nil || *e.Count != 4000 {
			t.Fatalf("says %v", e.data)
		}
		store, err := w.js.ObjectStore(t.Context(), o.Bucket)
		if err != nil {
			t.Fatal(err)
		}
		got, err := store.GetBytes(t.Context(), o.Name)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256([]byte(list))
		if string(got) != list || o.Size != int64(len(list)) || o.Digest != "SHA-256="+base64.URLEncoding.EncodeToString(sum[:]) {
			t.Errorf("object of %d bytes, said %+v, want %d bytes", len(got), o, len(list))
		}
		if want := fmt.Sprintf("cli.-.l.%x", sum); o.Name != want {
			t.Errorf("named %s, want %s", o.Name, want)
		}
		w.quiet()
	})
}

// largeList gives the order more duplicates than one message can hold.
func (w *world) largeList(order int64) string {
	w.t.Helper()
	var certificates []string
	for i := range 4000 {
		certificates = append(certificates, fmt.Sprintf(`{"id": %d, "thumbprint":"%040d", "status":"approved", "unknown <field>":"%s"}`, i+1, i, strings.Repeat("é", 100)))
	}
	list := "[" + strings.Join(certificates, " ,\n") + "]"
	if err := w.sim.AddOrder(digicertsim.Order{ID: order, DuplicatesBody: `{"certificates": ` + list + `}`}); err != nil {
		w.t.Fatal(err)
	}
	return list
}

func TestEmptyAndMissingLists(t *testing.T) {
	inWorld(t, digicertsim.Options{AutoDuplicates: -1}, func(t *testing.T, w *world) {
		w.start()
		w.publish(messages.LaneListDuplicates, "cli", fields{"id": "none", "order_id": 4711})
		e := w.waitFor("cli", "none", messages.EventDuplicatesListed, time.Minute)
		if list, ok := e.data["certificates"].([]any); !ok || len(list) != 0 || e.data["count"] != float64(0) {
			t.Errorf("says %v", e.data)
		}
		w.publish(messages.LaneListDuplicates, "cli", fields{"id": "unknown", "order_id": json.Number(fmt.Sprint(digicertsim.UnknownOrders))})
		if e := w.waitFor("cli", "unknown", messages.EventListDuplicatesFailed, time.Minute); e.Error.Type != messages.ErrorOrderNotFound || e.Attempts != 1 {
			t.Errorf("says %v", e.data)
		}
		w.sim.Script(digicertsim.Fault{Op: digicertsim.OpDuplicates, Kind: digicertsim.FaultStatus, Status: 403, Code: "access_denied|missing_permission", Times: -1})
		w.publish(messages.LaneListDuplicates, "cli", fields{"id": "denied", "order_id": 4711})
		if e := w.waitFor("cli", "denied", messages.EventListDuplicatesFailed, time.Minute); e.Error.Type != messages.ErrorRefused || e.Attempts != 3 {
			t.Errorf("says %v", e.data)
		}
		w.publish(messages.LaneListDuplicates, "cli", fields{"id": "late", "order_id": 4711, "expires": time.Now().Add(-time.Second)})
		if e := w.waitFor("cli", "late", messages.EventListDuplicatesFailed, time.Minute); e.Error.Type != messages.ErrorExpired || e.Attempts != 0 {
			t.Errorf("says %v", e.data)
		}
		w.pass(time.Second)
		w.quiet()
		if n := len(w.deadLetters()); n != 3 {
			t.Errorf("%d dead letters", n)
		}
	})
}
