// Takes what the gateway delivers, and checks who it is from: node receiver.mjs
// SECRET is that of the delivery (whsec_…), PORT where it listens (8086). Prints each event as a JSON line. Answer 2xx
// only once the event is safe with you: the gateway sends it again until then, always with the same webhook-id.
import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

const webhook = new Webhook(process.env.SECRET);
const seen = new Set(); // of a real receiver: in its database

const server = createServer(async (request, response) => {
  let body = "";
  for await (const chunk of request) {
    body += chunk;
    if (body.length > 2 ** 21) return response.writeHead(413).end();
  }
  try {
    webhook.verify(body, request.headers); // also that it is not older than five minutes
  } catch {
    return response.writeHead(401).end();
  }
  const id = request.headers["webhook-id"];
  if (!seen.has(id)) {
    seen.add(id);
    console.log(JSON.stringify({ id, type: request.headers["ce-type"], subject: request.headers["ce-subject"], data: JSON.parse(body) }));
  }
  response.writeHead(204).end();
});
server.listen(Number(process.env.PORT ?? 8086), "127.0.0.1", () => console.log(`listening on port ${server.address().port}`));
