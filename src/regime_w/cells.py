"""A cell of the evidence: one run of the pipeline, and what the signals are worth in it.

A cell is one run: a world (a profile), a seed, a recipe (a set of parameters).
"""

from dataclasses import dataclass

from src.core.shapes import Count, FilledText, PositiveCount, Seed, Share
from src.regime_w.signals import SignalWorth
from src.regime_w.verdict import Difference


@dataclass(frozen=True)
class Cell:
    """evidence/cells/<world>/<seed>/<recipe>.json: one run of the pipeline.

    digest                of all that decides the result: settings, code, versions of packages
    base                  of the files of checkpoints/base, from which baseline and training start
    machine               kind of processor, and threads
    trained               False where there were too few pairs: both policies are the base then
    fixed, broken         test questions that only coherence, only baseline answers correctly
    p_value               of the exact McNemar test
    family_ci_low, -high  of the difference by the bootstrap over families of questions; missing where there are none
    chosen_correct_share  of the pairs; missing without a pair
    """

    world: FilledText
    seed: Seed
    recipe: FilledText
    digest: FilledText
    base: FilledText
    machine: FilledText
    trained: bool
    pairs: Count
    correctness_pairs: Count
    consensus_pairs: Count
    coherence_pairs: Count
    questions: PositiveCount
    baseline_accuracy: Share
    coherence_accuracy: Share
    fixed: Count
    broken: Count
    difference: Difference
    p_value: Share
    chosen_correct_share: Share | None = None
    family_ci_low: Difference | None = None
    family_ci_high: Difference | None = None


@dataclass(frozen=True)
class Signals:
    """evidence/cells/<world>/<seed>/signals.json: what scores and credits are worth in the rollouts of recipe guide."""

    world: FilledText
    seed: Seed
    digest: FilledText
    signals: tuple[SignalWorth, ...]
