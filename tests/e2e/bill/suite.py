"""The provider's bill against the hub's books: calls in both wires through faults, hang-ups, outages and `kill -9`.

What must be equal is compared call by call and in sum. Equality is impossible in three places, and there the suite
compares what the documentation promises: a provider that is told to stop when its caller has left (`on_hangup =
"cancel"`) may have generated what the hub never read; a provider that reports no usage is paid by count; a call that ran
when its process died is charged what its last checkpoint says, which the suite reads off the dead hub's database, and no
more. Calls that were settled before the kill are compared as all others, also where their caller never heard of it.
Callers who were cut off make their call again, at the same hub, started on the same data.
"""

import asyncio
import collections
import os
import time

import httpx

from hub_e2e import pairs
from hub_e2e.checks import Checks, equal, true
from hub_e2e.member import Member, verify

import books
import callers
import plan
from provider import Provider

CALLS = 2000
AT_ONCE = 48
MEMBERS = 4
GRANT = 1000
LONG = 8
# The shortest lease the settings allow, and how often a running call is checkpointed with it.
LEASE_SECONDS = 10
CHECKPOINT = LEASE_SECONDS / 3
SWEEP_SECONDS = 5
# How long streams run before the process dies.
STRIKE_AFTER = 6.0
LAST_WORDS = 0.5
# What a busy machine may add to any of the hub's own moments.
LATE = 1.5
SEED = os.environ.get("BILL_SEED", "5")


class Load:
    """All calls of one pair."""

    def __init__(self, pair, provider, hubs, members):
        self.pair, self.provider, self.hubs, self.members = pair, provider, hubs, members
        self.seen, self.running, self.began = {}, set(), {}
        self.struck_at = None
        # What was noted of the calls that ran when the process died.
        self.noted = {}
        self.up = asyncio.Event()
        self.up.set()
        self.struck = asyncio.Event()
        self.next = iter(range(CALLS))

    async def run(self):
        limits = httpx.Limits(max_connections=AT_ONCE + LONG, max_keepalive_connections=AT_ONCE)
        async with httpx.AsyncClient(limits=limits, timeout=callers.PATIENCE, trust_env=False) as http:
            others = [asyncio.create_task(self.outages()), asyncio.create_task(self.strike(http))]
            await asyncio.gather(*(self.work(http) for _ in range(AT_ONCE)))
            await asyncio.gather(*others)

    async def work(self, http):
        for number in self.next:
            # The last calls wait for the kill: it must hit the middle.
            if number >= CALLS * 3 // 4:
                await self.struck.wait()
            hub = self.hubs[number % len(self.hubs)]
            if hub is self.hubs[0]:
                await self.up.wait()
            await self.one(http, plan.call(SEED, number), hub)

    async def one(self, http, call, hub):
        seen = self.seen[call.number] = callers.Seen(call, hub)
        self.began[call.number] = time.monotonic()
        self.running.add(call.number)
        try:
            await callers.make(http, call, self.members[call.number % MEMBERS], seen)
        finally:
            self.running.discard(call.number)

    async def outages(self):
        """Now and then nobody listens at the provider's address."""
        for share in (0.2, 0.6):
            while len(self.seen) < CALLS * share:
                await asyncio.sleep(0.05)
            self.provider.close()
            await asyncio.sleep(0.3)
            await self.provider.open()

    async def strike(self, http):
        """Kills the first hub under load, and starts it again on the same data; those who were cut off make their calls again."""
        victim = self.hubs[0]
        while len(self.seen) < CALLS // 4:
            await asyncio.sleep(0.05)
        longs = [asyncio.create_task(self.one(http, plan.long_call(CALLS + n), victim)) for n in range(LONG)]
        await asyncio.sleep(STRIKE_AFTER)
        self.up.clear()
        # Before the kill: those it cuts off may have seen their connection break by the time it is known to be dead.
        running = set(self.running)
        await asyncio.to_thread(victim.kill)
        self.struck_at = time.monotonic()
        # What the process had sent to its database is done by then.
        await asyncio.sleep(LAST_WORDS)
        held = await asyncio.to_thread(books.held, self.pair)
        for seen in self.seen.values():
            if seen.hub is victim and seen.call.id in held:
                self.noted[seen.call.id] = held[seen.call.id]
        cut = [seen.call for number, seen in self.seen.items() if seen.hub is victim and number in running and not seen.complete]
        await asyncio.to_thread(victim.start)
        self.up.set()
        self.struck.set()
        await asyncio.gather(*longs)
        await asyncio.gather(*(self.one(http, plan.again(call), victim) for call in cut))


