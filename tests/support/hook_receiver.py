"""A webhook receiver as a process of its own, fast enough to measure with.

`python hook_receiver.py LOG [PORT]` prints its port and appends to LOG one line a message: seconds since the epoch,
path, webhook-id, and the `n` of its data. The path says how it answers: /ok, /status/503, /slow/1.5 (seconds),
/reset, /big (10 MB), /gone, /asks/30 (429 with Retry-After). Twilio's addresses of messages take and list messages;
their line has the path /sms, the id of the message and its text.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from email.utils import formatdate
from typing import Any, ClassVar
from urllib.parse import parse_qsl

import httptools

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BIG = b"x" * 10_000_000


class Receiver(asyncio.Protocol):
    log: Any = None
    messages: ClassVar[list[dict[str, Any]]] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_begin(self) -> None:
        self.headers: dict[bytes, bytes] = {}
        self.body = b""

    def on_url(self, url: bytes) -> None:
        self.path = url.decode()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        if self.path.startswith("/2010-04-01/"):
            self._twilio()
            return
        number = json.loads(self.body)["data"]["data"].get("n", "-")
        self.log.write(f"{time.time():.6f} {self.path} {self.headers.get(b'webhook-id', b'-').decode()} {number}\n")
        self.log.flush()
        kind, _, argument = self.path.lstrip("/").partition("/")
        if kind == "slow":
            asyncio.get_running_loop().call_later(float(argument), self.transport.write, ANSWER)
        elif kind == "reset":
            self.transport.abort()
        elif kind == "big":
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BIG) + BIG)
        elif kind == "status":
            self.transport.write(b"HTTP/1.1 %b Said\r\nContent-Length: 0\r\n\r\n" % argument.encode())
        elif kind == "gone":
            self.transport.write(b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n")
        elif kind == "asks":
            answer = b"HTTP/1.1 429 Slow\r\nRetry-After: %b\r\nContent-Length: 0\r\n\r\n"
            self.transport.write(answer % argument.encode())
        else:
            self.transport.write(ANSWER)

    def _twilio(self) -> None:
        status = b"200 OK" if self.parser.get_method() == b"GET" else b"201 Created"
        if status == b"200 OK":
            answer: dict[str, Any] = {"messages": self.messages[::-1], "next_page_uri": None}
        else:
            form = dict(parse_qsl(self.body.decode()))
            answer = {
                "sid": f"SM{len(self.messages):032x}",
                "status": "queued",
                "body": form["Body"],
                "to": form["To"],
                "date_created": formatdate(time.time(), usegmt=False, localtime=False),
            }
            self.messages.append(answer)
            self.log.write(f"{time.time():.6f} /sms {answer['sid']} {form['Body']}\n")
            self.log.flush()
        text = json.dumps(answer).encode()
        head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        # A moment between taking and answering: the moment in which a sender may die.
        asyncio.get_running_loop().call_later(0.03, self.transport.write, head % (status, len(text)) + text)


async def _serve(log: str, port: int) -> None:
    # Open for as long as the process lives.
    Receiver.log = open(log, "a", encoding="utf-8")  # noqa: SIM115
    server = await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", port)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0))
