// Prints events as JSON lines: node events.mjs [--until <command-id>]
// With --until it ends at the final event of that command: exit code 0 if it went well, 1 if it failed.
// CONSUMER says which durable consumer to read (default `notifier`); site.mjs says the rest.
import { eventsFor, open } from "./site.mjs";

const until = process.argv[2] === "--until" ? process.argv[3] : undefined;
const failures = new Set([
  "revoke-failed", "revoke-rejected", "revoke-cancelled", "list-duplicates-failed", "list-duplicates-cancelled", "command-rejected",
]);

const nc = await open();
const consumer = await eventsFor(nc, process.env.CONSUMER || "notifier");
for await (const m of await consumer.consume({ max_messages: 10 })) {
  const event = m.subject.split(".")[3]; // <prefix>.evt.v1.<event>.<source>.<incident>.<command-id>
  const data = m.json();
  const attributes = Object.fromEntries([...m.headers].filter(([k]) => k.startsWith("ce-")).map(([k, v]) => [k, v[0]]));
  console.log(JSON.stringify({ event, ...attributes, data }));
  m.ack(); // after the work is done: an event that is not acknowledged comes again
  if (data.final && data.command_id === until) {
    process.exitCode = failures.has(event) ? 1 : 0;
    break;
  }
}
await nc.drain();
