// Package digicertsim is a simulated DigiCert: the part of the CertCentral Services API that revokes orders and
// lists their certificates, as an http.Handler, with an API of its own beside it to approve requests, to script
// faults and to look at what was called.
//
//	sim := digicertsim.New(digicertsim.Options{AutoOrders: true})
//	srv := httptest.NewServer(sim)                 // https://…/services/v2/order/certificate/4711/revoke
//	sim.Script(digicertsim.Fault{Kind: digicertsim.FaultResetAfter, OrderID: 4711})
//	…
//	sim.Effective(4711)                            // PUTs that had an effect on the order
//
// Other processes drive it over HTTP, without a key; durations are strings ("1.5s"), fields named as in the types:
//
//	GET    /_sim/stats                   Stats
//	GET    /_sim/calls?op=…&order_id=…   {"calls":[Call]}; DELETE forgets them
//	POST   /_sim/faults                  Fault or [Fault]; DELETE takes all away
//	GET    /_sim/requests                {"requests":[Request]}
//	POST   /_sim/requests/{id}/approve   {"comment":"…"} or nothing; likewise …/reject
//	POST   /_sim/orders                  Order or [Order]
//	GET    /_sim/orders/{id}             Order
//	POST   /_sim/orders/{id}/revoke      revoked as at the console, without a call
//	PUT    /_sim/behaviour               Behaviour
//	PUT    /_sim/keys                    Keys
//	POST   /_sim/reset
//
// Orders, requests and answers follow DigiCert's public documentation and what its clients are known to meet:
// 204 without a body for an approval that was skipped, {} for an empty list, codes with suffixes behind a bar,
// HTML from the network in front. Where DigiCert's behaviour is not known publicly, Behaviour chooses.
//
// # Invariants
//
// Nothing runs in the background: what is due (a decision, a late commit) is done, dated when it was due, before
// the next call is answered or state is looked at. So the simulator works in a testing/synctest bubble and leaks
// nothing. Limits are judged at the moment of arrival. All methods are safe for concurrent use.
//
// # Crashes
//
// With a StateFile each change is appended to it before it is answered; a process that is killed loses nothing
// that it answered (a machine that loses power may). A torn last line is dropped at the next start.
package digicertsim
