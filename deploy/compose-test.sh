#!/usr/bin/env bash
# Runs docker-compose.yml as it is, then with three NATS servers: commands in, a worker killed, a NATS server of the
# three killed and brought back, and everything answered once. Needs Docker with Compose, and nothing else. It uses a
# project of its own, and takes it away again.
set -euo pipefail
cd "$(dirname "$0")/.."
export COMPOSE_PROJECT_NAME=certrecall-test NATS_PORT=0 PROMETHEUS_PORT=0
# passwords of this run; those of an .env do not matter
for name in $(grep -ohE '\$NATS_[A-Z_]*PASSWORD' deploy/nats/*.conf | tr -d '$' | sort -u); do
  export "$name=p$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')"
done
orders=300 waiting=10

say() { printf '\n== %s (%s s)\n' "$*" "$SECONDS"; }
fail() {
  echo "compose-test: $*" >&2
  "${compose[@]}" ps -a >&2 || true
  "${compose[@]}" logs --tail 20 >&2 || true
  exit 1
}
compose() { "${compose[@]}" "$@"; }
cli() { compose run --rm -T cli "$@"; }
get() { compose exec -T nats wget -qO- "$1"; } # from inside the network

# number JSON NAME prints the number behind a name.
number() { grep -oE "\"$2\": ?[0-9]+" <<<"$1" | head -n 1 | grep -oE '[0-9]+$'; }

run() { # run NAME FIRST_ORDER COMPOSE_FILES…
  local name=$1 first=$2
  shift 2
  compose=(docker compose "$@")
  trap 'compose down --volumes --timeout 5 >/dev/null 2>&1 || true' EXIT

  say "$name: start"
  compose up --build --wait --quiet-pull >/dev/null 2>&1 || fail "it does not start"
  get http://worker:8080/readyz || fail "the workers are not ready, though they are healthy"

  say "$name: $orders revocations at once and $waiting by approval, a worker killed on the way"
  { echo order_id; seq "$first" $((first + orders - 1)); } |
    cli submit revoke - --yes --incident "$name" --comments test --skip-approval || fail "submit"
  { echo order_id; seq -f '%.0f0' $((first + orders)) $((first + orders + waiting - 1)); } |
    cli submit revoke - --yes --incident "$name" --comments test || fail "submit"
  sleep 2
  compose kill --signal KILL worker >/dev/null 2>&1 # both
  compose up --detach --no-recreate --scale worker=1 >/dev/null 2>&1
  if [ "$name" = cluster ]; then
    sleep 2
    say "$name: a NATS server killed, and brought back"
    compose kill --signal KILL nats-2
    sleep 10
    compose up --detach --no-recreate --scale worker=1 >/dev/null 2>&1
  fi
  cli watch --incident "$name" --timeout 5m || fail "not all ended well"

  say "$name: counted"
  rows=$(cli status --incident "$name" --csv | tail -n +2 | wc -l)
  [ "$rows" = $((orders + waiting)) ] || fail "evidence of $rows commands, want $((orders + waiting))"
  stats=$(get http://simulator:8090/_sim/stats)
  echo "$stats"
  [ "$(number "$stats" effective)" = $((orders + waiting)) ] || fail "revocations that took effect"
  [ "$(number "$stats" over_limit)" = 0 ] || fail "calls over the limit"
  up=$(compose exec -T prometheus promtool query instant http://127.0.0.1:9090 'sum(certrecall_ready)')
  grep -q '=>' <<<"$up" || fail "Prometheus knows no worker: $up"
  docker stats --no-stream --format 'table {{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}' $(compose ps -q)
  compose down --volumes --timeout 40 >/dev/null 2>&1
}

run single 1000
run cluster 2000 -f docker-compose.yml -f deploy/docker-compose.cluster.yml
say "passed"
