"""The database is away for a while, while calls and deductions run: paid routes say 503, soon once that is known, nothing is free,
nothing is lost or charged twice, and the same process goes on when it is back."""

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import itertools
import os
import secrets
import sqlite3
import time

from hub_e2e import pairs, proxy
from hub_e2e.calls import Deducted, Seen, call, client, deduct
from hub_e2e.checks import Checks, equal, true
from hub_e2e.member import Member, books, micro, verify

LEASE_SECONDS = 10
SWEEP_SECONDS = 5
MEMBERS = 4
GRANT = 100
WORKERS = 6
AMOUNT = 7
WORDS = 30
# How long the database is away, at least: until each kind of request has been refused.
AWAY_SECONDS = float(os.environ.get("OUTAGE_SECONDS", "18"))
REFUSED_WITHIN = AWAY_SECONDS + 30.0
BACK_WITHIN = 40.0
PATIENCE = AWAY_SECONDS + 60.0
# What a busy machine adds to a wait of the hub's own.
SLOW = 15.0
PAUSE = 0.02
# By when a hub of these suites knows that its database is away, however it went: the longest that one statement may take.
KNOWN_WITHIN = 12.0
# How long a refusal takes then, and a busy machine.
REFUSED_SOON = 4.0
# How soon a hub works again, and a busy machine.
BACK_SOON = 6.0
PAID = ("call", "stream", "deduct")
HELLO = [{"role": "user", "content": "hello"}]
# Every other route that moves credits, by who may use it.
FOR_MEMBERS = {
    "/v1/chat/completions": {"model": "sandbox", "messages": HELLO},
    "/v1/messages": {"model": "sandbox", "max_tokens": 20, "messages": HELLO},
    "/v1/responses": {"model": "sandbox", "input": "hello"},
    "/v1/completions": {"model": "sandbox", "prompt": "hello"},
    "/v1/embeddings": {"model": "sandbox", "input": "hello"},
    "/api/credits/redeem": {"code": "NO-SUCH-CODE"},
}
FOR_OPERATORS = ("/api/credits/grant", "/api/credits/adjust")


@dataclasses.dataclass
class Done:
    """One request: what it was, when, and what its caller saw. `key` is that of a deduction."""

    kind: str
    member: Member
    begun: float
    ended: float
    seen: Seen | Deducted
    key: str | None = None


class Load:
    """Calls, streams and deductions, one after the other in each worker, until told to stop."""

    def __init__(self, hub):
        self.hub = hub
        self.operator = Member(hub, role="admin")
        self.members = [Member(hub, credits=GRANT) for _ in range(MEMBERS)]
        self.done, self.workers = [], []
        self.probed = {}
        self.stop = False

    async def run(self, outage):
        """The load; `outage` says when it is over."""
        async with client(patience=PATIENCE) as http:
            self.http = http
            self.begin()
            try:
                await outage()
            finally:
                self.stop = True
                await asyncio.gather(*self.workers)

    def begin(self):
        """Workers of every kind; more of them come with the cut, because an answer that is being settled then waits for the database."""
        self.workers += [asyncio.create_task(self.work(self.http, kind, n)) for kind in PAID for n in range(WORKERS)]

    async def work(self, http, kind, number):
        member = self.members[number % MEMBERS]
        for count in itertools.count():
            if self.stop:
                return
            key, begun = None, time.monotonic()
            if kind == "deduct":
                key = f"{number}-{count}-{secrets.token_hex(4)}"
                seen = await deduct(http, self.hub, self.operator, member, AMOUNT, key)
            else:
                seen = await call(http, self.hub, member, "sandbox:delay=3", words=WORDS, stream=kind == "stream")
            self.done.append(Done(kind, member, begun, time.monotonic(), seen, key))
            if seen.status != 200:
                await asyncio.sleep(PAUSE)

    async def probe(self):
        """One request to each of the other routes that move credits: path to status and `Retry-After`."""
        given = {"userId": self.members[0].id, "amount": 1, "reason": "e2e"}
        asked = [(path, self.members[0], body) for path, body in FOR_MEMBERS.items()]
        asked += [(path, self.operator, given) for path in FOR_OPERATORS]
        answers = await asyncio.gather(*(
            self.http.post(f"{self.hub.url}{path}", json=body, headers={"authorization": f"Bearer {who.key}"}) for path, who, body in asked
        ))
        return {path: (answer.status_code, "retry-after" in answer.headers) for (path, _, _), answer in zip(asked, answers, strict=True)}

    async def until(self, condition, within, what):
        """Waits for a condition on what has been done."""
        deadline = time.monotonic() + within
        while not condition():
            true(time.monotonic() < deadline, f"{what}: not within {within} s")
            await asyncio.sleep(PAUSE)

    def since(self, moment, kind, *statuses):
        """How many requests of a kind that began after a moment ended so."""
        return sum(one.kind == kind and one.begun > moment and one.seen.status in statuses for one in self.done)


