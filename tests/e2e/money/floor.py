"""64 callers of deductions for ten seconds: how many come through is printed, what is asserted is that none fails and the sum is exact."""

import asyncio
import statistics
import time

from hub_e2e import pairs
from hub_e2e.checks import equal, true
from hub_e2e.keep_alive import KeepAlive, deduction
from hub_e2e.member import MICRO, Member, verify

CALLERS = 64
SECONDS = 10.0
AMOUNT = 7
GRANT = 1000
# So slow is no machine.
LEAST = 10 * CALLERS


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
    request, until = deduction(operator, member, AMOUNT), time.monotonic() + SECONDS
    times = await asyncio.gather(*(caller(hub, request, until) for _ in range(CALLERS)))
    return [took for of in times for took in of]


async def caller(hub, request, until):
    """One deduction after the other."""
    connection, times = await KeepAlive.open(hub), []
    while time.monotonic() < until:
        begun = time.monotonic()
        await connection.ask(request)
        times.append(time.monotonic() - begun)
    connection.close()
    return times


def both(checks):
    """One pair after the other, so that the figures are its own."""
    for pair_of in pairs.BOTH:
        run(checks, pair_of)
