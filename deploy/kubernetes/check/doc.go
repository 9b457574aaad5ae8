// Package check holds the tests of the Kubernetes manifests: what kustomize makes of them is decoded strictly into the
// types of k8s.io/api, so that a misspelt field fails a test instead of being ignored by a cluster. It is a module of
// its own to keep these dependencies out of certrecall's.
package check
