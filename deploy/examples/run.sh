#!/usr/bin/env bash
# Runs the examples against certrecall-dev and checks what they say: JavaScript and Go as producers and consumers, and
# the gateway with what other tools send and a receiver that verifies. Free ports, a store of its own, nothing left behind.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
started=()
cleanup() {
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait
  rm -rf "$work"
}
trap cleanup EXIT

fail() {
  echo "examples: $*" >&2
  tail -n 20 "$work"/*.log >&2
  exit 1
}

# until_found PATTERN FILE prints the first match, within 30 seconds.
until_found() {
  for _ in $(seq 300); do
    grep -m1 -oE "$1" "$2" 2>/dev/null && return
    sleep 0.1
  done
  fail "no $1 in $(basename "$2")"
}

go build -o "$work/" ./cmd/certrecall-dev ./deploy/examples/go/submit ./deploy/examples/go/events
(cd deploy/examples/javascript && npm ci --silent --no-audit --no-fund)

mkdir -p "$work/store/gateway"
SECRET=whsec_$(head -c 32 /dev/urandom | base64 -w 0)
printf %s "$SECRET" >"$work/store/gateway/webhook"
(cd deploy/examples/javascript && SECRET=$SECRET PORT=0 exec node receiver.mjs >"$work/receiver.log" 2>&1) &
started+=($!)
receiver_port=$(until_found 'port [0-9]+' "$work/receiver.log")
"$work/certrecall-dev" --store-dir "$work/store" --nats-port 0 --http-port 0 --simulator-port 0 --gateway-port 0 --auto-decide 1s \
  --webhook "http://127.0.0.1:${receiver_port##* }/" >"$work/dev.log" 2>&1 &
started+=($!)
NATS_URL=$(until_found 'nats://[0-9.:]+' "$work/dev.log")
export NATS_URL SECRET
GATEWAY=$(until_found 'http://[0-9.:]+/openapi' "$work/dev.log")
GATEWAY=${GATEWAY%/openapi}
TOKEN=$(until_found 'bearer token [A-Za-z0-9_-]+' "$work/dev.log")
export TOKEN=${TOKEN##* }
post_json() { # post_json LANE BODY
  node -e '
    fetch(process.argv[1], { method: "POST", headers: { Authorization: "Bearer " + process.env.TOKEN, "Content-Type": "application/json" }, body: process.argv[2] })
      .then(async (answer) => console.log(answer.status, await answer.text()));' "$GATEWAY/v1/commands/$1" "$2"
}

echo "== JavaScript"
cd deploy/examples/javascript
node submit.mjs js-1 4711 replaced
timeout 60 node events.mjs --until js-1 >"$work/js.log" || fail "node events.mjs: exit code $?"
until_found '"event":"revoked".*"ce-type":"certrecall.revoked.v1"|"ce-type":"certrecall.revoked.v1"' "$work/js.log"
until_found '"context":\{"ticket":"INC-4711"\}' "$work/js.log"

echo "== One incident by its subject alone"
INCIDENT=INC-1 node submit.mjs same 4714 replaced
INCIDENT=INC-2 node submit.mjs same 4714 replaced
timeout 60 node incident.mjs INC-2 --until 1 >"$work/incident.log" || fail "node incident.mjs: exit code $?"
until_found '\{"command":"soar/INC-2/same","event":"revoked","order_id":4714,"final":true\}' "$work/incident.log"
! grep -v '"command":"soar/INC-2/same"' "$work/incident.log" || fail "events of another incident"
node incident.mjs - 2>/dev/null && fail "an incident may not be named -"

echo "== Go"
"$work/submit" go-1 4712 replaced
"$work/events" >"$work/go.log" 2>&1 &
started+=($!)
until_found 'revoked: order 4712, command go-1.*INC-4711' "$work/go.log"

echo "== gateway: every recipe, alerts, and events verified by another library"
cd ..
recipe() { # recipe FILE sends what the tool would send, and prints the answer
  node gateway/send.mjs "$GATEWAY" "$1"
}
answer=$(recipe gateway/curl.http)
[[ $answer == '202 {"command":"web/INC-4711/INC-4711-1"'* ]] || fail "curl.http: $answer"
for file in gateway/*.http; do
  answer=$(BASIC=scripts:example-password HUB_SECRET=example-hub-secret-of-32-characters recipe "$file")
  case $file in
  */servicenow.http | */hub.http) [[ $answer == 401* ]] || fail "$file, whose credential certrecall-dev does not know: $answer" ;;
  *) [[ $answer == '202 {"command":"web/'* ]] || fail "$file: $answer" ;;
  esac
done
commands=$(node gateway/alerts.mjs <gateway/alerts.json)
[[ $commands == '{"id":"alert-b4f7d6a1c2e3f405-1772935200000","order_id":"4718"'* ]] || fail "alerts: $commands"
answer=$(post_json list-duplicates "$commands")
[[ $answer == '202 {"command":"web/alert-b4f7d6a1c2e3f405-1772935200000"'* ]] || fail "alerts: $answer"
answer=$(post_json revoke '{"id":"x","order_id":1,"comments":"x","skip_aproved":true}')
[[ $answer == 400*'"field":"skip_aproved"'* ]] || fail "a misspelt field: $answer"
until_found '"type":"certrecall.revoked.v1","subject":"order/4711","data":\{"command_id":"INC-4711-1"' "$work/receiver.log"
cd javascript

echo "== Python compiles"
if command -v python3 >/dev/null; then
  cd ../python && PYTHONPYCACHEPREFIX="$work/pycache" python3 -m py_compile submit.py events.py
fi
