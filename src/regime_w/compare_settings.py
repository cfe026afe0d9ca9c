"""Settings of the statistics: they serve the grading of each policy, the paired comparison and the report."""

from dataclasses import dataclass

from src.core.shapes import Confidence, Level


@dataclass(frozen=True)
class CompareSettings:
    """The section `compare` of params.yaml.

    alpha       level of the exact McNemar test: a p-value below it is a difference
    confidence  of every interval: of both accuracies and of their difference; 0.95 is 95 %
    """

    alpha: Level
    confidence: Confidence
