"""The paper's claims (Klinghoffer et al. 2022, abstract), each as a stated test on the records.

A test is a list of comparisons with 95 % intervals, significant where Holm's correction over the claim's comparisons
leaves p < 0.05, and a rule. A claim *holds* if everything it needs is there and supports it, *fails* if something
contradicts it, and is *inconclusive* otherwise. Rendered scenes and photographs are judged apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bench.report.collect import Results
from bench.report.comparison import LEVEL, Comparisons, Difference, mean_over_seeds, p_value
from bench.stats import holm

Verdict = Literal["holds", "fails", "inconclusive"]

RENDERED, PHOTOGRAPHS = "rendered scenes", "photographs"
PAPER_TASKS = ("face_attributes", "emotion", "identity", "face_segmentation", "car_classification")
PROTOCOLS = ("linear", "clustering", "segmentation")
# task -> score that says it, "" for the main one; both count for cars too ("car_ood_lighting")
OUT_OF_DISTRIBUTION = {"ood_lighting": "", "ood_viewpoint": ""}
DISENTANGLEMENT = {"scene_parameters": "disentanglement"}
MARGIN = 0.18  # C2's "18 %", read as percentage points


@dataclass(frozen=True)
class Comparison:
    """One comparison behind a verdict. `better`, `worse`: significantly so, by more than the claim's margin."""

    what: str
    difference: Difference
    p: float  # Holm-corrected within the claim
    better: bool
    worse: bool


@dataclass(frozen=True)
class Evidence:
    """What a verdict rests on."""

    comparisons: list[Comparison]
    missing: list[str]  # what the claim would need and is not there
    notes: list[str]
    data: list[str]  # the data sets behind the comparisons


@dataclass(frozen=True)
class Claim:
    """A claim, its test, and what came of it on one kind of data."""

    name: str  # "C1"
    text: str  # as published, in short
    test: str  # what is compared, and when the claim holds or fails
    evidence: Evidence
    verdict: Verdict = "inconclusive"
    kind: str = ""  # RENDERED or PHOTOGRAPHS; "" where no data say anything

    @property
    def caveat(self) -> str:
        """What the verdict is evidence about."""
        if self.kind == RENDERED:
            return "evidence about rendered scenes, not about photographs"
        return "evidence about these photographs" if self.kind else "no evidence yet"


def judge(comparisons: Comparisons) -> list[Claim]:
    """The five claims, each on every kind of data that says something of it; once, as inconclusive, where none does."""
    results = comparisons.results
    kinds = {cell.task: RENDERED if cell.embedded else PHOTOGRAPHS for cell in results.cells if cell.record}
    tests: list[Callable[[Comparisons, list[str]], Claim]] = [_c1, _c2, _c3, _c4, _c5]
    claims = []
    for test in tests:
        found = []
        for kind in (RENDERED, PHOTOGRAPHS):
            tasks = [task for task in results.tasks if kinds.get(task) == kind]
            found.append(replace(test(comparisons, tasks), kind=kind))
        claims += [claim for claim in found if claim.evidence.comparisons] or [replace(found[0], kind="")]
    return claims


# ------------------------------------------------------------------------------------------------------ the five tests


def _c1(comparisons: Comparisons, tasks: list[str]) -> Claim:
    claim = Claim(
        "C1",
        "Physically disentangled representations are more accurate than semantically disentangled ones on all tasks.",
        "The physical method against the best semantic method of each task (best by its test score, which favours the "
        f"semantic side), by main score. Holds if significantly better on every task by {_listed(PROTOCOLS)}, and "
        f"{_listed(PAPER_TASKS)} are all there; fails if significantly worse on one.",
        _against_semantic(comparisons, tasks),
    )
    return _judged(claim)


