#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lines from standard input into NATS JetStream; each is confirmed by a line `OK` once JetStream has stored it.

    nats-publish.py nats://SERVER:4222[,nats://SERVER:4222]        (rsyslog starts it: rsyslog-nats.conf)

Whatever else is answered makes rsyslog keep the line and send it again. Its id is STREAM/SEQ, by which JetStream drops what
comes twice within the stream's duplicate_window; its subject oomwitness.TYPE.HOST. Needs nats-py (pip install nats-py).
"""

import asyncio
import json
import logging
import sys

import nats

SECONDS = 4  # less than the ten that rsyslog waits (confirmTimeout)


def address(line: bytes) -> tuple[str, dict[str, str]]:
    """Subject and headers. What is no line of ours is published as well, without an id."""
    try:
        event = json.loads(line)
        key, words = f"{event['stream']}/{event['seq']}", [event["type"], event["host"]]
    except (ValueError, TypeError, KeyError):
        return "oomwitness.unreadable", {}
    tokens = ["".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in str(word)) for word in words]
    return ".".join(["oomwitness", *tokens]), {"Nats-Msg-Id": key}


class Publisher:
    """One connection, which is made again where it broke."""

    def __init__(self, servers: list[str]):
        self.servers = servers
        self.client = None

    async def publish(self, line: bytes) -> None:
        if self.client is None:
            self.client = await nats.connect(self.servers, allow_reconnect=False, connect_timeout=SECONDS)
        subject, headers = address(line)
        await self.client.jetstream().publish(subject, line, timeout=SECONDS, headers=headers)

    async def drop(self) -> None:
        client, self.client = self.client, None
        if client:
            await client.close()


async def main() -> None:
    publisher = Publisher(sys.argv[1].split(","))
    print("OK", flush=True)  # ready
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
        try:
            await asyncio.wait_for(publisher.publish(line.rstrip(b"\n")), 2 * SECONDS)
            answer = "OK"
        except (nats.errors.Error, OSError, TimeoutError, asyncio.TimeoutError) as error:
            await publisher.drop()
            answer = f"{type(error).__name__}: {error}".replace("\n", " ")
        print(answer, flush=True)


if __name__ == "__main__":
    logging.disable()
    asyncio.run(main())
