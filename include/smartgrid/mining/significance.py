"""Is a rule more than chance, given how many rules were tried?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_Integers = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]

CORRECTION = "Benjamini-Hochberg over all rules tried"


def fisher_one_sided(both: _Integers, antecedent: _Integers, consequent: _Integers, transactions: int) -> _Floats:
    """p of Fisher's exact test: at least `both` common baskets if antecedent and consequent were independent."""
    if not len(both):
        return np.empty(0)
    # The test is symmetric, and many rules share their counts: each triple is computed once.
    low, high = np.minimum(antecedent, consequent), np.maximum(antecedent, consequent)
    triples, back = np.unique(np.stack([both, low, high], axis=1), axis=0, return_inverse=True)
    return _upper_tail(triples[:, 0], triples[:, 1], triples[:, 2], transactions)[back.ravel()]


def _upper_tail(both: _Integers, low: _Integers, high: _Integers, transactions: int) -> _Floats:
    """P(X >= both) of the hypergeometric distribution, summed from the side with the smaller sum.

    SciPy's `hypergeom.sf` is one call of Boost an element, 80 microseconds each; here a whole array walks its tail.
    """
    above = both * transactions > low * high
    p_value = np.empty(len(both))
    p_value[above] = _tail_sum(both[above], low[above], high[above], transactions, 1)
    p_value[~above] = 1.0 - _tail_sum(both[~above] - 1, low[~above], high[~above], transactions, -1)
    return np.clip(p_value, 0.0, 1.0)


def _tail_sum(start: _Integers, low: _Integers, high: _Integers, transactions: int, step: int) -> _Floats:
    """Probabilities of `start` and all values beyond it in the direction of `step`: away from the mean, so falling."""
    from scipy.special import gammaln

    x, a, b = start.astype(np.float64), low.astype(np.float64), high.astype(np.float64)
    n = float(transactions)
    possible = (x >= np.maximum(0.0, a + b - n)) & (x <= a)
    total = np.zeros(len(x))
    place = np.flatnonzero(possible)
    x, a, b = x[place], a[place], b[place]

    def log_choose(of: _Floats | float, take: _Floats) -> _Floats:
        value: _Floats = gammaln(of + 1.0) - gammaln(take + 1.0) - gammaln(of - take + 1.0)
        return value

    first = np.exp(log_choose(a, x) + log_choose(n - a, b - x) - log_choose(n, b))
    term = np.ones(len(x))
    running = np.ones(len(x))
    relative = np.ones(len(x))
    left = np.arange(len(x))
    while len(left):
        if step > 0:
            term = term * ((a - x) * (b - x)) / ((x + 1.0) * (n - a - b + x + 1.0))
        else:
            term = term * (x * (n - a - b + x)) / ((a - x + 1.0) * (b - x + 1.0))
        x = x + step
        running = running + term
        relative[left] = running
        going = term > 1e-17 * running
        if not going.all():
            left, x, a, b, term, running = left[going], x[going], a[going], b[going], term[going], running[going]
    total[place] = first * relative
    return total


def corrected(p_value: _Floats, tried: int) -> _Floats:
    """q values: the false discovery rate if all rules up to this one are believed (Benjamini and Hochberg 1995).

    `tried` counts every rule whose confidence was computed, also those below min_confidence, whose p values are not
    here. Ranks are taken among the given ones, so a q is at most too large, never too small.
    """
    if not len(p_value):
        return np.empty(0)
    order = np.argsort(p_value, kind="stable")
    scaled = p_value[order] * tried / np.arange(1, len(p_value) + 1)
    falling = np.minimum.accumulate(scaled[::-1])[::-1]
    q_value = np.empty_like(p_value)
    q_value[order] = np.minimum(falling, 1.0)
    return q_value
