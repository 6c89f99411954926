"""One hub killed and started again, over and over, in a storm of deductions with keys and of calls, while a second one, where there is
one, goes on. Who got no answer asks again with the same key, at whichever hub: each key takes its credits once."""

import asyncio
import collections
import dataclasses
import itertools
import random
import secrets
import time

from hub_e2e.calls import Deducted, Seen, call, client, deduct
from hub_e2e.checks import equal, true
from hub_e2e.member import Member, books, micro, verify

MEMBERS = 4
GRANT = 100
AMOUNT = 11
DEDUCTING = 8
CALLING = 6
SWEEP_SECONDS = 5
# Answers of the hub between two deaths.
ANSWERS = 100
WITHIN = 60.0
PAUSE = 0.02
# What is asked for again at the end, at every hub.
REPEATED = 200
LOT = 20261123


@dataclasses.dataclass
class Key:
    """One Idempotency-Key: whose credits, how often it was sent, and every answer that came."""

    text: str
    member: Member
    sent: int = 0
    answers: list[Deducted] = dataclasses.field(default_factory=list)


class Storm:
    """Who asked for what, at which hub, with what result."""

    def __init__(self, hubs):
        self.hubs = hubs
        self.operator = Member(hubs[0], role="admin")
        self.members = [Member(hubs[0], credits=GRANT) for _ in range(MEMBERS)]
        self.keys, self.calls = [], []
        self.answered = collections.Counter()
        self.stop = False
        self.lot = random.Random(LOT)

    async def run(self, strikes):
        """The storm, until the last of the deaths is over and has been followed by answers."""
        async with client() as http:
            workers = [asyncio.create_task(self.deductions(http, n)) for n in range(DEDUCTING)]
            workers += [asyncio.create_task(self.callers(http, n)) for n in range(CALLING)]
            try:
                victim = self.hubs[0]
                for _ in range(strikes):
                    await self.served(victim)
                    await asyncio.to_thread(victim.kill)
                    await asyncio.to_thread(victim.start)
                await self.served(victim)
            finally:
                self.stop = True
                await asyncio.gather(*workers)

    async def served(self, hub):
        """Waits until the hub has answered so many more."""
        enough, deadline = self.answered[hub] + ANSWERS, time.monotonic() + WITHIN
        while self.answered[hub] < enough:
            true(time.monotonic() < deadline, f"{hub.url} answered only {self.answered[hub]} within {WITHIN} s")
            await asyncio.sleep(PAUSE)

    async def deductions(self, http, number):
        """One key after the other, each until it has its answer."""
        member = self.members[number % MEMBERS]
        for count in itertools.count():
            if self.stop:
                return
            key = Key(f"{number}-{count}-{secrets.token_hex(4)}", member)
            self.keys.append(key)
            deadline = time.monotonic() + WITHIN
            while not key.answers:
                true(time.monotonic() < deadline, f"{key} got no answer")
                await self.send(http, self.lot.choice(self.hubs), key)

    async def send(self, http, hub, key):
        """Sends a key; waits a moment when no answer comes."""
        key.sent += 1
        seen = await deduct(http, hub, self.operator, key.member, AMOUNT, key.text)
        if seen.status == 200:
            key.answers.append(seen)
            self.answered[hub] += 1
            return
        true(seen.status in (0, 503), f"{seen}")
        await asyncio.sleep(PAUSE)

    async def callers(self, http, number):
        """Short calls and streams; nobody asks again."""
        member = self.members[number % MEMBERS]
        while not self.stop:
            hub = self.lot.choice(self.hubs)
            seen = await call(http, hub, member, "sandbox:delay=5", words=25, stream=number % 3 > 0)
            self.calls.append((member, seen))
            if seen.complete:
                self.answered[hub] += 1
            else:
                true(seen.status in (0, 200, 503), f"{seen}")
                await asyncio.sleep(PAUSE)

    async def repeat(self):
        """Sends keys again, those first that were sent more than once, each to every hub."""
        async with client() as http:
            for key in sorted(self.keys, key=lambda key: -key.sent)[:REPEATED]:
                for hub in self.hubs:
                    await self.send(http, hub, key)


def run(checks, pair, hubs, lease_seconds, strikes):
    """The storm and the account of it."""
    storm = Storm(hubs)
    with checks.case(f"{pair.name}: a hub killed {strikes} times in a storm answers again after each"):
        asyncio.run(storm.run(strikes))
        broken = sum(not seen.complete for _, seen in storm.calls)
        again = sum(key.sent > 1 for key in storm.keys)
        print(f"       {pair.name}: {len(storm.keys)} keys, {again} of them sent again, {len(storm.calls)} calls, {broken} without their end", flush=True)
        true(again and broken, "the deaths hit nobody")

    with checks.case(f"{pair.name}: after the deaths nothing stays held"):
        for member in storm.members:
            member.settled(hubs[-1], within=lease_seconds + 2 * SWEEP_SECONDS + 10)
        equal(pair.rows("SELECT COUNT(*) FROM credit_holds WHERE status = 'held'")[0][0], 0, "open holds")

    with checks.case(f"{pair.name}: each key took its credits once, however often and wherever it was sent"):
        asyncio.run(storm.repeat())
        true(storm.keys, "no keys")
        for key in storm.keys:
            equal(len({(one.transaction, one.balance) for one in key.answers}), 1, f"different answers to {key}")
        want = collections.Counter(key.member.id for key in storm.keys)
        rows = {member.id: [row for row in books(member, hubs[-1]) if row["kind"] == "usage"] for member in storm.members}
        deducted = {who: [row for row in of if "receiptId" not in row] for who, of in rows.items()}
        equal({who: len(of) for who, of in deducted.items()}, dict(want), "deductions in the ledger against keys")
        equal({micro(row["amount"]) for of in deducted.values() for row in of}, {-AMOUNT}, "amounts")
        ids = {row["id"] for of in deducted.values() for row in of}
        equal({key.answers[0].transaction for key in storm.keys}, ids, "transactions that were answered against the ledger")

    with checks.case(f"{pair.name}: each call of the storm is charged once, what arrived in full"):
        charged = collections.Counter(row["receiptId"] for of in rows.values() for row in of if "receiptId" in row)
        for member, seen in storm.calls:
            if seen.complete:
                receipt = member.receipt(hubs[-1], seen.receipt)
                equal((receipt["outcome"], receipt["usage"]["output"]), ("completed", seen.words), "receipt")
                equal(charged[seen.receipt], 1, f"charges for {seen}")
        equal(set(charged.values()), {1}, "charges for each receipt")
        taken = -sum(micro(row["amount"]) for of in rows.values() for row in of if "receiptId" in row)
        logged, receipts = (pair.rows(f"SELECT SUM({column}) FROM {table} WHERE user_id IN ({listed(storm, pair)})")[0][0]
                            for column, table in (("credits", "usage_logs"), ("amount", "receipts")))
        equal((taken, taken), (int(logged), int(receipts)), "ledger against usage log and receipts")
        verify(hubs[-1])
        equal([line for hub in hubs for line in hub.panics()], [], "panics")


def listed(storm, pair):
    """The members' ids as the engine writes them."""
    mark = "'{}'" if pair.name == "shared" else "x'{}'"
    return ", ".join(mark.format(member.id if pair.name == "shared" else member.id.replace("-", "")) for member in storm.members)
