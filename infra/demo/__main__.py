"""The whole story on a fresh cloud: plans, two applications, personal data, visits and a month.

    python -m infra.demo        exits 0 only if all of it held

Every sentence that is printed was checked before it was printed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from infra.bench.program import Unexpected
from infra.demo import later, metered, plans, privacy
from infra.demo.story import DidNotHold, Story
from infra.local.clock import follow
from infra.local.front.run import LocalCloud
from infra.person import Person

CHAPTERS = (
    metered.register, metered.order, metered.download, metered.sign_in_computer, metered.launch,
    metered.usage, plans.buy_a_pass, plans.run_tally, plans.subscribe, plans.try_it,
    privacy.what_is_promised, privacy.choose, privacy.write_to_many, privacy.write_to_us,
    privacy.take_along, later.visits, later.another_vendor, later.a_month, later.cancel,
    privacy.a_new_policy, privacy.verify, privacy.leave, later.look_at_rest,
)  # fmt: skip
BROKEN = (
    DidNotHold, Unexpected, LookupError, ValueError, httpx.HTTPError, subprocess.SubprocessError,
)  # fmt: skip


def main() -> int:
    started = time.monotonic()
    print("Starting a fresh cloud from the packaged template and zip …")
    with tempfile.TemporaryDirectory(prefix="cetrus-demo-") as home, LocalCloud() as cloud:
        follow(cloud.clock_file)
        print(f"It serves at {cloud.app} after {time.monotonic() - started:.1f} s.")
        with Person(cloud.app) as person:
            story = Story(cloud, person, Path(home))
            try:
                for chapter in CHAPTERS:
                    chapter(story)
            except BROKEN as error:
                print(f"\nThe story broke: {error!r}", file=sys.stderr)
                return 1
    seconds = time.monotonic() - started
    print(f"\nAll {story.sentences} sentences held, in {seconds:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
