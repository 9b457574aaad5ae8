"""Asks for the revocation of an order: python submit.py <command-id> <order-id> <comments…>

NATS_URL says where and as whom (nats://user:password@host:4222), SOURCE which system this is (default soar).
Needs nats-py.
"""

import asyncio
import json
import os
import sys

import nats


async def main(command_id: str, order_id: str, comments: str) -> None:
    source = os.environ.get("SOURCE", "soar")
    nc = await nats.connect(os.environ.get("NATS_URL", "nats://127.0.0.1:4222"))
    try:
        command = {
            "id": command_id,  # ours, unique for this source: sent again after a lost answer, nothing is done twice
            "order_id": order_id,
            "comments": comments,
            "revocation_reason": "superseded",
            "context": {"ticket": "INC-4711"},  # comes back unchanged in every event
        }
        ack = await nc.jetstream().publish(f"certrecall.cmd.v1.revoke.{source}", json.dumps(command).encode())
        if ack.duplicate:
            sys.exit("a Nats-Msg-Id of somebody else: the command was not taken")
        print(json.dumps({"command": command_id, "stream": ack.stream, "sequence": ack.seq}))
    finally:
        await nc.drain()


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit("usage: python submit.py <command-id> <order-id> <comments…>")
    asyncio.run(main(sys.argv[1], sys.argv[2], " ".join(sys.argv[3:])))
