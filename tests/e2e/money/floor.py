"""64 callers of deductions for ten seconds: how many come through is printed, what is asserted is that none fails and the sum is exact."""

import asyncio
import json
import statistics
import time

from hub_e2e import pairs
from hub_e2e.checks import equal, true
from hub_e2e.member import MICRO, Member, verify

CALLERS = 64
SECONDS = 10.0
AMOUNT = 7
GRANT = 1000
# So slow is no machine.
LEAST = 10 * CALLERS
PATIENCE = 30.0


def run(checks, pair_of):
    """One hub, alone on its pair."""
    with pair_of() as pair, checks.case(f"{pair.name}: {CALLERS} callers of deductions for {SECONDS:.0f} s"):
        hub = pair.hub().start()
        operator, member = Member(hub, role="admin"), Member(hub, credits=GRANT)
        begun = time.monotonic()
        times = asyncio.run(load(hub, operator, member))
        took = time.monotonic() - begun
        cuts = statistics.quantiles(times, n=100)
        print(f"       {pair.name}: {len(times)} deductions, {len(times) / took:.0f} in a second, p50 {cuts[49] * 1e3:.1f} ms, "
              f"p99 {cuts[98] * 1e3:.1f} ms, longest {max(times) * 1e3:.0f} ms", flush=True)
        true(len(times) >= LEAST, f"only {len(times)} deductions")
        equal(member.balance(hub), (GRANT * MICRO - AMOUNT * len(times), 0), "(balance, held)")
        ledger = pair.rows("SELECT COUNT(*), SUM(amount), MIN(amount), MAX(amount) FROM credit_transactions WHERE kind = 'usage'")[0]
        equal(tuple(map(int, ledger)), (len(times), -AMOUNT * len(times), -AMOUNT, -AMOUNT), "the ledger's rows")
        verify(hub)
        equal((hub.errors(), hub.panics()), ([], []), "errors in the log")
        equal(hub.stop(), 0, "exit code")


async def load(hub, operator, member):
    """Seconds of each deduction."""
    body = json.dumps({"userId": member.id, "amount": AMOUNT / MICRO, "reason": "e2e"})
    request = (f"POST /api/credits/deduct HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer {operator.key}\r\n"
               f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}").encode()
    until = time.monotonic() + SECONDS
    times = await asyncio.gather(*(caller(hub, request, until) for _ in range(CALLERS)))
    return [took for of in times for took in of]


async def caller(hub, request, until):
    """One connection, one deduction after the other. By hand, because a client library would be what is measured."""
    reader, writer = await asyncio.open_connection(*hub.address)
    times = []
    while time.monotonic() < until:
        begun = time.monotonic()
        writer.write(request)
        async with asyncio.timeout(PATIENCE):
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            said = await reader.readexactly(length)
        if not head.startswith(b"http/1.1 200"):
            raise AssertionError(f"{head!r} {said!r}")
        times.append(time.monotonic() - begun)
    writer.close()
    return times


def both(checks):
    """One pair after the other, so that the figures are its own."""
    for pair_of in pairs.BOTH:
        run(checks, pair_of)
