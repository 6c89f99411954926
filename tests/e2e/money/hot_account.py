"""200 calls at once on an account that can pay for exactly 50."""

import asyncio
import collections
from decimal import Decimal

from hub_e2e.calls import call, client
from hub_e2e.checks import equal
from hub_e2e.member import MICRO, Member, micro, verify

CALLS = 200
AFFORDABLE = 50
WORDS = 20


def run(checks, pair, hubs):
    """Over all hubs of the pair, half of the calls as streams."""
    with checks.case(f"{pair.name}: {CALLS} calls at once on {len(hubs)} hubs, credits for {AFFORDABLE}"):
        rich = Member(hubs[0], credits=1)
        costs = {asyncio.run(measure(hubs[0], rich, stream)) for stream in (False, True)}
        equal(len(costs), 1, "prices of the same words, streamed or not")
        cost = costs.pop()
        poor = Member(hubs[0], credits=Decimal(AFFORDABLE * cost) / MICRO)
        seen = asyncio.run(storm(hubs, poor))
        outcomes = collections.Counter((one.status, one.code) for one in seen)
        equal(outcomes, {(200, None): AFFORDABLE, (402, "INSUFFICIENT_CREDITS"): CALLS - AFFORDABLE}, "answers")
        good = [one for one in seen if one.status == 200]
        equal({(one.words, one.complete) for one in good}, {(WORDS, True)}, "what the paid calls got")
        equal(len({one.receipt for one in good}), AFFORDABLE, "receipts")
        for hub in hubs:
            equal(poor.balance(hub), (0, 0), f"(balance, held) at {hub.url}")
        for one in good:
            equal(micro(poor.receipt(hubs[-1], one.receipt)["amount"]), cost, "cost of a call")
        spent = [micro(row["amount"]) for row in poor.history(hubs[0]) if row["kind"] == "usage"]
        equal(spent, [-cost] * AFFORDABLE, "the ledger's rows")
        verify(hubs[0])


async def measure(hub, member, stream):
    """The cost of one call, in micro-credits."""
    before, _ = member.balance(hub)
    async with client() as http:
        seen = await call(http, hub, member, "", words=WORDS, stream=stream)
    equal((seen.status, seen.words, seen.complete), (200, WORDS, True), "the call that is measured")
    cost = before - member.settled(hub)
    equal(micro(member.receipt(hub, seen.receipt)["amount"]), cost, "the receipt of the call that is measured")
    return cost


async def storm(hubs, member):
    """All calls at once."""
    async with client() as http:
        calls = (
            call(http, hubs[number % len(hubs)], member, "", words=WORDS, stream=number % 2 == 0)
            for number in range(CALLS)
        )
        return await asyncio.gather(*calls)
