"""Prints events as JSON lines: python events.py

NATS_URL says where and as whom, CONSUMER which durable consumer to read (default notifier; an operator has made it).
NATS_API_PREFIX is certrecall.api for a system with an account of its own. Needs nats-py.
"""

import asyncio
import json
import os

import nats
from nats.errors import TimeoutError


async def main() -> None:
    nc = await nats.connect(os.environ.get("NATS_URL", "nats://127.0.0.1:4222"))
    js = nc.jetstream(prefix=os.environ.get("NATS_API_PREFIX", "$JS.API"))
    events = await js.pull_subscribe_bind(os.environ.get("CONSUMER", "notifier"), "CERTRECALL_EVENTS")
    while True:
        try:
            messages = await events.fetch(10, timeout=30)
        except TimeoutError:
            continue  # nothing new
        for m in messages:
            attributes = {k: v for k, v in (m.headers or {}).items() if k.startswith("ce-")}
            print(json.dumps({"event": m.subject.split(".")[3], **attributes, "data": json.loads(m.data)}), flush=True)
            await m.ack()  # after the work is done: an event that is not acknowledged comes again


if __name__ == "__main__":
    asyncio.run(main())
