// Package client calls the CertCentral Services API of DigiCert: it revokes orders and certificates, and reads
// what became of them. One method is one operation; every failure is an *Error with a Class to switch on.
//
//	key, err := client.NewKeyFile("/run/secrets/digicert")
//	c, err := client.New(client.Config{Key: key})
//	receipt, err := c.RevokeOrder(ctx, 4711, client.Revocation{Comments: "key compromise"})
//	switch {
//	case errors.Is(err, client.ErrOutcomeUnknown): // read the order before anything else is sent
//	case err == nil && receipt.Request != nil: // receipt.Request waits for an administrator
//	case err == nil: // revoked
//	}
//	order, err := c.Reader(nil).Order(ctx, 4711)
//
// # Invariants
//
// A PUT reaches DigiCert at most once in a call. It is repeated only if nothing of it was written, which is known
// because only HTTP/1.1 is spoken: as long as no connection was gained, nothing can have been written. Whatever
// ends a PUT after that without a clear answer is ClassOutcomeUnknown.
//
// Every HTTP attempt of a read is admitted by the Reader's Admit first; the transport repeats none by itself. Reads
// are repeated for at most 5 s, with full jitter, and only while DigiCert is unavailable: never after a 429.
//
// The key goes into one request header and nowhere else. Redirects are not followed. No error, and no value of this
// package however printed, shows the key.
//
// Answers are read leniently: ids are numbers or strings, dates RFC 3339, Unix or days, lists missing. Nothing
// depends on the text of a message. What DigiCert sent is kept raw beside what was understood of it.
//
// # Crashes
//
// The package keeps nothing. A process that dies inside RevokeOrder or RevokeCertificate leaves an unknown outcome;
// whoever takes over must read the order back, and must have written down beforehand that a call was coming.
package client
