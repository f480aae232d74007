"""Add up JUnit reports: `tally.py FAILED_PARTS REPORT...` prints one closing line and exits 1 if anything failed."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree


def main(failed_parts: int, reports: list[str]) -> int:
    total = failed = skipped = missing = 0
    seconds = 0.0
    for report in reports:
        if not Path(report).exists():
            print(f"no report {Path(report).name}: pytest did not get as far as running tests")
            missing += 1
            continue
        for suite in ElementTree.parse(report).getroot().iter("testsuite"):
            total += int(suite.get("tests", 0))
            failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            skipped += int(suite.get("skipped", 0))
            seconds += float(suite.get("time", 0))
    passed = total - failed - skipped
    # A part without tests of its own (lint, types, imports) that failed counts once.
    failed = max(failed + missing, failed_parts)
    print(f"{passed} passed, {failed} failed, {skipped} skipped in {seconds:.0f}s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
