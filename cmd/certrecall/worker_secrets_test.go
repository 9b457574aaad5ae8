package main

import (
	"io/fs"
	"testing"
)

func TestTooWide(t *testing.T) {
	t.Parallel()
	for mode, want := range map[fs.FileMode]bool{
		0o400: false, 0o600: false, 0o440: false, 0o640: false,
		0o644: true, 0o444: true, 0o660: true, 0o620: true, 0o602: true, 0o777: true, 0o601: true,
	} {
		if got := tooWide(mode); got != want {
			t.Errorf("%04o: %t", mode, got)
		}
	}
}

func TestRealDigiCert(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"www.digicert.com": true, "certcentral.digicert.eu": true, "digicert.com": true, "WWW.DigiCert.com": true,
		"127.0.0.1": false, "simulator": false, "notdigicert.com": false, "digicert.com.example.com": false,
	} {
		if got := realDigiCert(host); got != want {
			t.Errorf("%s: %t", host, got)
		}
	}
}
