"""A running stream whose connection is lost is read on at another process, from any event, and is byte for byte the stream it would have been.
Nobody else can read it."""

import asyncio
import json
import re
import secrets

import httpx
import websockets.asyncio.client as websocket

from hub_e2e import pairs
from hub_e2e.checks import Checks, equal, true
from hub_e2e.member import Member, books, verify

WORDS = 12
DELAY_MS = 150
PATIENCE = 60.0
AT_ONCE = 8
SOCKET_WORDS = 60
TEXT = f"sandbox:words={WORDS} sandbox:delay={DELAY_MS} go on"
WIRES = {
    "chat": ("/v1/chat/completions", {"messages": [{"role": "user", "content": TEXT}]}),
    "messages": ("/v1/messages", {"max_tokens": 50, "messages": [{"role": "user", "content": TEXT}]}),
    "responses": ("/v1/responses", {"input": TEXT}),
}
# What differs between two calls that are the same otherwise: their ids and when they were made.
NAMES = re.compile(rb"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}|(?:chatcmpl|msg|resp)[-_][0-9A-Za-z]+")
MOMENTS = re.compile(rb'"(created|created_at|completed_at)":[0-9.]+')


class Wire:
    """One of the interfaces for streams, at three processes: where calls are made, where they are read on, and where they are read again."""

    def __init__(self, http, hubs, member, name):
        self.http, self.member = http, member
        self.first, self.second, self.third = hubs
        self.path, self.body = WIRES[name]

    async def begin(self, hub, resume=True):
        """A call; its answer is open."""
        headers = {"authorization": f"Bearer {self.member.key}", "anthropic-version": "2023-06-01"} | ({"x-hub-resume": "1"} if resume else {})
        request = self.http.build_request("POST", f"{hub.url}{self.path}", json=self.body | {"model": "sandbox", "stream": True}, headers=headers)
        answer = await self.http.send(request, stream=True)
        equal(answer.status_code, 200, "a call")
        return answer

    async def whole(self):
        """The bytes of a call that is not cut."""
        answer = await self.begin(self.first)
        return await answer.aread()

    def again(self, hub, stream, after=None, member=None):
        """A request for a stream, from its start or after an event."""
        headers = {"authorization": f"Bearer {(member or self.member).key}"}
        if after is not None:
            headers["last-event-id"] = f"{stream}:{after}"
        return self.http.get(f"{hub.url}/v1/streams/{stream}", headers=headers)


def plain(stream):
    """The bytes without what differs between two calls."""
    return MOMENTS.sub(rb'"\1":0', NAMES.sub(b"NAME", stream))


def ends(stream):
    """Where each event ends."""
    return [found.end() for found in re.finditer(rb"\n\n", stream)]


async def cut(answer, events):
    """Reads so many events and hangs up; what came after them is lost."""
    read = b""
    pieces = answer.aiter_raw()
    while len(ends(read)) < events:
        read += await anext(pieces)
    await answer.aclose()
    return read[:([0] + ends(read))[events]]


def is_held(pair, stream):
    """Whether the call still runs."""
    mark = stream.replace("'", "")
    return pair.rows(f"SELECT COUNT(*) FROM credit_holds WHERE status = 'held' AND id = '{mark}'")[0][0] == 1


async def one_cut(pair, wire, uncut, events):
    """A call of its own, cut after so many events; whether it was running when it was read on."""
    answer = await wire.begin(wire.first)
    stream = answer.headers["x-hub-stream"]
    begun = await cut(answer, events)
    running = await asyncio.to_thread(is_held, pair, stream)
    rest = await wire.again(wire.second, stream, events)
    equal(rest.status_code, 200, f"cut after event {events}")
    equal(plain(begun + rest.content), plain(uncut), f"a stream cut after event {events}, against one that is not")
    kept = await wire.again(wire.third, stream)
    equal(begun + rest.content, kept.content, f"a stream cut after event {events}, against itself from its start")
    return running


