"""Metrics of several processes become one page."""

from __future__ import annotations

from tf_serving.embedded.metrics import Metrics
from tf_serving.embedded.metrics_sum import MetricsSum, summed

NAMES = ("a", "b")


def counted(*models: str) -> str:
    """The page of a process that has answered one request for each of `models`."""
    metrics = Metrics(NAMES)
    for model in models:
        with metrics.request(model, "REST") as observe_run:
            observe_run({}, 5.0)
    return metrics.text()


def samples(text: str) -> dict[str, str]:
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))


def without_times(text: str) -> dict[str, str]:
    return {series: value for series, value in samples(text).items() if "latency" not in series or "Inf" in series}


def test_the_sum_of_one_is_the_page_itself() -> None:
    page = counted("a", "b", "a")
    assert summed([page]) == page
    assert summed(["", page]) == page


def test_every_series_is_the_sum_and_histograms_stay_in_order() -> None:
    together = summed([counted("a"), counted("b", "b"), counted("b", "a")])
    assert without_times(together) == without_times(counted("a", "a", "b", "b", "b"))
    bounds = [line for line in together.splitlines() if "request_latency_bucket" in line and 'model_name="b"' in line]
    counts = [int(line.rsplit(" ", 1)[1]) for line in bounds]
    assert counts == sorted(counts)
    assert counts[-1] == 3
    assert bounds[-1].startswith(':tensorflow:serving:request_latency_bucket{model_name="b",API="predict"')
    kinds = [line for line in together.splitlines() if line.startswith("#")]
    assert len(kinds) == len(set(kinds))


def test_labels_with_spaces_and_line_separators_survive() -> None:
    page = '# TYPE n counter\nn{model_name="a b\u2028} 7"} 1\n'
    assert summed([page, page]) == page.replace("} 1\n", "} 2\n")


def test_nothing_that_was_shown_becomes_less_when_a_process_ends() -> None:
    total = MetricsSum()
    for process in (1, 2):
        total.join(process)
    total.note(1, 1, counted("a", "a"))
    total.note(2, 1, counted("a"))
    shown = total.text()
    total.leave(1)
    assert without_times(total.text()) == without_times(shown)
    total.note(1, 2, counted("a", "a", "a"))  # comes too late: it has left
    total.join(3)
    assert without_times(total.text()) == without_times(shown)
    total.note(3, 1, counted("b"))
    assert without_times(total.text()) == without_times(counted("a", "a", "a", "b"))


def test_an_older_page_does_not_replace_a_newer_one() -> None:
    total = MetricsSum()
    total.join(1)
    total.note(1, 2, counted("a", "a"))
    total.note(1, 1, counted("a"))
    assert without_times(total.text()) == without_times(counted("a", "a"))
