"""A process whose machine is a day ahead, or a day behind, beside one whose is right, on one PostgreSQL: the database's time decides."""

import asyncio
import concurrent.futures
import datetime
import http.client
import json
import os
import time

from hub_e2e import pairs
from hub_e2e.calls import call, client, deduct
from hub_e2e.checks import Checks, equal, true
from hub_e2e.member import Member, books, verify

LEASE_SECONDS = 10
SWEEP_SECONDS = 5
DAY = datetime.timedelta(days=1)
SKEWS = {"+1d": DAY, "-1d": -DAY}
# A stream that outlives a lease and two rounds of the sweeper, if its hold is renewed.
WORDS, DELAY_MS = 500, 45
ENDLESS = 2000
# How far two clocks of one hub may be apart here: the time of a query on a busy machine.
NEAR = datetime.timedelta(seconds=20)
WITHIN = 30.0
SLOW = 15.0
PAUSE = 0.05


class Two:
    """`right` has the machine's time, `wrong` another."""

    def __init__(self, checks, pair, skew):
        self.checks, self.pair, self.skew = checks, pair, skew
        self.right = pair.hub()
        # Durations are measured with the monotonic clock, which nobody sets.
        self.wrong = pair.hub(LD_PRELOAD=os.environ["FAKETIME_LIBRARY"], FAKETIME=skew, FAKETIME_DONT_FAKE_MONOTONIC="1",
                              DONT_FAKE_MONOTONIC="1")
        self.right.start()
        self.wrong.start()
        self.both = (self.right, self.wrong)
        self.operator = Member(self.right, role="admin")

    def case(self, name):
        return self.checks.case(f"{self.skew}: {name}")

    def now(self):
        """The database's time."""
        return self.pair.rows("SELECT now()")[0][0]


def ask(hub, method, path, bearer, body=None):
    """`(status, answer)`."""
    connection = http.client.HTTPConnection(*hub.address, timeout=30)
    try:
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {bearer}"} if bearer else {})
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        said = answer.read()
        return answer.status, json.loads(said) if said else None
    finally:
        connection.close()


def skewed(two):
    """Nothing here says anything unless the process really has another time: its own log, which no database corrects, says which."""
    with two.case("the process has another time"):
        for hub, want in ((two.right, datetime.timedelta()), (two.wrong, SKEWS[two.skew])):
            first = json.loads(hub.log.read_text().splitlines()[0])["timestamp"]
            off = datetime.datetime.fromisoformat(first.replace("Z", "+00:00")) - two.now()
            true(abs(off - want) < 3 * NEAR, f"the log of {hub.url} is {off} off")


def tokens(two):
    """What one process signs, the other accepts, and what it renews."""
    with two.case("tokens of one process are accepted by the other, and renewed"):
        member = Member(two.right)
        for maker, other in (two.both, two.both[::-1]):
            status, made = ask(maker, "POST", "/api/auth/login", None, {"email": member.email, "password": member.password})
            equal(status, 200, f"sign-in {made}")
            for hub in two.both:
                equal(ask(hub, "GET", "/api/auth/me", made["accessToken"])[0], 200, f"a token of {maker.url} at {hub.url}")
            status, renewed = ask(other, "POST", "/api/auth/refresh", None, {"refreshToken": made["refreshToken"]})
            equal(status, 200, f"a refresh token {renewed}")
            for hub in two.both:
                equal(ask(hub, "GET", "/api/auth/me", renewed["accessToken"])[0], 200, f"a token renewed by {other.url} at {hub.url}")


def promo(two):
    """Codes begin and end by the database's time, whichever process is asked."""
    with two.case("promo codes begin and end by the time of the database"):
        seller = Member(two.right, role="admin", scopes="promo:manage,credits:read")
        hour = datetime.timedelta(hours=1)
        for maker, asked in ((two.right, two.wrong), (two.wrong, two.right)):
            member = Member(two.right, credits=1)
            now = two.now()
            end = now + datetime.timedelta(seconds=3)
            codes = {}
            for name, dates in {"open": {"startsAt": now - hour, "expiresAt": now + hour}, "early": {"startsAt": now + hour}, "over": {"expiresAt": end}}.items():
                terms = {field: moment.isoformat() for field, moment in dates.items()}
                status, made = ask(maker, "POST", "/api/promo-codes", seller.key, {"credits": 5, "maxUses": 10, "creditsExpireDays": 1, **terms})
                equal(status, 201, f"a code {made}")
                codes[name] = made["code"]
            status, given = ask(asked, "POST", "/api/credits/redeem", member.key, {"code": codes["open"]})
            equal(status, 200, f"a code within its time {given}")
            true(abs(moment(given["expiresAt"]) - two.now() - DAY) < NEAR, f"its credits end at {given['expiresAt']}")
            equal(ask(asked, "POST", "/api/credits/redeem", member.key, {"code": codes["early"]})[0], 404, "a code before its time")
            deadline = time.monotonic() + WITHIN
            # The hub's clock may be behind the database's by the time of a query.
            while two.now() < end + datetime.timedelta(seconds=1):
                true(time.monotonic() < deadline, "the database's time stands still")
                time.sleep(PAUSE)
            for hub in two.both:
                equal(ask(hub, "POST", "/api/credits/redeem", member.key, {"code": codes["over"]})[0], 404, "a code after its time")


