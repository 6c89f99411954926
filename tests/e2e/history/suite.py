"""A history of 10 000 rows: read page by page while it grows it has every row once, and no operation changes one that is there."""

import asyncio
import concurrent.futures
import http.client
import itertools
import json

from hub_e2e import pairs
from hub_e2e.checks import Checks, equal, true
from hub_e2e.keep_alive import KeepAlive, deduction
from hub_e2e.member import Member, micro, verify

ROWS = 10_000
AMOUNT = 3
GRANT = 1
WRITERS = 16
# Pages of the reader, in turns.
LIMITS = (100, 37)
METHODS = ("post", "put", "patch", "delete")
COLUMNS = "id, user_id, account_version, kind, amount, balance_after, actor_id, reason, metadata, created_at"
# No such operations are documented; they must not exist either.
UNDOCUMENTED = ("/api/credits/transactions/{id}", "/api/credits/transactions", "/api/credits/receipts/{id}", "/api/credits/{id}",
                "/api/admin/ledger/{id}", "/api/admin/transactions/{id}", "/api/usage/{id}")


async def grow(hub, operator, member, writers):
    """Appends all rows, from several connections."""
    left = itertools.count(1)
    request = deduction(operator, member, AMOUNT)

    async def write():
        connection = await KeepAlive.open(hub)
        while next(left) <= ROWS:
            await connection.ask(request)
        connection.close()

    await asyncio.gather(*(write() for _ in range(writers)))


