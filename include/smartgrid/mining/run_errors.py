"""Failures of the mining runs: their data, the vocabulary of events and the outage log."""

from __future__ import annotations

from smartgrid.errors import SmartGridError
from smartgrid.mining.errors import MiningError


class NotEnoughDays(MiningError):
    """The window has too few days with a reading in each hour."""

    def __init__(self, have: int, need: int) -> None:
        self.have, self.need = have, need
        super().__init__(
            "window", f"at least {need} zone-days with all hours", f"{have} zone-day(s) are whole. Take more days."
        )


class BadVocabulary(MiningError):
    """The file with the vocabulary of events is not what it has to be."""

    def __init__(self, path: str, problem: str) -> None:
        self.path, self.problem = path, problem
        super().__init__(
            "mining.vocabulary_file", "a file like the packaged events_vocabulary.yaml", f"{path}: {problem}."
        )


class OutageLogUnusable(MiningError):
    """The outage log cannot be read with the columns that are configured."""

    def __init__(self, path: str, problem: str) -> None:
        self.path, self.problem = path, problem
        super().__init__(
            "mining.outage_log", "a CSV file and the columns of it that docs/mining.md names", f"{path}: {problem}."
        )


class NoEvents(MiningError):
    """Nothing happened in the window that the vocabulary has a word for."""

    def __init__(self, window: str) -> None:
        self.window = window
        super().__init__("window", "a window with events", f"no event in {window}. Take more days or lower thresholds.")


class SearchesDisagree(SmartGridError):
    """Apriori and FP-Growth found different itemsets in the same transactions: one of them has a defect."""

    exit_code = 3

    def __init__(self, only_apriori: int, only_fp_growth: int) -> None:
        self.only_apriori, self.only_fp_growth = only_apriori, only_fp_growth
        super().__init__(
            f"{only_apriori} itemset(s) were found by Apriori alone and {only_fp_growth} by FP-Growth alone. "
            "Nothing was stored; please report the transactions of this run."
        )


class UnknownMiningRun(MiningError):
    """No run of this name has been prepared."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__("run_id", "a run that the first step of the pipeline made", f"no run {run_id!r}.")
