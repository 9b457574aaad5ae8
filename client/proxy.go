package client

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Proxy tells by which proxy calls go to the base URL ("" = DefaultBaseURL), fit to be shown; "" = none. A variable of the
// environment that names no proxy is an error: net/http would pass it over and call directly.
func Proxy(baseURL string, getenv func(string) string) (string, error) {
	base, err := parseBaseURL(baseURL)
	if err != nil {
		return "", err
	}
	for _, name := range []string{strings.ToUpper(base.Scheme) + "_PROXY", base.Scheme + "_proxy"} {
		if err := checkProxy(getenv(name)); err != nil {
			return "", fmt.Errorf("%s %w", name, err)
		}
	}
	u, err := http.ProxyFromEnvironment(&http.Request{URL: &base})
	if err != nil {
		return "", errors.New("the proxy of the environment cannot be used: set it as http://host:port")
	}
	if u == nil {
		return "", nil
	}
	return u.Redacted(), nil
}

// checkProxy never quotes what it reads: it may hold a password.
func checkProxy(s string) error {
	if s == "" {
		return nil
	}
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return errors.New("cannot be read: set it as http://host:port")
	case u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5" && u.Scheme != "socks5h":
		return errors.New("has an unknown scheme: set http, https or socks5")
	case u.Hostname() == "", u.Path != "" && u.Path != "/":
		return errors.New("names no host: set it as http://host:port")
	}
	if port := u.Port(); port != "" {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return errors.New("has no possible port: set it as http://host:port")
		}
	}
	return nil
}
