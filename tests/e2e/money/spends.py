"""1 000 spends at once, calls and deductions of the same price, on an account that can pay for exactly 600."""

import asyncio
import collections
import contextlib
from decimal import Decimal

from hub_e2e.calls import call, client, deduct
from hub_e2e.checks import equal, true
from hub_e2e.member import MICRO, Member, books, micro, verify

import hot_account

SPENDS = 1000
AFFORDABLE = 600
CLIENTS = 20


def run(checks, pair, hubs):
    """Over all hubs of the pair: deductions, whole answers and streams in turns."""
    with checks.case(f"{pair.name}: {SPENDS} spends at once on {len(hubs)} hubs, credits for {AFFORDABLE}"):
        rich = Member(hubs[0], credits=1)
        cost = asyncio.run(hot_account.measure(hubs[0], rich, stream=False))
        operator = Member(hubs[0], role="admin")
        poor = Member(hubs[0], credits=Decimal(AFFORDABLE * cost) / MICRO)
        seen = asyncio.run(storm(hubs, operator, poor, cost))
        outcomes = collections.Counter((one.status, one.code) for one in seen)
        equal(outcomes, {(200, None): AFFORDABLE, (402, "INSUFFICIENT_CREDITS"): SPENDS - AFFORDABLE}, "answers")
        for hub in hubs:
            equal(poor.balance(hub), (0, 0), f"(balance, held) at {hub.url}")
        rows = [row for row in books(poor, hubs[-1]) if row["kind"] == "usage"]
        equal([micro(row["amount"]) for row in rows], [-cost] * AFFORDABLE, "the ledger's rows")
        calls = [one for one in seen if one.status == 200 and hasattr(one, "receipt")]
        taken = [one for one in seen if one.status == 200 and hasattr(one, "transaction")]
        true(calls and taken, "both kinds must have been admitted")
        equal({(one.words, one.complete) for one in calls}, {(hot_account.WORDS, True)}, "what the paid calls got")
        equal({row["receiptId"] for row in rows if "receiptId" in row}, {one.receipt for one in calls}, "receipts")
        equal({row["id"] for row in rows if "receiptId" not in row}, {one.transaction for one in taken}, "deductions")
        by_id = {row["id"]: micro(row["balanceAfter"]) for row in rows}
        equal({one.transaction: one.balance for one in taken}, {one.transaction: by_id[one.transaction] for one in taken}, "balances that were answered")
        verify(hubs[0])


async def storm(hubs, operator, member, cost):
    """All spends at once. Over several clients, because looking for a connection among all of them takes one client seconds."""
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(client(SPENDS // CLIENTS)) for _ in range(CLIENTS)]

        def spend(number):
            hub, http = hubs[number % len(hubs)], clients[number // (SPENDS // CLIENTS)]
            if number // len(hubs) % 2:
                return deduct(http, hub, operator, member, cost, key=f"spend-{number}" if number % 4 else None)
            return call(http, hub, member, "", words=hot_account.WORDS, stream=number % 4 < 2)

        return await asyncio.gather(*(spend(number) for number in range(SPENDS)))
