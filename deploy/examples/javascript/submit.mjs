// Asks for the revocation of an order: node submit.mjs <command-id> <order-id> <comments…>
// NATS_URL, NATS_USER and NATS_PASSWORD say where and as whom, SOURCE which system this is (default `soar`), INCIDENT
// which incident it belongs to (default none).
import { jetstream } from "@nats-io/jetstream";
import { open } from "./site.mjs";

const [id, orderId, ...words] = process.argv.slice(2);
if (!words.length) {
  console.error("usage: node submit.mjs <command-id> <order-id> <comments…>");
  process.exit(2);
}
const command = {
  id, // ours, unique for this source and incident: sent again after a lost answer, nothing is done twice
  incident: process.env.INCIDENT || undefined, // left out of the JSON where there is none
  order_id: orderId,
  comments: words.join(" "),
  revocation_reason: "superseded",
  requested_by: "on-call",
  context: { ticket: "INC-4711" }, // comes back unchanged in every event
};
const nc = await open();
try {
  const ack = await jetstream(nc).publish(`certrecall.cmd.v1.revoke.${process.env.SOURCE || "soar"}`, JSON.stringify(command));
  if (ack.duplicate) throw new Error("a Nats-Msg-Id of somebody else: the command was not taken");
  console.log(JSON.stringify({ command: id, stream: ack.stream, sequence: ack.seq }));
} catch (error) {
  console.error(`not stored, so not taken: ${error.message} (no responders: may this user send for this source?)`);
  process.exitCode = 1;
} finally {
  await nc.drain();
}
