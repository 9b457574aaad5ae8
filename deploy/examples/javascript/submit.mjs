// Asks for the revocation of an order: node submit.mjs <command-id> <order-id> <comments…>
// NATS_URL, NATS_USER and NATS_PASSWORD say where and as whom, SOURCE which system this is (default `soar`).
import { connect } from "@nats-io/transport-node";
import { jetstream } from "@nats-io/jetstream";

const [id, orderId, ...words] = process.argv.slice(2);
if (!words.length) {
  console.error("usage: node submit.mjs <command-id> <order-id> <comments…>");
  process.exit(2);
}
const source = process.env.SOURCE || "soar";

const nc = await connect({
  servers: (process.env.NATS_URL || "nats://127.0.0.1:4222").split(","),
  user: process.env.NATS_USER,
  pass: process.env.NATS_PASSWORD,
});

const command = {
  id, // ours, unique for this source: sent again after a lost answer, nothing is done twice
  order_id: orderId,
  comments: words.join(" "),
  revocation_reason: "superseded",
  requested_by: "on-call",
  context: { ticket: "INC-4711" }, // comes back unchanged in every event
};

try {
  const ack = await jetstream(nc).publish(`certrecall.cmd.v1.revoke.${source}`, JSON.stringify(command));
  if (ack.duplicate) throw new Error("a Nats-Msg-Id of somebody else: the command was not taken");
  console.log(JSON.stringify({ command: id, stream: ack.stream, sequence: ack.seq }));
} finally {
  await nc.drain();
}
