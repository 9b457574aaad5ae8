// Sends a recipe as it stands in its file: node send.mjs <gateway> <file.http>
// TOKEN, BASIC (user:password), SECRET (whsec_…) and HUB_SECRET fill its {{…}}.
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";

const [gateway, file] = process.argv.slice(2);
const { TOKEN = "", BASIC = "", SECRET = "", HUB_SECRET = "" } = process.env;
const [head, ...rest] = readFileSync(file, "utf8").split("\n\n");
const body = rest.join("\n\n").trimEnd();
const id = `msg_${Date.now()}`;
const timestamp = String(Math.floor(Date.now() / 1000));
const hmac = (key, text) => createHmac("sha256", key).update(text);
const values = {
  token: TOKEN,
  basic: Buffer.from(BASIC).toString("base64"),
  "webhook-id": id,
  "webhook-timestamp": timestamp,
  "webhook-signature": `v1,${hmac(Buffer.from(SECRET.replace("whsec_", ""), "base64"), `${id}.${timestamp}.${body}`).digest("base64")}`,
  "hub-signature": `sha256=${hmac(HUB_SECRET, body).digest("hex")}`,
};
const [request, ...lines] = head.replace(/\{\{([a-z-]+)\}\}/g, (_, name) => values[name]).split("\n");
const [method, path] = request.split(" ");
const headers = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]));
const answer = await fetch(gateway + path, { method, headers, body, signal: AbortSignal.timeout(10_000) });
console.log(answer.status, (await answer.text()).trim());
