"""Money under load: nothing is spent twice, nothing is lost, whatever dies. See README.md beside the suites."""

import concurrent.futures
import resource

from hub_e2e import pairs
from hub_e2e.checks import Checks, equal

import crash
import floor
import hang_up
import hot_account
import kills
import spends

# The shortest lease the settings allow: what a dead process held is free after it and one round of the sweeper.
LEASE_SECONDS = 10
# A thousand callers in one process may be slow to say what they want.
SETTINGS = {"HUB__CREDITS__LEASE_SECONDS": str(LEASE_SECONDS), "HUB__SERVER__HEADER_TIMEOUT_SECONDS": "60"}
# How often a hub dies in the storm.
STRIKES = {"embedded": 3, "shared": 5}


def run(checks, pair_of, processes):
    """All checks on one pair."""
    with pair_of(**SETTINGS) as pair:
        with checks.case(f"{pair.name}: the suite runs to its end"):
            hubs = [pair.hub().start() for _ in range(processes)]
            hot_account.run(checks, pair, hubs)
            hang_up.run(checks, pair, hubs)
            crash.run(checks, pair, hubs, LEASE_SECONDS)
            spends.run(checks, pair, hubs)
            kills.run(checks, pair, hubs[:2], LEASE_SECONDS, STRIKES[pair.name])
            for hub in hubs:
                equal(hub.stop(), 0, "exit code")


def main():
    checks = Checks()
    # A socket for each of the spends at once, on both pairs.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # Most of the time is waiting for leases: both pairs wait together.
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        running = [pool.submit(run, checks, pairs.embedded, 1), pool.submit(run, checks, pairs.shared, 3)]
        for finished in running:
            finished.result()
    floor.both(checks)
    checks.finish()


if __name__ == "__main__":
    main()