class Reader:
    """Walks through the history from its newest row to its first, on one connection."""

    def __init__(self, hub, member):
        self.connection = http.client.HTTPConnection(*hub.address, timeout=30)
        self.headers = {"authorization": f"Bearer {member.key}"}

    def walk(self, limit):
        """How many rows there are; raises when one is missing, listed twice or out of order."""
        rows, cursor = [], ""
        for _ in range(2 * ROWS // limit):
            self.connection.request("GET", f"/api/credits/transactions?limit={limit}{cursor}", headers=self.headers)
            answer = self.connection.getresponse()
            page = json.loads(answer.read(), parse_float=str)
            equal(answer.status, 200, f"a page {page}")
            rows += page["transactions"]
            if not page["hasMore"]:
                break
            equal(len(page["transactions"]), limit, "rows of a page")
            cursor = f"&cursor={page['nextCursor']}"
        equal(len({row["id"] for row in rows}), len(rows), "rows listed twice")
        # Every balance follows from the row before it, so none is left out.
        for newer, older in itertools.pairwise(rows):
            equal(micro(newer["balanceAfter"]) - micro(newer["amount"]), micro(older["balanceAfter"]), f"the balance before {newer}")
        equal(micro(rows[-1]["balanceAfter"]), micro(rows[-1]["amount"]), "the first row")
        return len(rows)


def paging(checks, pair, hub, operator, member):
    """The reader walks again and again while the rows come."""
    with checks.case(f"{pair.name}: {ROWS} rows are read page by page while they are written, each once"):
        reader, walks = Reader(hub, member), []
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            writing = pool.submit(asyncio.run, grow(hub, operator, member, WRITERS))
            while not writing.done():
                walks.append(reader.walk(LIMITS[len(walks) % len(LIMITS)]))
            writing.result()
        print(f"       {pair.name}: rows found while they were written: {walks}", flush=True)
        equal(walks, sorted(walks), "rows found")
        true(any(1 < found <= ROWS for found in walks), "no walk met the growing history")
        for limit in LIMITS:
            equal(reader.walk(limit), ROWS + 1, "rows at the end")


class Caller:
    """Who tries to change something."""

    def __init__(self, hub, name, member, bearer):
        self.hub, self.name, self.member, self.bearer = hub, name, member, bearer

    def send(self, method, path, body=None):
        """The status and the answer. Each request has its connection: one that was refused before its body was read may be closed."""
        connection = http.client.HTTPConnection(*self.hub.address, timeout=30)
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {self.bearer}"} if self.bearer else {})
        try:
            connection.request(method.upper(), path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            said = answer.read()
        finally:
            connection.close()
        try:
            return answer.status, json.loads(said, parse_float=str)
        except ValueError:
            return answer.status, said


def session(hub, member):
    """An access token."""
    nobody = Caller(hub, "nobody", member, None)
    return nobody.send("post", "/api/auth/login", {"email": member.email, "password": member.password})[1]["accessToken"]


def sample(document, schema, transaction):
    """A body that fits a schema, and names the transaction wherever text is asked for."""
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    for choice in ("oneOf", "anyOf", "allOf"):
        if choice in schema:
            return sample(document, schema[choice][0], transaction)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: sample(document, of, transaction) for name, of in schema.get("properties", {}).items()}
    if kind == "array":
        return [sample(document, schema.get("items", {}), transaction)]
    return {"string": transaction, "integer": 1, "number": 1, "boolean": False}.get(kind)


def attempts(document, transaction):
    """`(method, path, bodies)` of everything that could be meant for one row."""
    for path, operations in document["paths"].items():
        for method in METHODS:
            if method in operations and "{" in path:
                content = operations[method].get("requestBody", {}).get("content", {}).get("application/json")
                bodies = [{}]
                if content:
                    bodies.append(sample(document, content["schema"], transaction))
                yield method, filled(path, transaction), bodies
    for path in UNDOCUMENTED:
        for method in METHODS:
            if method not in document["paths"].get(path, {}):
                yield method, filled(path, transaction), [{}, {"id": transaction, "amount": 1, "reason": "changed"}]


def filled(path, transaction):
    """The path with the transaction in every place."""
    return "/".join(transaction if part.startswith("{") else part for part in path.split("/"))


def unchanged(checks, pair, hub, operator, member):
    """Everything that is documented, and some that is not, with the id of a row."""
    before = pair.rows(f"SELECT {COLUMNS} FROM credit_transactions ORDER BY id")
    admin = Member(hub, role="admin")
    callers = [Caller(hub, "a member by key", member, member.key), Caller(hub, "a member by session", member, session(hub, member)),
               Caller(hub, "an administrator by key", operator, operator.key), Caller(hub, "an administrator by session", admin, session(hub, admin))]
    status, document = callers[0].send("get", "/api/openapi.json")
    newest = member.get(hub, "/api/credits/transactions?limit=1")["transactions"][0]
    for caller in callers:
        with checks.case(f"{pair.name}: nothing that {caller.name} sends changes a row"):
            equal(status, 200, "the document")
            tried = list(attempts(document, newest["id"]))
            true(len(tried) > 40, f"only {len(tried)} operations")
            for method, path, bodies in tried:
                for body in bodies:
                    answer, said = caller.send(method, path, body)
                    true(answer < 500, f"{method} {path} {body}: {answer} {said}")
                    undocumented = any(path == filled(one, newest["id"]) for one in UNDOCUMENTED)
                    true(not undocumented or answer in (403, 404, 405), f"{method} {path} is not documented, and answers {answer} {said}")
            equal(pair.rows(f"SELECT {COLUMNS} FROM credit_transactions ORDER BY id"), before, "rows")

    with checks.case(f"{pair.name}: a refund and an adjustment are new rows, with a reason and who did it; the old ones stay"):
        keyed, by = callers[2], operator.id
        for path, body in (("refund", {"transactionId": newest["id"]}), ("adjust", {"userId": member.id, "amount": 0.5})):
            for reason in ({}, {"reason": ""}, {"reason": " "}):
                equal(keyed.send("post", f"/api/credits/{path}", body | reason)[0], 400, f"{path} without a reason")
            equal(callers[0].send("post", f"/api/credits/{path}", body | {"reason": "mine"})[0], 403, f"{path} by a member")
            status, row = keyed.send("post", f"/api/credits/{path}", body | {"reason": "e2e"})
            equal((status, row.get("actorId"), row.get("reason")), (200, by, "e2e"), path)
        after = pair.rows(f"SELECT {COLUMNS} FROM credit_transactions ORDER BY id")
        old = {row[0] for row in before}
        equal([row for row in after if row[0] in old], before, "the old rows")
        equal(len(after), len(before) + 2, "rows")


def run(checks, pair_of):
    """All checks on one pair."""
    with pair_of() as pair:
        with checks.case(f"{pair.name}: the suite runs to its end"):
            hub = pair.hub().start()
            operator, member = Member(hub, role="admin"), Member(hub, credits=GRANT)
            paging(checks, pair, hub, operator, member)
            unchanged(checks, pair, hub, operator, member)
            with checks.case(f"{pair.name}: the ledger is clean, and nothing went wrong"):
                verify(hub)
                equal((hub.errors(), hub.panics()), ([], []), "errors in the log")
            equal(hub.stop(), 0, "exit code")


def main():
    checks = Checks()
    for pair_of in pairs.BOTH:
        run(checks, pair_of)
    checks.finish()


if __name__ == "__main__":
    main()
