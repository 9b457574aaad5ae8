#!/usr/bin/env bash
# Prints the notices of third parties: name, version and licence texts of every module that is linked into the packages
# given, and of Go itself. It fails where a module has no licence file.
set -euo pipefail
cd "$(dirname "$0")/.."
echo "certrecall contains the work of others, under the licences below."
go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' "$@" | sort -u |
  while read -r path version dir; do
    files=$(find "$dir" -maxdepth 1 -type f -iregex '.*/\(\(un\)?licen[cs]e\|copying\|notice\)[^/]*' ! -name '*.go' | sort)
    [ -n "$files" ] || { echo "notices: $path has no licence file" >&2; exit 1; }
    for file in $files; do
      printf '\n%s\n%s %s (%s)\n%s\n\n' "$(printf '=%.0s' {1..100})" "$path" "$version" "$(basename "$file")" "$(printf '=%.0s' {1..100})"
      cat "$file"
    done
  done
printf '\n%s\nThe Go standard library, %s\n\n' "$(printf '=%.0s' {1..100})" "$(go env GOVERSION)"
cat "$(go env GOROOT)/LICENSE"
