"""The hub's books, read from its database by another client, and what they should say by the provider's bill.

Every number here is computed by the suite: the prices are copied from the published table, the cost is tokens × price,
rounded up once per call, and what the documentation promises where the provider did not report usage is said in `owed`.
"""

import dataclasses
import json
from decimal import ROUND_CEILING, Decimal

import plan
from provider import CLASSES

# Credits per million tokens, which is also micro-credits per token.
PRICES = {
    plan.OPENAI: dict(zip(CLASSES, map(Decimal, ("15", "7.5", "15", "60", "60")))),
    plan.CLAUDE: dict(zip(CLASSES, map(Decimal, ("100", "10", "125", "500", "500")))),
}
RECEIPTS = (
    "SELECT request_id, upstream_id, usage_source, outcome, amount, uncollected, input_tokens, cache_read_tokens,"
    " cache_write_tokens, output_tokens, reasoning_tokens FROM receipts"
)


@dataclasses.dataclass
class Receipt:
    """One receipt."""

    upstream_id: str | None
    source: str
    outcome: str
    amount: int
    uncollected: int
    tokens: dict


def receipts(pair):
    """All receipts by request id; raises when a request has two."""
    found = {}
    for request, upstream, source, outcome, amount, uncollected, *tokens in pair.rows(RECEIPTS):
        if request in found:
            raise AssertionError(f"{request} has two receipts")
        found[request] = Receipt(upstream, source, outcome, amount, uncollected, dict(zip(CLASSES, tokens)))
    return found


def held(pair):
    """What is noted for the calls whose hold is open: tokens by request id."""
    found = {}
    for request, note in pair.rows("SELECT request_id, checkpoint FROM credit_holds WHERE status = 'held'"):
        usage = (json.loads(note) if isinstance(note, str) else note)["usage"]
        found[request] = {kind: usage[kind] for kind in CLASSES}
    return found


def cost(model, tokens):
    """Micro-credits."""
    exact = sum(PRICES[model][kind] * tokens[kind] for kind in CLASSES)
    return int(exact.to_integral_value(ROUND_CEILING))


def owed(call, line):
    """Tokens that the hub promises to charge for a line of the bill that it read to its end.

    With usage reported: exactly that. Without: completion tokens by its text, four characters to a token (which is what
    this provider's tokens are, so that it must be equal), and the prompt as far as it was told at the start of the
    answer, else by estimate: four characters to a token and four tokens a message.
    """
    if line.told or (line.model == plan.CLAUDE and line.stream):
        return dict(line.tokens)
    estimate = -(-len(call.prompt) // 4) + 4
    return line.tokens | {"input": estimate, "cacheRead": 0}


def total(rows):
    """The sum by class."""
    rows = list(rows)
    return {kind: sum(row[kind] for row in rows) for kind in CLASSES}


def difference(one, other):
    """By class."""
    return {kind: one[kind] - other[kind] for kind in CLASSES}
