"""`kill -9` under load, and on the shared pair also a process that is frozen for longer than its lease.

Afterwards every account must say: granted − balance = sum of the ledger's usage = sum of the receipts = sum of the
usage log, and every answer that reached its caller is paid for exactly once.
"""

import asyncio
import collections
import signal
import time

from hub_e2e.calls import call, client
from hub_e2e.checks import equal, true
from hub_e2e.member import Member, micro, verify

MEMBERS = 4
GRANT = 100
STREAMS = 12
STREAM_WORDS = 400
STREAM_DELAY_MS = 20
WORKERS = 8
LOAD_SECONDS = 5.0
# The worker looks for dead holds this often.
SWEEP_SECONDS = 5
# Words that may be made and counted, but not read by the client, when the process dies.
SLACK = 80


class Load:
    """Who called what, with what result."""

    def __init__(self, hubs):
        self.hubs = hubs
        self.members = [Member(hubs[0], credits=GRANT) for _ in range(MEMBERS)]
        self.streams = []
        self.calls = []
        self.stop = False

    async def run(self, after):
        """The load; `after` is called once it is under way."""
        async with client() as http:
            streams = [asyncio.create_task(self.stream(http, number)) for number in range(STREAMS)]
            workers = [asyncio.create_task(self.work(http, number)) for number in range(WORKERS)]
            await asyncio.sleep(LOAD_SECONDS)
            await asyncio.to_thread(after)
            self.stop = True
            await asyncio.gather(*streams, *workers)

    async def stream(self, http, number):
        """One long stream."""
        hub, member = self.hubs[number % len(self.hubs)], self.members[number % MEMBERS]
        orders = f"sandbox:delay={STREAM_DELAY_MS}"
        seen = await call(http, hub, member, orders, words=STREAM_WORDS, stream=True)
        self.streams.append((hub, member, seen))

    async def work(self, http, number):
        """Short calls, one after the other, streamed or not, until the load ends or the hub is gone."""
        hub, member = self.hubs[number % len(self.hubs)], self.members[number % MEMBERS]
        while not self.stop:
            seen = await call(http, hub, member, "sandbox:delay=3", words=30, stream=number % 4 < 2)
            self.calls.append((hub, member, seen))
            if seen.status == 0:
                return


def run(checks, pair, hubs, lease_seconds):
    """The load, the deaths, and the account of it."""
    victim, frozen = hubs[0], hubs[1] if len(hubs) > 1 else None
    survivor = hubs[-1]
    load = Load(hubs)

    def strike():
        victim.kill()
        if frozen:
            frozen.signal(signal.SIGSTOP)
            # Longer than lease and sweep together: another process takes its holds.
            time.sleep(lease_seconds + SWEEP_SECONDS + 3)
            frozen.signal(signal.SIGCONT)

    asyncio.run(load.run(strike))
    broken = [(member, seen) for hub, member, seen in load.streams if hub is victim]

    with checks.case(f"{pair.name}: a hub killed under load starts again and gives back what it held"):
        true(broken and all(not seen.complete and seen.receipt for _, seen in broken), "the load did not hit the hub")
        victim.start()
        for member in load.members:
            member.settled(survivor, within=lease_seconds + 2 * SWEEP_SECONDS + 5)
        verify(victim)

    with checks.case(f"{pair.name}: streams cut by the kill are charged to their last checkpoint"):
        # The hub notes progress three times per lease; a stream loses at most what came since.
        since = lease_seconds / 3 * 1000 / STREAM_DELAY_MS
        for member, seen in broken:
            receipt = member.receipt(victim, seen.receipt)
            output = receipt["usage"]["output"]
            equal((receipt["outcome"], receipt["usageSource"]), ("expired", "checkpoint"), "outcome")
            true(0 < output <= seen.words + SLACK, f"read {seen.words} words, paid {output}")
            true(output >= seen.words - since - SLACK, f"read {seen.words} words, paid only {output}")

    if frozen:
        with checks.case(f"{pair.name}: a frozen hub lost its holds, says so, and its streams are paid for once"):
            thawed = [(member, seen) for hub, member, seen in load.streams if hub is frozen]
            true(thawed and not any(seen.complete for _, seen in thawed), f"streams of the frozen hub: {thawed}")
            for member, seen in thawed:
                equal(seen.code, "SERVICE_UNAVAILABLE", "error in the stream")
                output = member.receipt(survivor, seen.receipt)["usage"]["output"]
                true(seen.words <= output <= seen.words + SLACK, f"read {seen.words} words, paid {output}")
        with checks.case(f"{pair.name}: calls on the hub that was left alone did not notice"):
            others = [seen for hub, _, seen in load.streams if hub is survivor]
            equal({(seen.words, seen.complete) for seen in others}, {(STREAM_WORDS, True)}, "streams")

    with checks.case(f"{pair.name}: every answer that arrived is paid for, exactly"):
        arrived = [(member, seen) for _, member, seen in load.calls + load.streams if seen.complete]
        true(len(arrived) > 2 * WORKERS, f"only {len(arrived)} answers arrived")
        for member, seen in arrived:
            receipt = member.receipt(survivor, seen.receipt)
            equal((receipt["outcome"], receipt["usage"]["output"]), ("completed", seen.words), "receipt")
        refused = {(hub, seen.status, seen.code) for hub, _, seen in load.calls if seen.status not in (0, 200)}
        # The calls that were frozen have lost their holds too.
        equal(refused - {(frozen, 503, "SERVICE_UNAVAILABLE")}, set(), "other answers than 200")

    with checks.case(f"{pair.name}: nobody is charged twice, and all books agree"):
        for member in load.members:
            books(member, survivor)
        ledger = pair.rows("SELECT SUM(amount), COUNT(*) FROM credit_transactions WHERE kind = 'usage'")[0]
        log = pair.rows("SELECT SUM(credits) FROM usage_logs")[0]
        receipts = pair.rows("SELECT SUM(amount) FROM receipts")[0]
        equal((-ledger[0], receipts[0]), (log[0], log[0]), "ledger and receipts against the usage log")
        open_holds = pair.rows("SELECT COUNT(*) FROM credit_holds WHERE status = 'held'")[0][0]
        equal(open_holds, 0, "open holds")
        verify(survivor)

    with checks.case(f"{pair.name}: all hubs take calls again"):
        for hub in hubs:
            asyncio.run(once(hub, load.members[0]))
            equal(hub.panics(), [], "panics")


def books(member, hub):
    """One account: balance, ledger and receipts."""
    balance, held = member.balance(hub)
    equal(held, 0, "held")
    rows = [row for row in member.history(hub) if row["kind"] == "usage"]
    equal(len({row["id"] for row in rows}), len(rows), "transactions listed twice")
    by_receipt = collections.Counter()
    for row in rows:
        by_receipt[row["receiptId"]] -= micro(row["amount"])
    for receipt_id, taken in by_receipt.items():
        equal(taken, micro(member.receipt(hub, receipt_id)["amount"]), f"taken for {receipt_id}")
    equal(GRANT * 1_000_000 - balance, sum(by_receipt.values()), "spent")


async def once(hub, member):
    """A call that must succeed."""
    async with client() as http:
        seen = await call(http, hub, member, "", words=5, stream=True)
    equal((seen.status, seen.words, seen.complete), (200, 5, True), f"a call to {hub.url}")
