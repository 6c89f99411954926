"""A TCP proxy between a hub and its database that can be cut: an outage as the hub sees it, while the suite still reads the database."""

import asyncio
import contextlib
import threading

PIECE = 64 * 1024
WITHIN = 10.0


class Proxy:
    """Passes bytes on until it is cut. Its loop has a thread of its own."""

    def __init__(self, target):
        self.target = target
        self.port = 0
        self._silent = False
        self._server = None
        self._writers = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def open(self):
        """Listens; after a cut on the same port as before. Connections that hung in a silence are ended."""
        self._do(self._open())
        return self

    def refuse(self):
        """Ends all connections and takes no new ones, as a server does that is stopped."""
        self._do(self._refuse())

    def fall_silent(self):
        """Takes connections and bytes and passes nothing on, as a network does that lost its way."""
        self._silent = True

    def close(self):
        """Ends the proxy."""
        self.refuse()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WITHIN)

    def _do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(WITHIN)

    async def _open(self):
        if self._silent:
            await self._refuse()
            self._silent = False
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _refuse(self):
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader, writer):
        self._writers.add(writer)
        try:
            there, answer = await asyncio.open_connection(*self.target)
            self._writers.add(answer)
            try:
                await asyncio.gather(self._pass(reader, answer), self._pass(there, writer))
            finally:
                answer.close()
                self._writers.discard(answer)
        except OSError:
            pass
        finally:
            writer.close()
            self._writers.discard(writer)

    async def _pass(self, reader, writer):
        while piece := await reader.read(PIECE):
            if not self._silent:
                writer.write(piece)
                await writer.drain()
        # The other side of this connection learns that it ended.
        writer.close()


@contextlib.contextmanager
def before(target):
    """An open proxy before `(host, port)`."""
    proxy = Proxy(target).open()
    try:
        yield proxy
    finally:
        proxy.close()
