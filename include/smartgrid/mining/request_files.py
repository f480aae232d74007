"""Where the requests that run as jobs are kept: `HOME/mining/jobs/JOB/`."""

from __future__ import annotations

import re
from pathlib import Path

from smartgrid.settings import Settings

JOB_ID = re.compile(r"^mine-[0-9a-f]{32}$")
# Written by the API; by the step that works it off; by the step that finds it wrong.
REQUEST, RESULT, REFUSAL = "request.json", "result.json", "refusal.json"


def jobs_folder(settings: Settings) -> Path:
    return settings.home / "mining" / "jobs"