def _c2(comparisons: Comparisons, tasks: list[str]) -> Claim:
    evidence = _against_semantic(comparisons, tasks, MARGIN)
    compared = evidence.comparisons
    verdict: Verdict = "inconclusive"
    if any(item.better for item in compared):
        verdict = "holds"
    elif compared and not evidence.missing and all(item.difference.high < MARGIN for item in compared):
        verdict = "fails"
    if compared:
        largest = max(compared, key=lambda item: item.difference.value)
        note = f"the largest advantage is {100 * largest.difference.value:.1f} points ({largest.what})"
        evidence = replace(evidence, notes=[note, *evidence.notes])
    return Claim(
        "C2",
        "They are more accurate by as much as 18 %.",
        "The comparisons of C1 against a margin of 18 percentage points. Holds if the advantage is significantly "
        "larger on some task; fails if nothing is missing and every interval ends below it.",
        evidence,
        verdict,
    )


def _c3(comparisons: Comparisons, tasks: list[str]) -> Claim:
    claim = Claim(
        "C3",
        "LOOCC improves disentanglement of scene parameters.",
        "The physical method with and without LOOCC, all else equal, by the leakage matrix: how well each block tells "
        "its own group of scene parameters, less how well it tells the others'. Holds if significantly better with "
        "LOOCC, fails if significantly worse. Two seeds at least: two trainings always differ.",
        _with_and_without(comparisons, tasks, DISENTANGLEMENT),
    )
    return _judged(claim, least_seeds=2)


def _c4(comparisons: Comparisons, tasks: list[str]) -> Claim:
    claim = Claim(
        "C4",
        "LOOCC improves robustness to out-of-distribution lighting and viewpoints.",
        "The physical method with and without LOOCC, all else equal, by the main scores of "
        f"{_listed(list(OUT_OF_DISTRIBUTION))}. Holds if significantly better with LOOCC on all of them, fails if "
        "significantly worse on one. Two seeds at least.",
        _with_and_without(comparisons, tasks, OUT_OF_DISTRIBUTION),
    )
    return _judged(claim, least_seeds=2)


def _c5(comparisons: Comparisons, tasks: list[str]) -> Claim:
    results, physical = comparisons.results, physical_method(comparisons.results)
    found: list[tuple[str, str, Difference]] = []
    for task in tasks:
        difference = _above_chance(results, physical, task) if protocol_of(results, task) in PROTOCOLS else None
        if difference is not None:
            found.append((task, f"{task}: {physical} above chance", difference))
    have = {protocol_of(results, task) for task, *_ in found}
    missing = [f"no complete result by {protocol}" for protocol in PROTOCOLS if protocol not in have]
    claim = Claim(
        "C5",
        "The features work for clustering, linear classification and segmentation.",
        f"The physical method against chance on every task by {_listed(PROTOCOLS)}, by main score. Holds if "
        "significantly better than chance on all of them and each protocol is there; fails if significantly worse on "
        "one.",
        _evidence(results, found, missing),
    )
    return _judged(claim)


# --------------------------------------------------------------------------------------------------- the comparisons


def _against_semantic(comparisons: Comparisons, tasks: Sequence[str], margin: float = 0.0) -> Evidence:
    """The physical method against the best semantic one on every task by one of the paper's protocols."""
    results, physical = comparisons.results, physical_method(comparisons.results)
    found: list[tuple[str, str, Difference]] = []
    missing = []
    for task in tasks:
        if protocol_of(results, task) not in PROTOCOLS:
            continue
        best = comparisons.best(task, "semantic")
        difference = comparisons.difference(task, physical, best) if physical and best else None
        if difference is None:
            missing.append(f"{task}: no complete pair of a physical and a semantic method")
        else:
            found.append((task, f"{task}: {physical} minus {best}", difference))
    planned = {results.tasks[task]["name"] for task in tasks}
    missing += [f"no result on {name}" for name in PAPER_TASKS if name not in planned]
    return _evidence(results, found, missing, margin)


