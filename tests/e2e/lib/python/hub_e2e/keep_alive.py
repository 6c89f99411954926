"""One connection that asks one thing after the other, by hand: a client library would be what is measured."""

import asyncio
import json

from .member import MICRO

PATIENCE = 30.0


class KeepAlive:
    """An open connection to a hub."""

    def __init__(self, reader, writer):
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, hub):
        return cls(*await asyncio.open_connection(*hub.address))

    async def ask(self, request):
        """Sends the bytes of one request; raises unless the answer is 200, with a length."""
        self._writer.write(request)
        async with asyncio.timeout(PATIENCE):
            head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            said = await self._reader.readexactly(length)
        if not head.startswith(b"http/1.1 200"):
            raise AssertionError(f"{head!r} {said!r}")
        return said

    def close(self):
        self._writer.close()


def deduction(operator, member, amount):
    """The bytes of a deduction of so many micro-credits without a key."""
    body = json.dumps({"userId": member.id, "amount": amount / MICRO, "reason": "e2e"})
    return (f"POST /api/credits/deduct HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer {operator.key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}").encode()
