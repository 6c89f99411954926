"""Counting checks. A failed check is printed and counted; the suite goes on, so one run tells all."""

import contextlib
import sys
import threading
import time
import traceback

from .hub import end_with_the_suite


class Checks:
    """Results of one suite, printed as `N passed, N failed`."""

    def __init__(self):
        self.passed = 0
        self.failed = 0
        self._begun = time.monotonic()
        self._lock = threading.Lock()
        end_with_the_suite()

    @contextlib.contextmanager
    def case(self, name):
        """One named check: it fails when its body raises."""
        begun = time.monotonic()
        try:
            yield
        except Exception as error:
            # The place in the suite, not in the helper that compared.
            frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
            place = f"{frames[-1].name}, line {frames[-1].lineno}" if frames else "?"
            with self._lock:
                self.failed += 1
                print(f"FAILED {name}: {type(error).__name__}: {error} ({place})", flush=True)
        else:
            with self._lock:
                self.passed += 1
                print(f"ok     {name} ({time.monotonic() - begun:.1f} s)", flush=True)

    def finish(self):
        """Prints the closing line and ends the process: 0 only when everything passed."""
        print(f"{time.monotonic() - self._begun:.0f} s")
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        sys.exit(0 if self.failed == 0 and self.passed > 0 else 1)


def equal(got, want, what="value"):
    """Raises unless `got` is `want`."""
    if got != want:
        raise AssertionError(f"{what}: got {got!r}, want {want!r}")


def true(condition, message):
    """Raises `message` unless the condition holds; like `assert`, but never optimised away."""
    if not condition:
        raise AssertionError(message)
