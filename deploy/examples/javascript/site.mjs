// What the examples share: where NATS is, and the durable consumer of events.
import { connect } from "@nats-io/transport-node";
import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";

const stream = "CERTRECALL_EVENTS";
const { NATS_URL = "nats://127.0.0.1:4222", NATS_USER: user, NATS_PASSWORD: pass, NATS_API_PREFIX: apiPrefix } = process.env;

export function open() {
  return connect({ servers: NATS_URL.split(","), user, pass, maxReconnectAttempts: -1 });
}

// A system with an account of its own sets NATS_API_PREFIX, and its consumer has been made by an operator. Without it
// we may look and make it ourselves.
export async function eventsFor(nc, name, filter) {
  if (!apiPrefix) {
    const manager = await jetstreamManager(nc);
    await manager.consumers.info(stream, name).catch(() =>
      manager.consumers.add(stream, { durable_name: name, ack_policy: AckPolicy.Explicit, filter_subject: filter }));
  }
  return jetstream(nc, apiPrefix ? { apiPrefix } : {}).consumers.get(stream, name);
}
