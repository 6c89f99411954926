"""What happens in each call: drawn from a seed, the same for the callers and for the provider."""

import dataclasses
import random

# Dollars per million tokens of the two models, as the hub seeds them; a dollar is 100 credits.
OPENAI, CLAUDE = "gpt-4o-mini", "claude-haiku-4-5"
# Faults after which no byte of an answer came, so that there is nothing to bill.
EARLY = ("400", "429", "429 with a pause", "500", "503", "529", "reset")
FAULTS = {
    "none": 56, "400": 3, "429": 4, "429 with a pause": 2, "500": 3, "503": 3, "529": 3, "reset": 3,
    "slow": 5, "error": 6, "truncated": 6, "no usage": 5, "early usage": 5,
}
# A token of the provider is these four characters, always.
TOKEN = "abc "
PAUSE = 0.004
# What is added to the number of a call when its caller makes it again.
AGAIN = 1_000_000


@dataclasses.dataclass(frozen=True)
class Call:
    """What the caller does."""

    number: int
    wire: str
    model: str
    stream: bool
    words: int
    # Hangs up after so many tokens of a stream, or after so many hundredths of a second of a whole answer.
    leave_after: int | None

    @property
    def prompt(self):
        return f"bill call {self.number} " + " ".join(["word"] * self.words)

    @property
    def id(self):
        """The request id on the hub's receipt."""
        return f"bill-{self.number}"


@dataclasses.dataclass(frozen=True)
class Answer:
    """What the provider does at one attempt."""

    fault: str
    tokens: int
    reasoning: int
    cached: int
    # Tokens before the fault.
    before: int
    pause: float
    keep: bool


def call(seed, number):
    """A short call."""
    draw = random.Random(f"{seed} call {number}")
    stream = draw.random() < 0.6
    leaves = draw.random() < (0.15 if stream else 0.06)
    return Call(
        number=number,
        wire=draw.choice(("openai", "anthropic")),
        model=draw.choice((OPENAI, CLAUDE)),
        stream=stream,
        words=draw.randrange(1, 40),
        leave_after=draw.randrange(0, 7) if leaves else None,
    )


def long_call(number):
    """A stream that lasts long enough to be checkpointed."""
    return Call(number, "openai", (OPENAI, CLAUDE)[number % 2], True, 10, None)


def again(first):
    """The same call, made once more by a caller who has seen its connection break, and who stays this time."""
    return dataclasses.replace(first, number=first.number + AGAIN, leave_after=None)


def answer(seed, number, attempt, long_from):
    """What the provider does at this attempt of this call."""
    draw = random.Random(f"{seed} answer {number} {attempt}")
    if number % AGAIN >= long_from:
        return Answer("none", 500, 0, 0, 0, 0.02, True)
    asked = call(seed, number % AGAIN)
    fault = draw.choices(list(FAULTS), FAULTS.values())[0]
    if not asked.stream and fault in ("error", "truncated", "early usage"):
        fault = "none"
    tokens = draw.randrange(3, 25)
    if asked.model == CLAUDE and asked.stream and asked.leave_after is not None:
        # Long enough to see that the hub stops the provider.
        tokens = 400
    return Answer(
        fault=fault,
        tokens=tokens,
        reasoning=draw.choice((0, 0, 7)) if asked.model == OPENAI else 0,
        cached=draw.choice((0, 0, 5)),
        before=draw.randrange(1, tokens),
        pause=PAUSE,
        keep=draw.random() < 0.5,
    )
