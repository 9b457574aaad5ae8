// Makes commands of alerts as Alertmanager sends them: paste toCommands into an n8n Code node behind its webhook, or run
//   node alerts.mjs <alerts.json | while read -r command; do curl … -d "$command" "$GATEWAY/v1/commands/list-duplicates"; done
// The label order_id names the order. The id is made of the alert and its start, so an alert that is sent again (every
// repeat_interval) is the same command, and one that fires anew is another.
import { pathToFileURL } from "node:url";
import { text } from "node:stream/consumers";

export function toCommands(payload) {
  return payload.alerts
    .filter((alert) => alert.status === "firing" && alert.labels.order_id)
    .map((alert) => ({
      id: `alert-${alert.fingerprint}-${Date.parse(alert.startsAt)}`,
      order_id: alert.labels.order_id,
      context: { alertname: alert.labels.alertname, group: payload.groupKey },
    }));
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const command of toCommands(JSON.parse(await text(process.stdin)))) console.log(JSON.stringify(command));
}
