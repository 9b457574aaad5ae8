// A bridge for ticketing systems that speak HTTP and not NATS: node bridge.mjs
//
//   in:  POST /revocations {"ticket": "INC-4711", "order_id": 123, "comments": "…", "reason": "keyCompromise"}
//        with the header Authorization: Bearer $BRIDGE_TOKEN. 202 once the command is stored, 503 if it is not: repeat it,
//        the command id is made of ticket and order, so nothing is done twice.
//   out: each event of this system's commands as a POST to $TICKET_URL, repeated until that answers 2xx.
//
// SOURCE is the system's name, also that of its consumer (default `servicenow`), PORT where it listens (8085); site.mjs
// says the rest. Put it behind a proxy that does TLS.
import { createServer } from "node:http";
import { timingSafeEqual } from "node:crypto";
import { jetstream } from "@nats-io/jetstream";
import { eventsFor, open } from "./site.mjs";

const { BRIDGE_TOKEN, TICKET_URL, SOURCE: source = "servicenow" } = process.env;
if (!BRIDGE_TOKEN || !TICKET_URL) throw new Error("set BRIDGE_TOKEN and TICKET_URL");

const nc = await open();
const js = jetstream(nc);

function allowed(request) {
  const given = Buffer.from(request.headers.authorization || "");
  const want = Buffer.from(`Bearer ${BRIDGE_TOKEN}`);
  return given.length === want.length && timingSafeEqual(given, want);
}

async function read(request) {
  let body = "";
  for await (const chunk of request) {
    body += chunk;
    if (body.length > 64 * 1024) throw new RangeError("body too large");
  }
  return JSON.parse(body);
}

// The order is named once more in the id: a ticket may be about several.
function commandOf({ ticket, order_id, comments, reason }) {
  const id = `${ticket}-${order_id}`;
  if (!/^[A-Za-z0-9_-]{1,128}$/.test(id)) throw new SyntaxError("ticket and order_id must be letters, digits, - and _");
  return { id, order_id, comments, revocation_reason: reason, requested_by: source, context: { ticket } };
}

const server = createServer(async (request, response) => {
  const answer = (status, body) => response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
  if (request.method !== "POST" || request.url !== "/revocations") return answer(404, { error: "POST /revocations" });
  if (!allowed(request)) return answer(401, { error: "wrong token" });
  let command;
  try {
    command = commandOf(await read(request));
  } catch (error) {
    return answer(400, { error: error.message });
  }
  try {
    await js.publish(`certrecall.cmd.v1.revoke.${source}`, JSON.stringify(command));
    answer(202, { command: command.id });
  } catch (error) {
    answer(503, { error: `not stored, try again: ${error.message}` });
  }
});
server.listen(Number(process.env.PORT ?? 8085), () => console.log(`listening on port ${server.address().port}`));

const consumer = await eventsFor(nc, source, `certrecall.evt.v1.*.${source}.*`);
for await (const m of await consumer.consume({ max_messages: 1 })) {
  const data = m.json();
  const event = m.subject.split(".")[3];
  try {
    const told = await fetch(TICKET_URL, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ ticket: data.context?.ticket, event, final: data.final, order_id: data.order_id, request_id: data.request_id, error: data.error }),
      signal: AbortSignal.timeout(10_000),
    });
    if (!told.ok) throw new Error(`HTTP ${told.status}`);
    m.ack();
  } catch (error) {
    console.error(`telling ${event} of ${data.command_id}: ${error.message}`);
    m.nak(5_000);
  }
}
