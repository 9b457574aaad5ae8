package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"time"

	"certrecall/client"
	"certrecall/client/digicertsim"
)

// simulated starts a simulated DigiCert and a client of it.
func simulated(o digicertsim.Options) (*client.Client, *digicertsim.Simulator, func()) {
	sim := digicertsim.New(o)
	srv := httptest.NewServer(sim)
	c, err := client.New(client.Config{BaseURL: srv.URL + digicertsim.BasePath, Key: client.StaticKey("key")})
	if err != nil {
		panic(err)
	}
	return c, sim, func() {
		c.CloseIdleConnections()
		srv.Close()
	}
}

func ExampleNew() {
	c, err := client.New(client.Config{
		BaseURL:   "https://certcentral.digicert.eu/services/v2", // a European account
		Key:       client.StaticKey("the key of a service user"),
		UserAgent: "certrecall/1.0.0",
	})
	fmt.Println(c, err)
	// Output: DigiCert client for https://certcentral.digicert.eu/services/v2 <nil>
}

func ExampleClient_RevokeOrder() {
	c, sim, stop := simulated(digicertsim.Options{AutoOrders: true})
	defer stop()
	ctx := context.Background()

	receipt, err := c.RevokeOrder(ctx, 4711, client.Revocation{Comments: "key on a public server", Reason: "keyCompromise"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("request", receipt.Request.ID, "is", receipt.Request.Status)

	_ = sim.Approve(receipt.Request.ID) // an administrator, at DigiCert's console
	order, err := c.Reader(nil).Order(ctx, 4711)
	fmt.Println("order is", order.Status, err)
	// Output:
	// request 1000001 is pending
	// order is revoked <nil>
}

func ExampleClient_RevokeOrder_outcomeUnknown() {
	c, sim, stop := simulated(digicertsim.Options{AutoOrders: true})
	defer stop()
	ctx := context.Background()

	// DigiCert revokes the order, and the answer is lost.
	sim.Script(digicertsim.Fault{Kind: digicertsim.FaultStatus, Status: 502, Commit: true})
	_, err := c.RevokeOrder(ctx, 4711, client.Revocation{SkipApproval: true})
	if errors.Is(err, client.ErrOutcomeUnknown) {
		fmt.Println(err)
		order, _ := c.Reader(nil).Order(ctx, 4711) // never a second PUT without this
		fmt.Println("order is", order.Status)
	}
	// Output:
	// revoke-order 4711: outcome unknown: DigiCert answered 502 internal_server_error: The simulator was told to fail.
	// order is revoked
}

func ExampleReader_ListDuplicates() {
	c, _, stop := simulated(digicertsim.Options{})
	defer stop()
	list, err := c.Reader(nil).ListDuplicates(context.Background(), digicertsim.SampleOrder, false)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, cert := range list.Items {
		fmt.Println(cert.ID, cert.CommonName, cert.Status)
	}
	// Output:
	// 12345 example.com approved
	// 23456 anewdomain.com rejected
	// 34567 example.net pending
}

func ExampleReader_Requests() {
	c, _, stop := simulated(digicertsim.Options{})
	defer stop()
	for q, err := range c.Reader(nil).Requests(context.Background(), client.RequestFilter{Type: "revoke", Status: "pending"}) {
		if err != nil {
			fmt.Println(err)
			break
		}
		if q.Status == "pending" { // the filter has been seen to be ignored
			fmt.Println(q.ID, q.OrderID, q.Comments)
		}
	}
	// Output: 900001 112241 No longer needed.
}

func ExampleError() {
	c, _, stop := simulated(digicertsim.Options{Limits: []digicertsim.Window{{Calls: 1, Per: time.Minute}}})
	defer stop()
	r := c.Reader(nil)
	for range 2 {
		_, err := r.Order(context.Background(), 5)
		switch e, _ := errors.AsType[*client.Error](err); e.Class {
		case client.ClassNotFound:
			fmt.Println("no such order:", e.Code)
		case client.ClassThrottled:
			fmt.Println("the whole key is blocked:", e.Status)
		default:
			fmt.Println(err)
		}
	}
	// Output:
	// no such order: not_found|order
	// the whole key is blocked: 429
}