async def outage(load, cut, mend, times):
    """Some load, the cut, and load again; notes when. The cut lasts until every kind of request has been refused."""
    await load.until(lambda: all(load.since(0, kind, 200) >= WORKERS for kind in PAID), BACK_WITHIN, "load")
    await asyncio.to_thread(cut)
    times.cut = time.monotonic()
    load.begin()
    try:
        refused = lambda: all(load.since(times.cut, kind, 503) >= WORKERS for kind in PAID)
        await load.until(lambda: time.monotonic() > times.cut + AWAY_SECONDS and refused(), REFUSED_WITHIN, "refusals of every kind")
        begun = time.monotonic()
        load.probed = await load.probe()
        times.probed = time.monotonic() - begun
    finally:
        times.mended = time.monotonic()
        await asyncio.to_thread(mend)
    await load.until(lambda: all(load.since(times.mended, kind, 200) >= WORKERS for kind in PAID), BACK_WITHIN, "recovery")
    times.back = time.monotonic()


@dataclasses.dataclass
class Times:
    """When it happened."""

    cut: float = 0.0
    mended: float = 0.0
    # How long the probes took.
    probed: float = 0.0
    back: float = 0.0


def run(checks, name, pair, hub, cut, mend):
    """One outage and the account of it."""
    load, times = Load(hub), Times()
    with checks.case(f"{name}: the hub refuses while the database is away and goes on by itself when it is back"):
        asyncio.run(load.run(lambda: outage(load, cut, mend, times)))
        took = {kind: max(one.ended - one.begun for one in load.done if one.kind == kind) for kind in PAID}
        print(f"       {name}: away {times.mended - times.cut:.1f} s, back after {times.back - times.mended:.1f} s, {len(load.done)} requests, "
              f"longest {', '.join(f'{kind} {seconds:.1f} s' for kind, seconds in took.items())}", flush=True)

    with checks.case(f"{name}: everything that began and ended meanwhile is 503 with Retry-After"):
        meanwhile = [one for one in load.done if one.begun > times.cut and one.ended < times.mended]
        answers = {(one.kind, one.seen.status, one.seen.code, one.seen.retry_after is not None) for one in meanwhile}
        equal(answers, {(kind, 503, "SERVICE_UNAVAILABLE", True) for kind in PAID}, "answers")
        odd = {(one.kind, one.seen.status, one.seen.code) for one in load.done if one.seen.status not in (200, 503)}
        defects = {line.get("cause") or line["message"] for line in hub.errors() if line.get("code") != "SERVICE_UNAVAILABLE"}
        equal(odd, set(), f"other answers than 200 and 503, with {defects} in the log")

    with checks.case(f"{name}: once that is known nobody is kept waiting, and it is noticed soon that it is back"):
        known = [one for one in load.done if times.cut + KNOWN_WITHIN < one.begun and one.ended < times.mended]
        true(len(known) >= WORKERS or AWAY_SECONDS <= KNOWN_WITHIN, f"only {len(known)} requests began after it was known")
        slow = [(one.kind, round(one.ended - one.begun, 1)) for one in known if one.ended - one.begun > REFUSED_SOON]
        equal(slow, [], f"of {len(known)} refusals took too long")
        first = min(one.ended for one in load.done if one.seen.status == 200 and one.ended > times.mended)
        true(first < times.mended + BACK_SOON, f"the first answer came {first - times.mended:.1f} s after the end of the outage")
        print(f"       {name}: {len(known)} refusals began after it was known, the first answer came {first - times.mended:.1f} s after the end", flush=True)

    with checks.case(f"{name}: every other route that moves credits is refused too"):
        equal(load.probed, dict.fromkeys((*FOR_MEMBERS, *FOR_OPERATORS), (503, True)), "(status, Retry-After) by path")
        true(times.probed < REFUSED_SOON or AWAY_SECONDS <= KNOWN_WITHIN, f"the probes took {times.probed:.1f} s")

    with checks.case(f"{name}: nothing stays held"):
        for member in load.members:
            member.settled(hub, within=LEASE_SECONDS + 2 * SWEEP_SECONDS + SLOW)

    with checks.case(f"{name}: a deduction that was refused can be repeated with its key and happens once"):
        asyncio.run(repeat(load))
        keyed = [one for one in load.done if one.kind == "deduct"]
        rows = {row["id"]: row for member in load.members for row in member.history(hub) if row.get("receiptId") is None and row["type"] == "debit"}
        answered = {one.seen.transaction for one in keyed}
        equal((len(answered), len(rows)), (len(keyed), len(keyed)), "deductions answered, and in the ledger, against keys")
        true(answered <= rows.keys(), f"answered but not in the ledger: {answered - rows.keys()}")
        equal({micro(row["amount"]) for row in rows.values()}, {-AMOUNT}, "amounts")

    with checks.case(f"{name}: no answer was free, and none was charged twice"):
        arrived = [one for one in load.done if one.kind != "deduct" and one.seen.complete]
        true(len(arrived) >= 4 * WORKERS, f"only {len(arrived)} answers arrived")
        charges = [row.get("receiptId") for member in load.members for row in member.history(hub) if row.get("receiptId") is not None]
        for one in arrived:
            receipt = one.member.receipt(hub, one.seen.receipt)
            equal(receipt["usage"]["output"], one.seen.words, f"words paid for: {one} {receipt}")
            equal(charges.count(one.seen.receipt), 1, f"charges for {one.seen.receipt}")
        for one in load.done:
            if one.kind != "deduct" and one.seen.words and not one.seen.complete:
                paid = one.member.receipt(hub, one.seen.receipt)["usage"]["output"]
                true(paid >= one.seen.words, f"read {one.seen.words} words, paid {paid}: {one}")

    with checks.case(f"{name}: balances are the sums of the rows, and the ledger is clean"):
        for member in load.members:
            true(len(books(member, hub)) > 1, "nothing was spent")
        verify(hub)
        equal(pair.rows("SELECT COUNT(*) FROM credit_holds WHERE status = 'held'")[0][0], 0, "open holds")
        equal(hub.panics(), [], "panics")