class Audit:
    """The bill and the books, call by call."""

    def __init__(self, load, pair):
        self.load, self.pair = load, pair
        self.receipts = books.receipts(pair)
        self.lines = {}
        for line in load.provider.bill:
            if line.number in self.lines:
                raise AssertionError(f"call {line.number} was begun twice: {self.lines[line.number]} and {line}")
            self.lines[line.number] = line
        self.groups = collections.defaultdict(list)
        for number, seen in sorted(load.seen.items()):
            line, receipt = self.lines.get(number), self.receipts.get(seen.call.id)
            cut = seen.call.id in load.noted
            self.groups["cut" if cut else group(seen, line)].append((seen, line, receipt))

    def exact(self):
        """Whatever the hub read to its end."""
        for name in ("billed", "counted"):
            true(len(self.groups[name]) > CALLS * 0.02, f"only {len(self.groups[name])} calls are {name}")
            for seen, line, receipt in self.groups[name]:
                same(seen, line, receipt)

    def stopped(self):
        """Callers who left a provider that is stopped: at most a moment of its work was not read. Where that was before the
        first byte of its answer nothing is charged."""
        unread = []
        for seen, line, receipt in self.groups["stopped"]:
            charged_by_receipt(seen, receipt)
            if sum(receipt.tokens.values()) == 0:
                equal((receipt.outcome, seen.tokens), ("cancelled", 0), f"{line} {receipt}")
            else:
                want = books.owed(seen.call, line) | {"output": receipt.tokens["output"]}
                equal(receipt.tokens, want, f"classes but output of {seen.call}")
            unread.append(line.tokens["output"] - receipt.tokens["output"])
            true(0 <= unread[-1] <= 1 / plan.PAUSE, f"{unread[-1]} tokens were generated unread: {line} {receipt}")
            true(receipt.tokens["output"] >= seen.tokens, f"read {seen.tokens}, paid {receipt}")
        true(len(unread) > CALLS * 0.01, f"only {len(unread)} were stopped")
        made = sum(line.tokens["output"] for _, line, _ in self.groups["stopped"])
        true(made < 400 * len(unread) / 2, "the providers were not stopped")

    def free(self):
        """Nothing was generated: nothing is charged."""
        true(len(self.groups["free"]) > CALLS * 0.02, f"only {len(self.groups['free'])} calls failed early")
        for seen, _, receipt in self.groups["free"]:
            true(seen.status in (0, 400, 429, 502, 503, 529), f"answered {seen}")
            if receipt:
                equal((receipt.amount, receipt.uncollected, sum(receipt.tokens.values())), (0, 0, 0), f"{seen.call}")

    def cut(self):
        """Calls that ran when the process died pay what was noted of them, and no less was due to be noted."""
        true(len(self.groups["cut"]) >= LONG, f"the kill hit {len(self.groups['cut'])} calls")
        long, told = 0, []
        for seen, line, receipt in self.groups["cut"]:
            charged_by_receipt(seen, receipt)
            equal((receipt.outcome, receipt.tokens), ("expired", self.load.noted[seen.call.id]), f"what was noted of {seen.call}")
            output = receipt.tokens["output"]
            told.append(f"{seen.call.id} {output}/{line.tokens['output'] if line else 0}")
            if line is None:
                equal(sum(receipt.tokens.values()), 0, f"charged though the provider never heard of it: {seen.call}")
                continue
            due = sum(made < self.load.struck_at - CHECKPOINT - LATE for made in line.made)
            true(due <= output <= line.tokens["output"], f"{due} tokens were due to be noted: {line.tokens} {receipt}")
            if output:
                equal(receipt.tokens | {"output": 0}, books.owed(seen.call, untold(line)) | {"output": 0}, "prompt")
            long += output > 0
        print(f"       {self.pair.name}: cut by the kill, with output charged/billed: {', '.join(told)}")
        true(long >= LONG / 2, f"only {long} calls had been checkpointed")

    def sums(self):
        """In sum the bill is the receipts, the ledger, the usage log and the balances, but for what is listed."""
        print(f"       {self.pair.name}: calls {len(self.load.seen)}, attempts {sum(self.load.provider.attempts.values())}, "
              f"faults {dict(self.load.provider.faults)}")
        everything = books.total(line.tokens for line in self.lines.values())
        charged = books.total(receipt.tokens for receipt in self.receipts.values())
        apart = dict.fromkeys(books.CLASSES, 0)
        for name, rows in sorted(self.groups.items()):
            bill = books.total(line.tokens for _, line, _ in rows if line)
            paid = books.total(receipt.tokens for _, _, receipt in rows if receipt)
            gap = books.difference(bill, paid)
            credits = sum(receipt.amount for _, _, receipt in rows if receipt)
            print(f"       {self.pair.name}: {name}: {len(rows)} calls, billed {bill}, charged {paid}, {credits} micro-credits")
            if name in ("billed", "free"):
                equal(set(gap.values()), {0}, f"{name}: bill less receipts")
            if name == "counted":
                equal((gap["output"], gap["reasoning"]), (0, 0), "counted: completion of the bill less receipts")
            apart = {kind: apart[kind] + gap[kind] for kind in gap}
        equal(books.difference(everything, charged), apart, "bill less receipts, by class")
        owed = sum(
            books.cost(line.model, books.owed(seen.call, line))
            for name in ("billed", "counted") for seen, line, _ in self.groups[name]
        )
        paid = sum(receipt.amount for name in ("billed", "counted") for _, _, receipt in self.groups[name])
        equal(paid, owed, "micro-credits for all that was read to its end")
        amount = sum(receipt.amount for receipt in self.receipts.values())
        taken = self.pair.rows("SELECT SUM(amount) FROM credit_transactions WHERE kind = 'usage'")[0][0]
        logged = self.pair.rows("SELECT SUM(credits) FROM usage_logs")[0][0]
        balances = sum(member.balance(self.load.hubs[-1])[0] for member in self.load.members)
        spent = MEMBERS * GRANT * 1_000_000 - balances
        equal((-taken, logged, spent), (amount, amount, amount), "ledger, usage log, balances against the receipts")


