#!/usr/bin/env bash
# Runs the examples against certrecall-dev and checks what they say: JavaScript and Go as producers and consumers, and
# the bridge with a ticketing system of a few lines. Free ports, a store of its own, nothing left behind.
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

"$work/certrecall-dev" --store-dir "$work/store" --nats-port 0 --http-port 0 --simulator-port 0 --auto-decide 1s >"$work/dev.log" 2>&1 &
started+=($!)
NATS_URL=$(until_found 'nats://[0-9.:]+' "$work/dev.log")
export NATS_URL

echo "== JavaScript"
cd deploy/examples/javascript
node submit.mjs js-1 4711 replaced
timeout 60 node events.mjs --until js-1 >"$work/js.log" || fail "node events.mjs: exit code $?"
until_found '"event":"revoked".*"ce-type":"certrecall.revoked.v1"|"ce-type":"certrecall.revoked.v1"' "$work/js.log"
until_found '"context":\{"ticket":"INC-4711"\}' "$work/js.log"

echo "== Go"
"$work/submit" go-1 4712 replaced
"$work/events" >"$work/go.log" 2>&1 &
started+=($!)
until_found 'revoked: order 4712, command go-1.*INC-4711' "$work/go.log"

echo "== bridge for HTTP"
node -e '
  require("http").createServer((request, response) => {
    request.on("data", (chunk) => process.stdout.write(chunk)).on("end", () => { console.log(); response.end(); });
  }).listen(0, "127.0.0.1", function () { console.log("tickets at " + this.address().port); });
' >"$work/tickets.log" 2>&1 &
started+=($!)
ticket_port=$(until_found 'tickets at [0-9]+' "$work/tickets.log")
export BRIDGE_TOKEN=example-token TICKET_URL=http://127.0.0.1:${ticket_port##* }/
PORT=0 node bridge.mjs >"$work/bridge.log" 2>&1 &
started+=($!)
bridge_port=$(until_found 'port [0-9]+' "$work/bridge.log")
bridge=http://127.0.0.1:${bridge_port##* }/revocations
post() { node -e '
  fetch(process.argv[1], { method: "POST", headers: { Authorization: "Bearer " + process.argv[2] }, body: process.argv[3] })
    .then(async (answer) => console.log(answer.status, await answer.text()));' "$bridge" "$@"; }
ticket='{"ticket": "INC-7", "order_id": 4713, "comments": "replaced", "reason": "superseded"}'
[[ $(post wrong-token "$ticket") == 401* ]] || fail "the bridge takes a wrong token"
[[ $(post example-token 'no json') == 400* ]] || fail "the bridge takes nonsense"
[[ $(post example-token "$ticket") == '202 {"command":"INC-7-4713"}' ]] || fail "the bridge takes no revocation"
until_found '\{"ticket":"INC-7","event":"revoked","final":true,"order_id":4713' "$work/tickets.log"

echo "== Python compiles"
if command -v python3 >/dev/null; then
  cd ../python && PYTHONPYCACHEPREFIX="$work/pycache" python3 -m py_compile submit.py events.py
fi
