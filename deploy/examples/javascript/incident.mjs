// Follows one incident by its subject alone: node incident.mjs <incident> [--until <number of final events>]
// It prints one line an event, everything so far first, and ends after as many final events as --until says. What an
// incident costs to read grows with that incident, not with the history. It needs the right to make a consumer (an
// operator's); a system with an account of its own reads a durable one with the same filter, as events.mjs does.
import { jetstream } from "@nats-io/jetstream";
import { open } from "./site.mjs";

const [incident, flag, count] = process.argv.slice(2);
if (!/^[A-Za-z0-9_-]{1,64}$/.test(incident ?? "") || incident === "-" || (flag && !(flag === "--until" && Number(count) > 0))) {
  console.error("usage: node incident.mjs <incident> [--until <number of final events>]");
  process.exit(2);
}
let left = flag ? Number(count) : Infinity;

const nc = await open();
const consumer = await jetstream(nc).consumers.get("CERTRECALL_EVENTS", { filter_subjects: [`certrecall.evt.v1.*.*.${incident}.*`] });
for await (const m of await consumer.consume({ max_messages: 100 })) {
  const [, , , event, source, , id] = m.subject.split("."); // <prefix>.evt.v1.<event>.<source>.<incident>.<command-id>
  const { order_id, final, error } = m.json();
  console.log(JSON.stringify({ command: `${source}/${incident}/${id}`, event, order_id, final, error: error?.type }));
  if (final && --left === 0) break;
}
await nc.drain();
