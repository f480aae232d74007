"""What a process and its descendants really used: CPU seconds and memory.

The system tells a parent what its children used once they have ended and been waited for. Workers that are killed
with their parent, or that outlive it, appear in nobody's account: they are looked at while they run.
"""

from __future__ import annotations

import resource
from dataclasses import dataclass, field


@dataclass
class Usage:
    """CPU seconds, descendants included, and the largest resident size of the whole tree in MB."""

    cpu_s: float = 0.0
    peak_memory_mb: float = 0.0


@dataclass
class Watched:
    """One child process: `look` every now and then, `settle` before its tree is killed, then `add_to` a usage."""

    pid: int
    children_cpu_before_s: float
    descendants: set[tuple[int, float]] = field(default_factory=set)
    orphans_cpu_s: float = 0.0
    peak_memory_mb: float = 0.0

    def look(self) -> float:
        """The resident size of the tree in MB."""
        import psutil

        try:
            root = psutil.Process(self.pid)
            family = [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return 0.0
        total = 0
        for process in family:
            try:
                total += process.memory_info().rss
                if process.pid != self.pid:
                    self.descendants.add((process.pid, process.create_time()))
            except psutil.NoSuchProcess:
                continue
        self.peak_memory_mb = max(self.peak_memory_mb, total / 1e6)
        return total / 1e6

    def settle(self) -> None:
        """Note what the descendants used that are still there: the child will not wait for them any more."""
        import psutil

        self.look()
        for pid, created in self.descendants:
            try:
                process = psutil.Process(pid)
                if process.create_time() == created:
                    times = process.cpu_times()
                    self.orphans_cpu_s += times.user + times.system
            except psutil.NoSuchProcess:
                continue

    def add_to(self, usage: Usage) -> None:
        """Add what the tree used, once the child has been waited for."""
        usage.cpu_s += children_cpu_s() - self.children_cpu_before_s + self.orphans_cpu_s
        usage.peak_memory_mb = max(usage.peak_memory_mb, self.peak_memory_mb)


def watch(pid: int) -> Watched:
    """Watch the child process `pid`, which has just been started."""
    return Watched(pid, children_cpu_s())


def children_cpu_s() -> float:
    """CPU seconds of the ended children of this process that were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
