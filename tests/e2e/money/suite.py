"""Money under load: nothing is spent twice, nothing is lost, whatever dies. See README.md beside the suites."""

import concurrent.futures

from hub_e2e import pairs
from hub_e2e.checks import Checks, equal

import crash
import hang_up
import hot_account

# The shortest lease the settings allow: what a dead process held is free after it and one round of the sweeper.
LEASE_SECONDS = 10


def run(checks, pair_of, processes):
    """All checks on one pair."""
    with pair_of(HUB__CREDITS__LEASE_SECONDS=str(LEASE_SECONDS)) as pair:
        with checks.case(f"{pair.name}: the suite runs to its end"):
            hubs = [pair.hub().start() for _ in range(processes)]
            hot_account.run(checks, pair, hubs)
            hang_up.run(checks, pair, hubs)
            crash.run(checks, pair, hubs, LEASE_SECONDS)
            for hub in hubs:
                equal(hub.stop(), 0, "exit code")


def main():
    checks = Checks()
    # Most of the time is waiting for leases: both pairs wait together.
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        running = [pool.submit(run, checks, pairs.embedded, 1), pool.submit(run, checks, pairs.shared, 3)]
        for finished in running:
            finished.result()
    checks.finish()


if __name__ == "__main__":
    main()
