"""How fast is the mining, beside scikit-learn, mlxtend and pyfim, with results compared?

    python bench/mining.py [--quick] [--only itemsets|big-itemsets|kmeans|dbscan|growth]

Peers run in the same process one after the other, on the same data: scikit-learn and mlxtend from `.venv-ml`, pyfim
(C, needs a compiler) in an environment of its own, made for this run and removed after it; without a compiler it is
left out and that is said. Every pair of results is compared: itemsets and labels must be equal, the inertia at most 2 %
above. Each work runs in a fresh child process, whose largest memory is printed. A ratio is the median over rounds in
which ours and the peers take turns (three, where the peer takes seconds), by the clock and by CPU seconds; the smaller
one decides. `--quick`: a tenth of the rows and two rounds; fixed costs weigh more there, its ratios are smaller. The
whole run takes some ten minutes on two quiet cores, 10 GB of memory (mlxtend) and 2 GB of disk.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import pickle
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
PYFIM = "pyfim==6.28"
Floats = npt.NDArray[np.float64]
Result = dict[str, Any]


# --- data


def make_baskets(baskets: int, items: int = 200, length: int = 10, seed: int = 1) -> list[list[str]]:
    """Baskets of about `length` of `items`: half by popularity, half from 300 patterns that return (as IBM's Quest)."""
    random = np.random.default_rng(seed)
    popularity = 1 / np.arange(1, items + 1) ** 0.6
    popularity /= popularity.sum()
    patterns = [random.choice(items, size=max(2, random.poisson(3)), replace=False, p=popularity) for _ in range(300)]
    weight = random.exponential(size=300)
    chosen = random.choice(300, size=(baskets, 2), p=weight / weight.sum())
    single = random.choice(items, size=(baskets, length), p=popularity)
    sizes = random.poisson(length, baskets).clip(1)
    names = np.array([f"item{item:03}" for item in range(items)], dtype=object)
    coded = [patterns[one].tolist() + patterns[two].tolist() for one, two in chosen.tolist()]
    return [
        names[list(dict.fromkeys((pattern + row)[:size]))].tolist()
        for pattern, row, size in zip(coded, single.tolist(), sizes.tolist(), strict=True)
    ]


def make_pairs(baskets: int, items: int = 200, length: int = 10, seed: int = 1) -> Any:
    """The same kind of data as coded pairs, made in slices: ten million lists of texts would be most of the memory."""
    from smartgrid.mining.baskets import Baskets

    random = np.random.default_rng(seed)
    popularity = 1 / np.arange(1, items + 1) ** 0.6
    popularity /= popularity.sum()
    keys = []
    for begin in range(0, baskets, 500_000):
        rows = min(500_000, baskets - begin)
        sizes = random.poisson(length, rows)
        item = random.choice(items, size=int(sizes.sum()), p=popularity)
        # Every other draw repeats a neighbour of the item before: pairs and triples that go together.
        item[1::2] = (item[0 : len(item) - 1 : 2] + random.integers(1, 4, len(item[1::2]))) % items
        keys.append(np.unique((np.repeat(np.arange(rows), sizes) + begin) * items + item))
    key = np.concatenate(keys)
    return Baskets(tuple(f"item{i:03}" for i in range(items)), key // items, (key % items).astype(np.int32), baskets)


def load_shapes(rows: int, columns: int = 96, seed: int = 0) -> Floats:
    """Overlapping daily shapes of twelve kinds, of different size and with noise."""
    random = np.random.default_rng(seed)
    hours = np.arange(columns) / columns * 2 * np.pi
    kinds = np.stack(
        [
            1 + 0.5 * np.sin(hours * times + one) + 0.3 * np.cos(2 * hours + two)
            for times, one, two in zip(
                random.integers(1, 3, 12), random.random(12) * 6, random.random(12) * 6, strict=True
            )
        ]
    )
    X = kinds[random.integers(0, 12, rows)] * random.gamma(8, 0.125, (rows, 1))
    X += 0.25 * random.standard_normal((rows, columns))
    return X


def dense_groups(rows: int, columns: int, seed: int = 0) -> Floats:
    """Twenty groups of different density and two percent of noise."""
    random = np.random.default_rng(seed)
    middle, width = random.uniform(-10, 10, (20, columns)), random.uniform(0.3, 1, (20, 1))
    kind = random.integers(0, 20, rows)
    X = middle[kind] + width[kind] * random.standard_normal((rows, columns))
    X[: rows // 50] = random.uniform(-12, 12, (rows // 50, columns))
    random.shuffle(X)
    return X


# --- measuring


def measured(work: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
    """What `work(*arguments)` answers in a forked child, with the child's largest memory."""
    receiver, sender = multiprocessing.Pipe(duplex=False)

    def child() -> None:
        try:
            answer = work(*arguments)
            answer["memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
            sender.send(answer)
        except BaseException:  # noqa: BLE001 - whatever it was, the parent prints it and ends
            sender.send({"error": traceback.format_exc()})
        os._exit(0)

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    sender.close()
    try:
        answer: dict[str, Any] = receiver.recv()
    except EOFError:
        answer = {"error": "the child ended without an answer (killed for its memory?)"}
    process.join()
    if "error" in answer:
        raise SystemExit(f"{work.__name__}: {answer['error']}")
    return answer


class Clock:
    def __enter__(self) -> Clock:
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall, self.cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu

    def figures(self) -> dict[str, float]:
        return {"wall_s": self.wall, "cpu_s": self.cpu}


def alternating(rounds: int, works: dict[str, Callable[[], Result]], once: Collection[str] = ()) -> list[list[Result]]:
    """The answers of each of `works`, which take turns; those named in `once` work in the first round only."""
    answers: dict[str, list[Result]] = {name: [] for name in works}
    for number in range(rounds):
        for name, work in works.items():
            if number == 0 or name not in once:
                answers[name].append(work())
    return list(answers.values())


def middle(results: list[Result]) -> Result:
    """The first of several answers with the median times and the largest memory of all."""
    times = {name: median(result[name] for result in results) for name in ("wall_s", "cpu_s")}
    memory = {"memory_mb": max(result["memory_mb"] for result in results)} if "memory_mb" in results[0] else {}
    return results[0] | times | memory


@dataclass(frozen=True)
class Ratio:
    """How often `ours` fits in the peer's time: medians over rounds.

    Ours runs on one thread: when it had to wait for the processor, wall seconds say how busy the machine was, and
    only CPU seconds are left to compare. `waited` says that it was so.
    """

    clock: float
    cpu: float
    waited: bool

    @classmethod
    def of(cls, theirs: list[Result], ours: list[Result]) -> Ratio:
        pairs = list(zip(theirs, ours, strict=False))  # a peer may have worked in the first round only
        clock, cpu = (median(one[name] / two[name] for one, two in pairs) for name in ("wall_s", "cpu_s"))
        return cls(clock, cpu, median(own["wall_s"] / own["cpu_s"] for own in ours) > 1.5)

    @property
    def decisive(self) -> float:
        return self.cpu if self.waited else min(self.clock, self.cpu)

    def __str__(self) -> str:
        busy = "; the machine was busy, CPU seconds decide" if self.waited else ""
        return f"{self.clock:.2f} by the clock, {self.cpu:.2f} by CPU{busy}"


def line(name: str, results: list[Result], ours: list[Result] | None = None, note: str = "") -> None:
    result = middle(results)
    ratio = ""
    if ours is not None:
        found = Ratio.of(results, ours)
        ratio = f"{found.clock:8.1f} x{found.cpu:8.1f} x"
    memory = f"{result['memory_mb']:9,.0f}" if "memory_mb" in result else " " * 9
    print(f"{name:<46}{result['wall_s']:9.2f}{result['cpu_s']:9.2f}{memory}{ratio:>20}  {note}", flush=True)


def heading(text: str) -> None:
    print(f"\n{text}\n{'':<46}{'wall s':>9}{'CPU s':>9}{'peak MB':>9}{'wall':>9}{'CPU':>10} of ours", flush=True)


def verdict(text: str, good: bool) -> bool:
    print(f"  {'reached' if good else 'NOT REACHED'}: {text}", flush=True)
    return good


# --- itemsets


def ours_itemsets(baskets: list[list[str]], support: float, function: str) -> dict[str, Any]:
    from smartgrid import mining
    from smartgrid.mining.association import Deadline, FoundItemsets, Projections
    from smartgrid.mining.depth_first import search_depth_first
    from smartgrid.mining.itemset_table import ItemsetTable
    from smartgrid.mining.level_wise import search_level_wise

    search = search_level_wise if function == "apriori" else search_depth_first
    mining.fp_growth(baskets[:200], min_support=0.02)  # imports
    with Clock() as from_lists:
        coded = mining.as_baskets(baskets)
        with Clock() as from_coded:
            projections, found = Projections(coded, support), FoundItemsets(mining.MiningLimits(), Deadline(None))
            search(projections, found, None)
            levels = [(np.sort(projections.item[members], axis=1), count) for members, count in found.levels()]
            table = ItemsetTable.of_levels(coded.items, coded.count, levels)
            itemsets = {
                tuple(coded.items[item] for item in row): count
                for level in table.levels
                for row, count in zip(level.members.tolist(), level.counts.tolist(), strict=True)
            }
    with Clock() as whole:
        result = getattr(mining, function)(coded, min_support=support)
        rules = len(result.rules)
    assert {itemset.items: itemset.count for itemset in result.itemsets} == itemsets
    return {
        "itemsets": itemsets,
        "rules": rules,
        **from_coded.figures(),
        "from_lists": from_lists.figures(),
        "whole": whole.figures(),
    }


def mlxtend_itemsets(
    baskets: list[list[str]], support: float, function: str, options: dict[str, Any]
) -> dict[str, Any]:
    import pandas as pd
    from mlxtend import frequent_patterns
    from mlxtend.preprocessing import TransactionEncoder

    encoder = TransactionEncoder()
    frame = pd.DataFrame(encoder.fit_transform(baskets), columns=encoder.columns_)
    with Clock() as clock:
        found = getattr(frequent_patterns, function)(frame, min_support=support, use_colnames=True, **options)
    counts = (found["support"] * len(baskets)).round().astype(int)
    itemsets = {tuple(sorted(items)): count for items, count in zip(found["itemsets"], counts, strict=True)}
    return {"itemsets": itemsets, **clock.figures()}


def mlxtend_options(function: str, support: float, baskets: int) -> list[dict[str, Any]]:
    """mlxtend's apriori has two ways: the default makes arrays of baskets x candidates."""
    if function != "apriori":
        return [{}]
    # Measured with 10,000 baskets: 66 KB each at 1 %, 180 KB at 0.3 %.
    needed = baskets * (66_000 if support >= 0.01 else 180_000)
    if needed > 0.6 * psutil.virtual_memory().available:
        print(f"mlxtend apriori as it is by default would take about {needed / 1e9:.0f} GB; it is left out")
        return [{"low_memory": True}]
    return [{}, {"low_memory": True}]


PYFIM_CODE = """
import pickle, sys, time, fim
baskets, support, name = pickle.load(open(sys.argv[1], "rb")), float(sys.argv[2]), sys.argv[3]
wall, cpu = time.perf_counter(), time.process_time()
found = getattr(fim, name)(baskets, supp=-support, report="a")
answer = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
answer["itemsets"] = {tuple(sorted(items)): count for items, count in found}
pickle.dump(answer, open(sys.argv[4], "wb"))
"""


def make_pyfim(folder: Path) -> Path | None:
    """Python of an environment with pyfim, or None where it cannot be built."""
    python = folder / "pyfim" / "bin" / "python"
    try:
        if shutil.which("uv"):
            subprocess.run(["uv", "venv", "-q", "-p", sys.executable, str(folder / "pyfim")], check=True)
            command = ["uv", "pip", "install", "-q", "-p", str(python), PYFIM]
        else:
            subprocess.run([sys.executable, "-m", "venv", str(folder / "pyfim")], check=True)
            command = [str(python), "-m", "pip", "install", "-q", PYFIM]
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"pyfim could not be built ({error}); it is left out")
        return None
    return python


def pyfim_itemsets(python: Path, folder: Path, baskets: list[list[str]], min_count: int, name: str) -> dict[str, Any]:
    data, answer = folder / "baskets.pickle", folder / "answer.pickle"
    data.write_bytes(pickle.dumps([tuple(basket) for basket in baskets]))
    command = [str(python), "-c", PYFIM_CODE, str(data), str(min_count), name, str(answer)]
    subprocess.run(command, check=True)
    result: dict[str, Any] = pickle.loads(answer.read_bytes())
    return result


def bench_itemsets(quick: bool, folder: Path) -> list[bool]:
    from smartgrid.mining.projection import smallest_count

    number, rounds = (10_000, 2) if quick else (100_000, 3)
    baskets = make_baskets(number)
    mean = np.mean([len(basket) for basket in baskets])
    python = make_pyfim(folder)
    reached = []
    for support in (0.01, 0.003):
        heading(f"Itemsets: {number:,} baskets, 200 items, {mean:.1f} a basket, support {support:.1%}")
        for name, peer in (("fp_growth", "fpgrowth"), ("apriori", "apriori")):
            works = {"ours": partial(measured, ours_itemsets, baskets, support, name)}
            for options in mlxtend_options(peer, support, number):
                how = f"mlxtend {peer}" + "".join(f", {option}={value}" for option, value in options.items())
                works[how] = partial(measured, mlxtend_itemsets, baskets, support, peer, options)
            if python is not None:
                min_count = smallest_count(number, support)
                works["pyfim"] = partial(pyfim_itemsets, python, folder, baskets, min_count, peer)
            # Of mlxtend's default apriori one round is enough: 20 s each, and far from what is wanted.
            ours, *peers = alternating(rounds, works, once=() if quick else {"mlxtend apriori"})
            itemsets = ours[0]["itemsets"]
            line(f"{name}: coded baskets to itemsets", ours, ours, f"{len(itemsets):,} itemsets")
            from_lists = [result["from_lists"] for result in ours]
            line("  from lists of texts", from_lists, ours)
            whole = [result["whole"] for result in ours]
            line("  coded, with rules and their tests", whole, ours, f"{ours[0]['rules']:,} rules")
            for how, theirs in zip(list(works)[1:], peers, strict=True):
                assert all(result["itemsets"] == itemsets for result in theirs), f"{how} finds other itemsets"
                if how == "pyfim":
                    line(f"pyfim {peer}, tuples of texts to itemsets", theirs, from_lists)
                    # The larger of both shares of pyfim's time, so the other way round.
                    ratio = Ratio.of(theirs, from_lists)
                    share = 1 / ratio.decisive
                    text = f"{share:.2f} times pyfim's {peer} time, both from lists of texts (wanted: at most 2)"
                    reached.append(verdict(f"{text}; pyfim's over ours: {ratio}", share <= 2))
                else:
                    line(how, theirs, ours, "encoded frame to itemsets")
                    ratio = Ratio.of(theirs, ours)
                    reached.append(verdict(f"{how} over ours: {ratio} (wanted: 20)", ratio.decisive >= 20))
    return reached


def big_itemsets(baskets: int, support: float) -> dict[str, Any]:
    from smartgrid import mining

    mining.fp_growth([["a", "b"], ["a"]], min_support=0.1)  # imports
    coded = make_pairs(baskets)
    with Clock() as clock:
        result = mining.fp_growth(coded, min_support=support, limits=mining.MiningLimits(memory_mb=8000))
    return {**clock.figures(), "itemsets": len(result.itemset_table), "partial": result.partial}


def bench_big_itemsets(quick: bool) -> list[bool]:
    number = 1_000_000 if quick else 10_000_000
    heading(f"Itemsets: {number:,} baskets, support 1 %, with rules")
    result = measured(big_itemsets, number, 0.01)
    line("fp_growth", [result], None, f"{result['itemsets']:,} itemsets")
    good = result["memory_mb"] < 8000 and not result["partial"]
    return [verdict(f"{result['memory_mb']:,.0f} MB, data made included (wanted: below 8,000)", good)]


# --- K-Means


def ours_kmeans(X: Floats, k: int, engine: str, quality: bool) -> dict[str, Any]:
    from smartgrid.mining import kmeans

    kmeans(X[:100], k=2, quality=False)
    kmeans(X[:100], k=2, engine="sampled", quality=False)
    with Clock() as clock:
        result = kmeans(X, k=k, engine=engine, quality=quality)
    inertia = float(
        sum(
            ((X[i : i + 50_000] - result.centroids[result.labels[i : i + 50_000]]) ** 2).sum()
            for i in range(0, len(X), 50_000)
        )
    )
    return {**clock.figures(), "inertia": inertia, "engine": result.parameters["engine"]}


def peer_kmeans(X: Floats, k: int, name: str, **options: Any) -> dict[str, Any]:
    from sklearn import cluster

    model = getattr(cluster, name)(k, random_state=0, **options)
    with Clock() as clock:
        model.fit(X)
    return {**clock.figures(), "inertia": float(model.inertia_)}


def bench_kmeans(quick: bool, folder: Path) -> list[bool]:
    reached = []
    for rows in (50_000,) if quick else (20_000, 100_000, 500_000):
        X = load_shapes(rows)
        heading(f"K-Means: {rows:,} x 96, k = 8")
        judged = rows in (500_000, 50_000)
        ours, best, quality, batches = alternating(
            3 if judged else 1,
            {
                "ours": partial(measured, ours_kmeans, X, 8, "sampled", False),
                "KMeans": partial(measured, peer_kmeans, X, 8, "KMeans"),
                "with quality": partial(measured, ours_kmeans, X, 8, "sampled", True),
                "MiniBatchKMeans": partial(measured, peer_kmeans, X, 8, "MiniBatchKMeans"),
            },
            once={"with quality", "MiniBatchKMeans"},
        )
        line("sampled Lloyd", ours, ours, f"inertia {ours[0]['inertia']:.6g}")
        for name, results in (
            ("  with silhouette, stability", quality),
            ("scikit-learn KMeans (one start, its default)", best),
            ("scikit-learn MiniBatchKMeans", batches),
        ):
            line(name, results, ours, f"inertia {results[0]['inertia'] / best[0]['inertia']:.4f} of KMeans'")
        more = max(own["inertia"] / peer["inertia"] for own, peer in zip(ours, best, strict=True))
        assert more <= 1.02, "more than 2 % above scikit-learn's inertia"
        if judged:
            ratio = Ratio.of(best, ours)
            text = f"KMeans over ours: {ratio} (wanted: 4), inertia {more:.4f} (at most 1.02)"
            reached.append(verdict(text, ratio.decisive >= 4))
    rows = 500_000 if quick else 5_000_000
    file = folder / "shapes.parquet"
    measured(write_shapes, rows, file)
    heading(
        f"K-Means: {rows:,} x 96 from Parquet of {file.stat().st_size / 1e9:.1f} GB "
        f"({rows * 96 * 8 / 1e9:.1f} GB as a matrix)"
    )
    result = measured(stream_kmeans, file)
    line(
        "row groups, with silhouette, stability",
        [result],
        None,
        f"{result['steps']} steps, inertia {result['inertia']:.6g}",
    )
    file.unlink()
    # A small file is smaller than Python with its libraries: nothing to be seen there.
    if not quick:
        good = result["memory_mb"] < rows * 96 * 4 / 1e6
        reached.append(verdict(f"{result['memory_mb']:,.0f} MB (wanted: not all of it)", good))
    return reached


def write_shapes(rows: int, file: Path) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [f"q{quarter:02}" for quarter in range(96)]
    schema = pa.schema([(name, pa.float32()) for name in names])
    with pq.ParquetWriter(file, schema, compression="none", use_dictionary=False) as writer:
        for begin in range(0, rows, 100_000):
            X = load_shapes(min(100_000, rows - begin), seed=0).astype(np.float32)
            X += np.float32(1e-3) * np.random.default_rng(begin).standard_normal(X.shape, dtype=np.float32)
            writer.write_table(pa.table([np.ascontiguousarray(column) for column in X.T], schema=schema))
    return {}


def stream_kmeans(file: Path) -> dict[str, Any]:
    from smartgrid.mining import kmeans_parquet

    with Clock() as clock:
        result = kmeans_parquet(file, k=8)
    return {**clock.figures(), "inertia": result.inertia, "steps": result.parameters["iterations"]}


# --- DBSCAN


def ours_dbscan(X: Floats, eps: float, min_samples: int) -> dict[str, Any]:
    from smartgrid.mining import dbscan

    dbscan(X[:100], eps=eps, min_samples=min_samples, engine="blocks")
    with Clock() as clock:
        result = dbscan(X, eps=eps, min_samples=min_samples, engine="blocks")
    answer = {**clock.figures(), "labels": result.labels, "core": np.flatnonzero(result.core)}
    return {**answer, "clusters": result.clusters, "neighbours": result.mean_neighbours}


def peer_dbscan(X: Floats, eps: float, min_samples: int) -> dict[str, Any]:
    from sklearn.cluster import DBSCAN

    with Clock() as clock:
        model = DBSCAN(eps=eps, min_samples=min_samples).fit(X)
    return {**clock.figures(), "labels": model.labels_, "core": model.core_sample_indices_}


def bench_dbscan(quick: bool) -> list[bool]:
    reached = []
    for rows, columns, eps in ((1_000_000, 2, 0.05), (100_000, 8, 1.5)):
        # Fewer rows have fewer neighbours: eps grows so that they keep them.
        rows, eps = (rows // 10, eps * 10 ** (1 / columns)) if quick else (rows, eps)
        X = dense_groups(rows, columns)
        works = {
            "ours": partial(measured, ours_dbscan, X, eps, 10),
            "scikit-learn": partial(measured, peer_dbscan, X, eps, 10),
        }
        ours, theirs = alternating(2 if quick else 3, works)
        labels, core = ours[0]["labels"], ours[0]["core"]
        neighbours = ours[0]["neighbours"]
        heading(f"DBSCAN: {rows:,} x {columns}, eps {eps:.3g}, min_samples 10, {neighbours:.0f} neighbours a row")
        note = f"{ours[0]['clusters']} clusters, {int((labels < 0).sum()):,} noise"
        line("block by block, with explanations", ours, ours, note)
        line("scikit-learn DBSCAN", theirs, ours)
        for result in ours + theirs:
            assert np.array_equal(labels, result["labels"]), "other labels"
            assert np.array_equal(core, result["core"]), "other core rows"
        ratio, memory = Ratio.of(theirs, ours), middle(ours)["memory_mb"]
        text = f"scikit-learn over ours: {ratio} (wanted: 3), {memory:,.0f} MB (4,000)"
        reached.append(verdict(text, ratio.decisive >= 3 and memory < 4000))
    return reached


# --- growth


def bench_growth(quick: bool) -> list[bool]:
    """Seconds against rows; the exponent is the slope on logarithmic axes."""
    top = 40_000 if quick else 1_600_000
    sizes = [top // 16, top // 8, top // 4, top // 2, top]
    works: dict[str, Callable[[int], dict[str, Any]]] = {
        "FP-Growth, 1 %": lambda n: big_itemsets(n, 0.01),
        "Apriori, 1 %": lambda n: _apriori(n),
        "K-Means, 24 columns, k = 8": lambda n: ours_kmeans(load_shapes(n, 24), 8, "sampled", False),
        # A fixed eps in a denser and denser crowd: neighbours a row grow with n, scikit-learn's time with their number.
        "DBSCAN, 2 columns": lambda n: ours_dbscan(dense_groups(n, 2), 0.08, 10),
        "DBSCAN, 8 columns": lambda n: ours_dbscan(dense_groups(n // 16, 8), 1.5, 10),
    }
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5))
    print("\nGrowth: CPU seconds, best of 2, against rows")
    for name, work in works.items():
        rows = [n // 16 if "8 columns" in name else n for n in sizes]
        seconds = [min(measured(work, n)["cpu_s"] for _ in range(2)) for n in sizes]
        exponent = float(np.polyfit(np.log(rows), np.log(seconds), 1)[0])
        # Fixed costs flatten the beginning; the end is what larger data will follow.
        last = float(np.log2(seconds[-1] / seconds[-2]))
        steps = ", ".join(f"{n:,}: {second:.2f}" for n, second in zip(rows, seconds, strict=True))
        print(f"{name:<30} n^{exponent:.2f}, last doubling n^{last:.2f}   {steps}", flush=True)
        axes.loglog(rows, seconds, marker="o", label=f"{name}: n^{exponent:.2f}, at the end n^{last:.2f}")
    axes.set_xlabel("rows or baskets")
    axes.set_ylabel("CPU seconds")
    axes.grid(True, which="both", alpha=0.3)
    axes.legend(fontsize=8)
    figure.tight_layout()
    target = (Path(tempfile.gettempdir()) if quick else IMAGES) / "mining-growth.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=130)
    print(f"plot: {target}")
    return []


def _apriori(baskets: int) -> dict[str, Any]:
    from smartgrid import mining

    mining.apriori([["a", "b"], ["a"]], min_support=0.1)  # imports
    coded = make_pairs(baskets)
    with Clock() as clock:
        mining.apriori(coded, min_support=0.01)
    return clock.figures()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows")
    parser.add_argument("--only", choices=["itemsets", "big-itemsets", "kmeans", "dbscan", "growth"])
    arguments = parser.parse_args()
    began = time.monotonic()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; ratios are the peer's time over ours")
    reached: list[bool] = []
    with tempfile.TemporaryDirectory(prefix="bench-mining-") as name:
        folder = Path(name)
        works: dict[str, Callable[[], list[bool]]] = {
            "itemsets": lambda: bench_itemsets(arguments.quick, folder),
            "big-itemsets": lambda: bench_big_itemsets(arguments.quick),
            "kmeans": lambda: bench_kmeans(arguments.quick, folder),
            "dbscan": lambda: bench_dbscan(arguments.quick),
            "growth": lambda: bench_growth(arguments.quick),
        }
        for work in works if arguments.only is None else [arguments.only]:
            reached += works[work]()
    size = " at a tenth of the rows, where fixed costs weigh more" if arguments.quick else ""
    if reached:
        print(f"\n{sum(reached)} of {len(reached)} figures reached{size}")
    print(f"{time.monotonic() - began:,.0f} s, load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
