package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
)

// versionCmd prints what was built.
type versionCmd struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Help is the long help, with an example.
func (versionCmd) Help() string {
	return "Example:\n  certrecall version --json"
}

// build is what --json prints.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"` // of the source
	Modified bool   `json:"modified,omitempty"` // the source was changed after that revision
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Run prints the version.
func (c *versionCmd) Run(p *process) error {
	b := thisBuild()
	if c.JSON {
		return json.NewEncoder(p.stdout).Encode(b)
	}
	revision := ""
	if b.Revision != "" {
		revision = " " + b.Revision[:min(len(b.Revision), 12)]
	}
	_, err := fmt.Fprintf(p.stdout, "certrecall %s%s (%s, %s)\n", b.Version, revision, b.Go, b.Platform)
	return err
}

func thisBuild() build {
	b := build{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}
