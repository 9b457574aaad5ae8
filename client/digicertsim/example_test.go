package digicertsim_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"certrecall/client/digicertsim"
)

func Example() {
	sim := digicertsim.New(digicertsim.Options{Keys: []string{"key"}, AutoOrders: true})
	srv := httptest.NewServer(sim)
	defer srv.Close()
	put := func() {
		req, _ := http.NewRequest(http.MethodPut, srv.URL+digicertsim.BasePath+"/order/certificate/4711/revoke", strings.NewReader(`{"comments":"c"}`))
		req.Header.Set("X-DC-DEVKEY", "key")
		resp, err := srv.Client().Do(req)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		fmt.Println(resp.StatusCode, len(body) > 0)
	}

	sim.Script(digicertsim.Fault{Kind: digicertsim.FaultStatus, Status: 503, Commit: true}) // done, and the answer lost
	put()
	put()
	fmt.Println("effective:", sim.Effective(4711))
	// Output:
	// 503 true
	// 201 true
	// effective: 2
}
