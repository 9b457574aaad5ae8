package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"certrecall/worker/gateway"
)

// door is where the gateway is, and what it takes to use it.
type door struct {
	addr          net.Addr
	url           string
	token, secret string
}

// Files of the gateway in the store: its configuration is written at each
// start, its secrets once.
const (
	gatewayFolder = "gateway"
	gatewayConfig = "gateway.yaml"
	gatewayToken  = "token"
	gatewaySecret = "webhook"
)

// devSource is the source that the gateway vouches for.
const devSource = "web"

// openGateway serves the gateway, with a token of this store for one source.
func (s *site) openGateway(ctx context.Context, crew *crew) (door, error) {
	dir := filepath.Join(s.StoreDir, gatewayFolder)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return door{}, err
	}
	var d door
	var err error
	if d.token, err = secretIn(filepath.Join(dir, gatewayToken), ""); err != nil {
		return door{}, err
	}
	if d.secret, err = secretIn(filepath.Join(dir, gatewaySecret), "whsec_"); err != nil {
		return door{}, err
	}
	config := fmt.Sprintf("sources:\n  %s: {lanes: [revoke-urgent, revoke, list-duplicates], auth: {bearer_files: [%s], webhook_secret_files: [%s]}}\n",
		devSource, gatewayToken, gatewaySecret)
	if s.Webhook != "" {
		config += fmt.Sprintf("deliveries:\n  webhook: {url: %q, secret_file: %s, allow_private: true}\n", s.Webhook, gatewaySecret)
	}
	path := filepath.Join(dir, gatewayConfig)
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return door{}, err
	}
	settings, err := gateway.ReadSettings(path, s.names)
	if err != nil {
		return door{}, usageError{"--webhook: " + err.Error()}
	}
	g, err := gateway.New(gateway.Config{
		Settings: settings, Names: s.names, Conn: s.conn, Log: s.log.Named("gateway"), Registry: prometheus.NewRegistry(), Version: version,
	})
	if err != nil {
		return door{}, err
	}
	listener, err := listen(ctx, s.Host, s.GatewayPort)
	if err != nil {
		return door{}, fmt.Errorf("listening for --gateway-port: %w", err)
	}
	d.addr = listener.Addr()
	crew.goes(g.Run)
	crew.goes(func(ctx context.Context) error { return serve(ctx, listener, g.Handler()) })
	return d, nil
}

// secretBytes is the length of a secret.
const secretBytes = 32

// secretIn reads a secret of the store, and makes it at the first start.
func secretIn(path, prefix string) (string, error) {
	text, err := os.ReadFile(path)
	if err == nil {
		return string(text), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	random := make([]byte, secretBytes)
	_, _ = rand.Read(random) // it never fails
	secret := prefix + base64.StdEncoding.EncodeToString(random)
	if prefix == "" {
		secret = base64.RawURLEncoding.EncodeToString(random)
	}
	return secret, os.WriteFile(path, []byte(secret), 0o600)
}