def group(seen, line):
    """Which promise holds for a call that was not cut, by what its caller and its provider know."""
    if line is None:
        return "free"
    if line.model == plan.CLAUDE and seen.call.leave_after is not None:
        return "stopped"
    return "billed" if line.told else "counted"


def same(seen, line, receipt):
    """The receipt is the line."""
    true(receipt is not None, f"billed but not charged: {line}")
    equal(receipt.tokens, books.owed(seen.call, line), f"tokens of {seen} {line} {receipt}")
    equal(receipt.source, "provider" if line.told else "counted", f"who counted {line}")
    equal(receipt.upstream_id, line.id, "the provider's id")
    charged_by_receipt(seen, receipt)
    if seen.complete:
        equal(seen.tokens, line.tokens["output"], f"tokens that reached the caller of {seen.call}")


def charged_by_receipt(seen, receipt):
    """The amount is tokens × price."""
    true(receipt is not None, f"no receipt: {seen}")
    want = books.cost(seen.call.model, receipt.tokens)
    equal((receipt.amount, receipt.uncollected), (want, 0), f"micro-credits of {seen.call} {receipt}")


def untold(line):
    """The line as far as it was known while it was streamed."""
    line.told = False
    return line


async def drive(pair_of, processes, checks):
    """One pair, from its start to its end."""
    provider = Provider(SEED, long_from=CALLS)
    await provider.open()
    at = f"http://127.0.0.1:{provider.port}"
    settings = {
        "OPENAI_API_KEY": "any", "OPENAI_BASE_URL": f"{at}/v1",
        "ANTHROPIC_API_KEY": "any", "ANTHROPIC_BASE_URL": at,
        "HUB__CREDITS__LEASE_SECONDS": str(LEASE_SECONDS),
        # As impatient as an operator may be: what is compared is who pays, not how long a call waits for its next try.
        "HUB__ROUTING__FIRST_PAUSE_MS": "50",
        "HUB__ROUTING__LONGEST_PAUSE_MS": "1000",
        "HUB__ROUTING__RATE_LIMIT_PAUSE_MS": "200",
        "HUB__ROUTING__BREAKER__OPEN_SECONDS": "1",
        # The callers name their requests, so that receipts can be found even by those who saw no answer.
        "HUB__SERVER__TRUSTED_PROXIES": "127.0.0.1/32",
    }
    with pair_of(**settings) as pair:
        with checks.case(f"{pair.name}: the suite runs to its end"):
            hubs = [pair.hub() for _ in range(processes)]

            def prepare():
                for hub in hubs:
                    hub.data_dir.mkdir(parents=True)
                    stop = '[[providers]]\nname = "anthropic"\nkind = "anthropic"\non_hangup = "cancel"\n'
                    (hub.data_dir / "hub.toml").write_text(stop, encoding="utf-8")
                    hub.start()
                return [Member(hubs[0], credits=GRANT) for _ in range(MEMBERS)]

            load = Load(pair, provider, hubs, await asyncio.to_thread(prepare))
            begun = time.monotonic()
            await load.run()
            print(f"       {pair.name}: {CALLS} calls took {time.monotonic() - begun:.0f} s", flush=True)
            await asyncio.to_thread(audit, checks, pair, load)
            for hub in hubs:
                equal(await asyncio.to_thread(hub.stop), 0, "exit code")
    provider.close()


