"""Callers who hang up: a stream costs what was produced, a whole answer that nobody got costs nothing."""

import asyncio
import time

import httpx

from hub_e2e.calls import call, client
from hub_e2e.checks import equal, true
from hub_e2e.member import Member, micro, verify

STREAMS = 20
WORDS = 600
DELAY_MS = 25
# The sandbox goes on until the hub notices: one second of words, on a busy machine.
SLACK = 1000 // DELAY_MS
# A message costs its words and four tokens; orders to the sandbox are words too.
MARKS = 4


def run(checks, pair, hubs):
    """Streams and whole answers."""
    with checks.case(f"{pair.name}: {STREAMS} streams left in the middle cost what was produced"):
        member = Member(hubs[0], credits=10)
        orders = f"sandbox:delay={DELAY_MS} please go on"
        begun = time.monotonic()
        seen = asyncio.run(leave_streams(hubs, member, orders))
        balance = member.settled(hubs[0], within=5)
        true(time.monotonic() - begun < WORDS * DELAY_MS / 1000, "the streams ran to their end")
        charged = 0
        for one in seen:
            receipt = member.receipt(hubs[0], one.receipt)
            usage = receipt["usage"]
            equal((receipt["outcome"], receipt["usageSource"]), ("cancelled", "counted"), "outcome")
            equal(usage["input"], len(orders.split()) + 1 + MARKS, "prompt tokens")
            true(one.words <= usage["output"] <= one.words + SLACK, f"read {one.words} words, paid {usage['output']}")
            charged += micro(receipt["amount"])
        equal(balance, 10_000_000 - charged, "balance")
        verify(hubs[0])

    with checks.case(f"{pair.name}: a stream left before its first word costs the prompt"):
        member = Member(hubs[0], credits=10)
        one = asyncio.run(leave_early(hubs[0], member))
        member.settled(hubs[0], within=5)
        receipt = member.receipt(hubs[0], one.receipt)
        equal((receipt["outcome"], receipt["usage"]["input"]), ("cancelled", 2 + MARKS), "outcome and prompt tokens")
        true(receipt["usage"]["output"] <= 1, f"paid {receipt['usage']['output']} words")

    # The sandbox stops when nobody waits (docs/disconnects.md); a provider that goes on and bills is in the suite of the bill.
    with checks.case(f"{pair.name}: who leaves before a whole answer that is stopped then pays nothing"):
        member = Member(hubs[0], credits=10)
        asyncio.run(leave_whole(hubs[0], member))
        balance = member.settled(hubs[0], within=10)
        equal([row for row in member.history(hubs[0]) if row["kind"] == "usage"], [], "charges")
        equal(balance, 10_000_000, "balance")


async def leave_streams(hubs, member, orders):
    """Each caller reads another number of words."""
    async with client() as http:
        streams = (
            call(http, hubs[n % len(hubs)], member, orders, words=WORDS, stream=True, leave_after=3 * (n + 1))
            for n in range(STREAMS)
        )
        return await asyncio.gather(*streams)


async def leave_early(hub, member):
    """The provider took the prompt and began to answer; its first word comes a second later."""
    async with client() as http:
        return await call(http, hub, member, "sandbox:delay=1000", words=30, stream=True, leave_after=0)


async def leave_whole(hub, member):
    """Hangs up after half a second of two."""
    async with client() as http:
        waiting = call(http, hub, member, "sandbox:delay=50", words=40, stream=False)
        try:
            await asyncio.wait_for(waiting, 0.5)
        except (TimeoutError, httpx.TransportError):
            return
    raise AssertionError("the answer came too early")
