package client

import "testing"

func TestCheckProxy(t *testing.T) {
	t.Parallel()
	for s, good := range map[string]bool{
		"": true, "proxy.example.com:3128": true, "http://proxy.example.com:3128": true, "https://user:secret@proxy.example.com": true,
		"socks5://proxy.example.com:1080": true, "10.0.0.1:3128": true,
		"http://": false, "://": false, "ftp://proxy.example.com": false, "http://proxy:port": false, "http://proxy:99999": false,
		"htp//proxy.example.com:3128": false, "http://user:secret@": false, "http://[::1": false,
	} {
		if err := checkProxy(s); (err == nil) != good {
			t.Errorf("%s: %v", s, err)
		}
	}
}
