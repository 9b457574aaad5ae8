// Prints events as JSON lines: node events.mjs [--until <command-id>]
// With --until it ends at the final event of that command: exit code 0 if it went well, 1 if it failed.
// NATS_URL, NATS_USER and NATS_PASSWORD say where and as whom, CONSUMER which durable consumer to read (default
// `notifier`). NATS_API_PREFIX is `certrecall.api` for a system with an account of its own, whose consumer an
// operator has made; without it the consumer is made here if it is absent.
import { connect } from "@nats-io/transport-node";
import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";

const until = process.argv[2] === "--until" ? process.argv[3] : undefined;
const stream = "CERTRECALL_EVENTS";
const consumer = process.env.CONSUMER || "notifier";
const apiPrefix = process.env.NATS_API_PREFIX;

const nc = await connect({
  servers: (process.env.NATS_URL || "nats://127.0.0.1:4222").split(","),
  user: process.env.NATS_USER,
  pass: process.env.NATS_PASSWORD,
});
const options = apiPrefix ? { apiPrefix } : {};
if (!apiPrefix) {
  const manager = await jetstreamManager(nc);
  await manager.consumers.info(stream, consumer).catch(() =>
    manager.consumers.add(stream, { durable_name: consumer, ack_policy: AckPolicy.Explicit }));
}

const failures = new Set([
  "revoke-failed", "revoke-rejected", "revoke-cancelled", "list-duplicates-failed", "list-duplicates-cancelled", "command-rejected",
]);
let exitCode = 0;
const messages = await (await jetstream(nc, options).consumers.get(stream, consumer)).consume({ max_messages: 10 });
for await (const m of messages) {
  const event = m.subject.split(".")[3]; // <prefix>.evt.v1.<event>.<source>.<command-id>
  const data = m.json();
  const attributes = Object.fromEntries([...m.headers].filter(([k]) => k.startsWith("ce-")).map(([k, v]) => [k, v[0]]));
  console.log(JSON.stringify({ event, ...attributes, data }));
  m.ack(); // after the work is done: an event that is not acknowledged comes again
  if (data.final && data.command_id === until) {
    exitCode = failures.has(event) ? 1 : 0;
    break;
  }
}
await nc.drain();
process.exit(exitCode);
