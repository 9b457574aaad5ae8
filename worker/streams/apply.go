package streams

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
)

const (
	// The first server with event chains: a message refused by its expected
	// sequence over a subject filter.
	oldestServer   = "2.12"
	oldestAPILevel = 2
)

// Options of Apply.
type Options struct {
	Replicas int // of what is created; 0 = 1
}

// Apply creates what is absent and checks what is there. It changes nothing,
// and waits some seconds for a cluster that is still forming. The error is a
// *Refusal where something contradicts the promises; it wraps ErrNoJetStream or
// ErrNotPermitted where that is the cause.
func Apply(ctx context.Context, js jetstream.JetStream, n messages.Names, o Options) error {
	return afterForming(ctx, func() error { return apply(ctx, js, n, o) })
}

// apply may end half way and be called again: it takes what is there as it is.
func apply(ctx context.Context, js jetstream.JetStream, n messages.Names, o Options) error {
	if err := checkServer(ctx, js); err != nil {
		return err
	}
	t := Spec(n, o.Replicas)
	for _, want := range t.Streams {
		if err := applyStream(ctx, js, n, want); err != nil {
			return err
		}
	}
	return nil
}

// Verify checks that everything is there and right, and creates nothing. The
// error names the first thing that is missing or wrong; it wraps
// jetstream.ErrStreamNotFound for the former.
func Verify(ctx context.Context, js jetstream.JetStream, n messages.Names) error {
	if err := checkServer(ctx, js); err != nil {
		return err
	}
	t := Spec(n, 1)
	for _, want := range t.Streams {
		info, err := streamInfo(ctx, js, want.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("stream %s is missing (`certrecall setup` creates it): %w", want.Name, err)
		}
		if err != nil {
			return err
		}
		if err := checkStream(n, want, info.Config); err != nil {
			return err
		}
	}
	return nil
}

// checkServer refuses a server that is too old. The version is that of the
// server we talk to; the API level is that of the cluster's leader.
func checkServer(ctx context.Context, js jetstream.JetStream) error {
	nc := js.Conn()
	tooOld := &Refusal{"NATS server " + nc.ConnectedServerName(),
		fmt.Sprintf("its version is %s, certrecall needs %s", nc.ConnectedServerVersion(), oldestServer), "Upgrade NATS"}
	if v := nc.ConnectedServerVersion(); v != "" && older(v, oldestServer) {
		return tooOld
	}
	info, err := ask(ctx, js, "asking for JetStream", "INFO", js.AccountInfo)
	switch {
	case err == nil && info.API.Level < oldestAPILevel:
		tooOld.Problem = fmt.Sprintf("the API level of its cluster is %d, certrecall needs %d (version %s)", info.API.Level, oldestAPILevel, oldestServer)
		return tooOld
	case errors.Is(err, ErrNotPermitted):
		return nil // a worker can do without this right; the version has been looked at
	}
	return err
}

// older compares the major and minor numbers of two versions. An unreadable
// version is not older.
func older(version, than string) bool {
	var a, b [2]int
	if _, err := fmt.Sscanf(version, "%d.%d", &a[0], &a[1]); err != nil {
		return false
	}
	if _, err := fmt.Sscanf(than, "%d.%d", &b[0], &b[1]); err != nil {
		return false
	}
	return a[0] < b[0] || a[0] == b[0] && a[1] < b[1]
}

func applyStream(ctx context.Context, js jetstream.JetStream, n messages.Names, want jetstream.StreamConfig) error {
	info, err := streamInfo(ctx, js, want.Name)
	switch {
	case err == nil:
		return checkStream(n, want, info.Config)
	case !errors.Is(err, jetstream.ErrStreamNotFound):
		return err
	}
	if want.Name == bucketStream(n.OrdersBucket()) {
		if err := refuseForgotten(ctx, js, n); err != nil {
			return err
		}
	}
	return createStream(ctx, js, n, want)
}

func createStream(ctx context.Context, js jetstream.JetStream, n messages.Names, want jetstream.StreamConfig) error {
	s, err := ask(ctx, js, "creating stream "+want.Name, "STREAM.CREATE."+want.Name, func(ctx context.Context) (jetstream.Stream, error) {
		return js.CreateStream(ctx, want)
	})
	switch {
	case err == nil:
		return checkStream(n, want, s.CachedInfo().Config)
	case errors.Is(err, jetstream.ErrStreamNameAlreadyInUse): // somebody was faster, with other limits
		info, err := streamInfo(ctx, js, want.Name)
		if err != nil {
			return err
		}
		return checkStream(n, want, info.Config)
	case isCode(err, codeSubjectsOverlap):
		return &Refusal{"stream " + want.Name, "some of its subjects (" + list(want.Subjects) + ") belong to " + overlapping(ctx, js, want.Subjects),
			"Take them from that stream, or run certrecall under another prefix"}
	}
	return err
}

// overlapping names the streams that take any of the subjects.
func overlapping(ctx context.Context, js jetstream.JetStream, subjects []string) string {
	for _, s := range subjects {
		name, err := ask(ctx, js, "looking for the stream of "+s, "STREAM.NAMES", func(ctx context.Context) (string, error) {
			return js.StreamNameBySubject(ctx, s)
		})
		if err == nil {
			return "stream " + name
		}
		if errors.Is(err, ErrNotPermitted) {
			break
		}
	}
	return "another stream"
}

// refuseForgotten refuses to make an empty memory of orders where revocations
// have been answered: it would have them sent again.
func refuseForgotten(ctx context.Context, js jetstream.JetStream, n messages.Names) error {
	s, err := openStream(ctx, js, n.EventsStream())
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range messages.EventNames() {
		if !strings.HasPrefix(string(e), "revoke") {
			continue
		}
		_, err := ask(ctx, js, "looking for revocations in stream "+n.EventsStream(), "STREAM.MSG.GET."+n.EventsStream(),
			func(ctx context.Context) (*jetstream.RawStreamMsg, error) {
				return s.GetLastMsgForSubject(ctx, n.EventNameSubject(e))
			})
		switch {
		case err == nil:
			return &Refusal{"bucket " + n.OrdersBucket(),
				"it is missing, while stream " + n.EventsStream() + " holds revocations: with an empty memory of orders they could be sent again",
				"Restore the bucket (stream " + bucketStream(n.OrdersBucket()) + ") from a backup; " +
					"or, knowing that, move the events away and run certrecall under another prefix"}
		case !errors.Is(err, jetstream.ErrMsgNotFound):
			return err
		}
	}
	return nil
}

func streamInfo(ctx context.Context, js jetstream.JetStream, name string) (*jetstream.StreamInfo, error) {
	s, err := openStream(ctx, js, name)
	if err != nil {
		return nil, err
	}
	return s.CachedInfo(), nil
}

// openStream looks a stream up.
func openStream(ctx context.Context, js jetstream.JetStream, name string) (jetstream.Stream, error) {
	return ask(ctx, js, "reading stream "+name, "STREAM.INFO."+name, func(ctx context.Context) (jetstream.Stream, error) {
		return js.Stream(ctx, name)
	})
}