def _with_and_without(comparisons: Comparisons, tasks: Sequence[str], measures: Mapping[str, str]) -> Evidence:
    """The physical method with LOOCC against the same without, on the tasks and by the scores of `measures`."""
    results, pair = comparisons.results, loocc_pair(comparisons.results)
    found: list[tuple[str, str, Difference]] = []
    have = set()
    for task in tasks:
        name = results.tasks[task]["name"].removeprefix("car_")
        if pair is None or name not in measures:
            continue
        difference = comparisons.difference_by(measures[name] or results.main_scores[task], task, *pair)
        if difference is not None:
            found.append((task, f"{task}: {pair[0]} minus {pair[1]}", difference))
            have.add(name)
    missing = [f"no complete pair with and without LOOCC on {name}" for name in measures if name not in have]
    return _evidence(results, found, missing)


def _above_chance(results: Results, physical: str | None, task: str) -> Difference | None:
    """The main score less its chance level; None where either is not known."""
    scores = [cell.scores[results.main_scores[task]] for cell in results.good(physical or "", task)]
    if not scores or any(score.get("chance") is None for score in scores):
        return None
    mean = mean_over_seeds(scores)
    above, below, value = mean.high - mean.value, mean.value - mean.low, mean.value - scores[0]["chance"]
    if not scores[0]["higher_is_better"]:
        value, below, above = -value, above, below
    if above != above or below != below:  # NaN: the score has no interval
        return None
    p = p_value(value, below, above)
    return Difference(value, value - below, value + above, p, scores[0]["n"], len(scores), False)


def _evidence(
    results: Results, found: list[tuple[str, str, Difference]], missing: list[str], margin: float = 0.0
) -> Evidence:
    """The differences found (task, what, difference), Holm-corrected, and what else is to be said of them."""
    shifted = [p_value(d.value - margin, d.value - d.low, d.high - d.value) if margin else d.p for *_, d in found]
    compared = [
        Comparison(what, d, float(p), bool(p < LEVEL and d.value > margin), bool(p < LEVEL and d.value < margin))
        for (_, what, d), p in zip(found, holm(shifted), strict=True)
    ]
    notes = []
    if any(d.seeds < 2 for *_, d in found):
        notes.append("one seed in part: those intervals leave out how much trainings differ")
    used = {task for task, *_ in found}
    data = sorted({cell.record["dataset"]["label"] for cell in results.cells if cell.task in used and cell.record})
    return Evidence(compared, missing, notes, data)


def _judged(claim: Claim, least_seeds: int = 1) -> Claim:
    """The verdict by the common rule: all better, none missing: holds; one worse: fails."""
    compared = claim.evidence.comparisons
    enough = [item for item in compared if item.difference.seeds >= least_seeds]
    if any(item.worse for item in enough):
        return replace(claim, verdict="fails")
    whole = compared and not claim.evidence.missing and len(enough) == len(compared)
    return replace(claim, verdict="holds") if whole and all(item.better for item in enough) else claim


# ------------------------------------------------------------------------------------------------- who is compared


def physical_method(results: Results) -> str | None:
    """The physical method in its default settings, else its first variant in the plan; None where there is none."""
    labels = [label for label, about in results.methods.items() if about.get("family") == "physical"]
    return next((label for label in labels if label == results.methods[label]["name"]), labels[0] if labels else None)


def loocc_pair(results: Results) -> tuple[str, str] | None:
    """Labels of the physical method with LOOCC (both light and view, if that is there) and of the same without."""
    variants = {
        label: about["settings"]
        for label, about in results.methods.items()
        if about.get("family") == "physical" and "loocc" in about["settings"]
    }
    for wanted in ("both", "light", "view"):
        for label, settings in variants.items():
            off = next((other for other, its in variants.items() if its == {**settings, "loocc": "off"}), None)
            if settings["loocc"] == wanted and off is not None:
                return label, off
    return None


def protocol_of(results: Results, task: str) -> str:
    """How a task is scored, in the paper's words."""
    about = results.tasks[task]
    return "segmentation" if about["name"] == "face_segmentation" else str(about["settings"].get("protocol", ""))


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