async def wire_checks(checks, pair, hubs, name, member, stranger):
    """Every boundary of one wire."""
    async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as http:
        wire = Wire(http, hubs, member, name)
        with checks.case(f"{name}: a stream cut after any event while it runs and read on at another process is the same, byte for byte"):
            uncut = await wire.whole()
            count, room = len(ends(uncut)), asyncio.Semaphore(AT_ONCE)
            true(count > WORDS, f"only {count} events")

            async def limited(events):
                async with room:
                    return await one_cut(pair, wire, uncut, events)

            running = await asyncio.gather(*(limited(events) for events in range(count + 1)))
            print(f"       {name}: {count} events, {sum(running)} of {count + 1} cuts while the call was running", flush=True)
            true(sum(running) >= count / 2, f"only {sum(running)} of {count + 1} calls were running")
        with checks.case(f"{name}: a recorded stream differs from a plain one in its ids only"):
            answer = await wire.begin(wire.first, resume=False)
            without = b"".join(line for line in uncut.splitlines(keepends=True) if not line.startswith(b"id: "))
            equal(plain(await answer.aread()), plain(without), "bytes")
        with checks.case(f"{name}: a running stream is nobody else's, at any process"):
            answer = await wire.begin(wire.first)
            stream = answer.headers["x-hub-stream"]
            await cut(answer, 2)
            for hub in hubs:
                for after in (None, 2):
                    equal((await wire.again(hub, stream, after, stranger)).status_code, 404, f"another's stream at {hub.url}")
            true(await asyncio.to_thread(is_held, pair, stream), "the call was over too early")
            equal(plain((await wire.again(wire.third, stream)).content), plain(uncut), "its owner's stream")


class Socket:
    """A WebSocket of a member."""

    def __init__(self, hub, member):
        self.opening = websocket.connect(f"{hub.url.replace('http', 'ws', 1)}/api/ws", proxy=None, open_timeout=PATIENCE,
                                         additional_headers={"authorization": f"Bearer {member.key}"})

    async def __aenter__(self):
        self.connection = await self.opening
        return self

    async def __aexit__(self, *_):
        # No goodbye: the connection is lost.
        self.connection.transport.abort()

    async def send(self, **frame):
        await self.connection.send(json.dumps(frame))

    async def next(self):
        return json.loads(await asyncio.wait_for(self.connection.recv(), PATIENCE))

    async def to_the_end(self):
        """Frames until one that is no chunk."""
        frames = [await self.next()]
        while frames[-1]["type"] == "chunk":
            frames.append(await self.next())
        return frames


async def socket_checks(checks, pair, hubs, member, stranger):
    """The same over WebSockets, from a few places."""
    with checks.case("websocket: a stream of a lost socket is read on at another process, by its owner only"):
        for events in (1, 7, SOCKET_WORDS // 2):
            name = f"r-{secrets.token_hex(4)}"
            text = f"sandbox:words={SOCKET_WORDS} sandbox:delay=40 go on"
            async with Socket(hubs[0], member) as socket:
                await socket.send(id=name, type="chat", provider="auto", model="sandbox", stream=True, resume=True,
                                  messages=[{"role": "user", "content": text}])
                begun = [await socket.next() for _ in range(events)]
            after = begun[-1]["event"]
            async with Socket(hubs[1], stranger) as socket:
                await socket.send(type="resume", id=name, after=after)
                equal((await socket.next())["error"]["code"], "NOT_FOUND", "another's stream")
            true(await asyncio.to_thread(is_held, pair, after.split(":")[0]), "the call was over too early")
            async with Socket(hubs[1], member) as socket:
                await socket.send(type="resume", id=name, after=after)
                frames = begun + await socket.to_the_end()
            stream = after.split(":")[0]
            equal([frame["event"] for frame in frames], [f"{stream}:{n + 1}" for n in range(len(frames))], "events")
            equal((frames[-1]["type"], frames[-1]["usage"]["completionTokens"]), ("done", SOCKET_WORDS), "the last frame")
            async with Socket(hubs[2], member) as socket:
                await socket.send(type="resume", id=name, after=f"{stream}:0")
                equal(await socket.to_the_end(), frames, "the stream from its start")


async def all_checks(checks, pair, hubs, member, stranger):
    for name in WIRES:
        await wire_checks(checks, pair, hubs, name, member, stranger)
    await socket_checks(checks, pair, hubs, member, stranger)


def main():
    checks = Checks()
    with pairs.shared() as pair:
        with checks.case("the suite runs to its end"):
            hubs = [pair.hub().start() for _ in range(3)]
            member, stranger = Member(hubs[0], credits=100), Member(hubs[0], credits=100)
            asyncio.run(all_checks(checks, pair, hubs, member, stranger))
            with checks.case("each call was charged once, and nothing went wrong"):
                member.settled(hubs[0])
                charges = [row["receiptId"] for row in books(member, hubs[0]) if row["kind"] == "usage"]
                equal(len(set(charges)), len(charges), "charges")
                outcomes = {row[0] for row in pair.rows("SELECT DISTINCT outcome FROM receipts")}
                equal(outcomes, {"completed"}, "outcomes of the calls")
                equal([row for row in books(stranger, hubs[0]) if row["kind"] == "usage"], [], "charges of the stranger")
                verify(hubs[0])
                equal([line for hub in hubs for line in hub.errors() + hub.panics()], [], "errors in the log")
            for hub in hubs:
                equal(hub.stop(), 0, "exit code")
    checks.finish()


if __name__ == "__main__":
    main()