async def repeat(load):
    """All deductions that have no answer, again until they have one."""
    async with client() as http:
        for one in load.done:
            if one.kind == "deduct" and one.seen.status != 200:
                one.seen = await deduct(http, load.hub, load.operator, one.member, AMOUNT, one.key)
                equal(one.seen.status, 200, f"a repetition after the outage: {one.seen}")


def on_sqlite(checks):
    """Another program holds the file's one right to write."""
    with pairs.embedded(HUB__CREDITS__LEASE_SECONDS=str(LEASE_SECONDS)) as pair:
        with checks.case("embedded: the suite runs to its end"):
            hub = pair.hub().start()
            with contextlib.closing(sqlite3.connect(hub.data_dir / "hub.db", timeout=30, isolation_level=None, check_same_thread=False)) as other:
                lock, unlock = (lambda: other.execute("BEGIN EXCLUSIVE")), (lambda: other.execute("ROLLBACK"))
                run(checks, "embedded, file locked", pair, hub, lock, unlock)
            equal(hub.stop(), 0, "exit code")


def on_postgres(checks, kind):
    """The server is gone, or the network to it swallows everything."""
    with proxy.before(pairs.postgres()) as line, pairs.shared(through=line.port, HUB__CREDITS__LEASE_SECONDS=str(LEASE_SECONDS)) as pair:
        with checks.case(f"shared, {kind}: the suite runs to its end"):
            hub = pair.hub().start()
            cut = line.refuse if kind == "refused" else line.fall_silent
            run(checks, f"shared, {kind}", pair, hub, cut, line.open)
            equal(hub.stop(), 0, "exit code")


def main():
    checks = Checks()
    # Most of the time is waiting for the end of outages and of leases: all wait together.
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        running = [pool.submit(on_sqlite, checks), pool.submit(on_postgres, checks, "refused"), pool.submit(on_postgres, checks, "silent")]
        for finished in running:
            finished.result()
    checks.finish()


if __name__ == "__main__":
    main()
