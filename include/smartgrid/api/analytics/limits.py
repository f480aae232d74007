"""How much one request, one answer and the whole analytics API may take."""

from __future__ import annotations

from dataclasses import dataclass

MB = 1024 * 1024

# In the schemas; docs/analytics-api.md lists them.
MAX_ROWS = 100_000
MAX_COLUMNS = 1_000
MAX_TRANSACTIONS = 100_000
MAX_BASKET_ITEMS = 1_000
MAX_TEXT = 200
MAX_MEMORY_MB = 4_096
# Work that may take more memory than this runs as a job.
ANSWER_MEMORY_MB = 1_024


@dataclass(frozen=True)
class AnalyticsLimits:
    """What is not in the schemas. A request beyond `answer_s`, `answer_values` or `answer_file_bytes` becomes a job."""

    # A body of this size keeps one processor busy for about half a second; more belongs into the lake.
    body_bytes: int = 8 * MB
    answer_s: float = 10.0
    answer_values: int = 1_000_000
    answer_file_bytes: int = 8 * MB
    workers: int = 2
    # What a worker may hold: its libraries (about 200 MB) and the work.
    worker_memory_mb: int = 1_536
    # A worker that holds more than this after its answer is replaced: freed memory is not always given back.
    worker_keep_mb: int = 600
    worker_start_s: float = 60.0
    # Requests that wait for a worker; more are answered with 503.
    waiting: int = 64
    waiting_bytes: int = 128 * MB
    unfinished_jobs: int = 20
    job_days: int = 7