def audit(checks, pair, load):
    """All checks, after everything that runs has ended."""
    name = f"{pair.name}, seed {SEED}"
    survivor = load.hubs[-1]
    with checks.case(f"{name}: after all calls nothing is held and the ledger is clean"):
        for member in load.members:
            member.settled(survivor, within=LEASE_SECONDS + 2 * SWEEP_SECONDS + 10)
        equal(pair.rows("SELECT COUNT(*) FROM credit_holds WHERE status = 'held'")[0][0], 0, "open holds")
        verify(survivor)
    found = Audit(load, pair)
    with checks.case(f"{name}: what the provider answered is charged as it bills it, call by call"):
        found.exact()
    with checks.case(f"{name}: providers that were stopped are paid for what was read"):
        found.stopped()
    with checks.case(f"{name}: faults before the first byte cost nothing"):
        found.free()
    with checks.case(f"{name}: calls cut by the kill are charged what was last noted of them"):
        found.cut()
    with checks.case(f"{name}: in sum the bill is the receipts, the ledger, the log and the balances"):
        found.sums()
    with checks.case(f"{name}: the hubs logged no panic"):
        equal([line for hub in load.hubs for line in hub.panics()], [], "panics")


def main():
    checks = Checks()
    for pair_of, processes in ((pairs.embedded, 1), (pairs.shared, 2)):
        asyncio.run(drive(pair_of, processes, checks))
    checks.finish()


if __name__ == "__main__":
    main()