def order(two):
    """Rows written in turns are listed in the order they were written, with the database's time."""
    with two.case("the history keeps its order, and its rows have the time of the database"):
        member = Member(two.right, credits=1)
        before = two.now()
        done = asyncio.run(in_turns(two, member))
        equal({one.status for one in done}, {200}, "deductions")
        rows = [row for row in books(member, two.wrong) if row["kind"] == "usage"]
        equal([row["id"] for row in rows], [one.transaction for one in reversed(done)], "order")
        for row in rows:
            true(before - NEAR < moment(row["createdAt"]) < two.now() + NEAR, f"{row} between {before} and {two.now()}")


async def in_turns(two, member):
    async with client() as http:
        return [await deduct(http, two.both[n % 2], two.operator, member, 3) for n in range(40)]


def holds(two):
    """Streams that outlive their first lease are not taken by the other process's sweeper; those of a dead process are."""
    with two.case("holds of running streams do not expire early"):
        member = Member(two.right, credits=100)
        seen = asyncio.run(streams(two, member))
        for one in seen:
            equal((one.words, one.complete, one.code), (WORDS, True, None), "a stream")
            equal(member.receipt(two.right, one.receipt)["outcome"], "completed", "outcome")
        true(len(seen) == 4, "two streams at each process")

    # Who is ahead must not have taken a lease into tomorrow; who is behind must see that another's lease is over.
    victim, survivor = (two.wrong, two.right) if two.skew == "+1d" else (two.right, two.wrong)
    with two.case("holds of a process that died do not live on"):
        member = Member(two.right, credits=100)
        one = asyncio.run(cut(victim, survivor, member))
        member.settled(survivor, within=LEASE_SECONDS + 2 * SWEEP_SECONDS + SLOW)
        equal(member.receipt(survivor, one.receipt)["outcome"], "expired", "outcome")
        victim.start()
        verify(victim)


async def streams(two, member):
    async with client() as http:
        orders = f"sandbox:delay={DELAY_MS}"
        return await asyncio.gather(*(call(http, two.both[n % 2], member, orders, words=WORDS, stream=True) for n in range(4)))


async def cut(victim, survivor, member):
    """A stream whose process is killed once its hold can be seen and words have come."""
    async with client() as http:
        running = asyncio.create_task(call(http, victim, member, f"sandbox:delay={DELAY_MS}", words=ENDLESS, stream=True))
        deadline = time.monotonic() + WITHIN
        while (await asyncio.to_thread(member.balance, survivor))[1] == 0:
            true(time.monotonic() < deadline, "nothing is held")
            await asyncio.sleep(PAUSE)
        await asyncio.to_thread(victim.kill)
        seen = await running
        true(seen.receipt and not seen.complete, f"the stream was not cut: {seen}")
        return seen


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def run(checks, skew):
    """All checks with one skew."""
    with pairs.shared(HUB__CREDITS__LEASE_SECONDS=str(LEASE_SECONDS)) as pair:
        with checks.case(f"{skew}: the suite runs to its end"):
            two = Two(checks, pair, skew)
            for part in (skewed, tokens, promo, order, holds):
                part(two)
            with two.case("nothing went wrong meanwhile"):
                verify(two.right)
                equal([line for hub in two.both for line in hub.panics()], [], "panics")
            for hub in two.both:
                equal(hub.stop(), 0, "exit code")


def main():
    checks = Checks()
    # Most of the time is waiting for leases: both wait together.
    with concurrent.futures.ThreadPoolExecutor(len(SKEWS)) as pool:
        for finished in [pool.submit(run, checks, skew) for skew in SKEWS]:
            finished.result()
    checks.finish()


if __name__ == "__main__":
    main()
