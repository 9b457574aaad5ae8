#!/usr/bin/env bash
# Beside a running `docker compose up`: a plan, revocations at once and by approval, a list of duplicates; each watched
# to the end, then what is known of it. Only for the simulated DigiCert.
set -euo pipefail
cd "$(dirname "$0")/.."
read -ra compose <<<"${COMPOSE:-docker compose}"
[ -t 1 ] && terminal=() || terminal=(-T)
cli() {
  printf '\n$ certrecall %s\n' "$*"
  "${compose[@]}" run --rm --quiet-pull "${terminal[@]}" cli "$@" 2> >(grep -v ' Container \| Creat' >&2)
}

if [ -n "${DIGICERT_URL:-}" ]; then
  echo "DIGICERT_URL is set: the demonstration revokes orders, and is for the simulated DigiCert only" >&2
  exit 2
fi
incident=demo-$(date +%H%M%S)
first=$(($(date +%s) % 100000 * 100)) # other orders at each run

cli submit revoke --yes --incident "$incident" --comments "key leaked" --order "$((first + 1)),$((first + 2))" --dry-run
cli watch --incident "$incident" --timeout 2m
cli submit revoke --yes --incident "$incident" --comments "key leaked" --revocation-reason keyCompromise --order "$((first + 1)),$((first + 2))" --skip-approval
cli submit revoke --yes --incident "$incident" --comments "no longer needed" --order "$((first + 3))"
cli submit list-duplicates --yes --incident "$incident" --order "$((first + 4))"
cli watch --incident "$incident" --timeout 2m
cli status --incident "$incident" --all
cli status
