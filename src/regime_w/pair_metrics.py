"""Figures over all pairs of a run: how many of each type, how right they are, and what their lengths teach."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from src.core.shapes import Count, Share
from src.regime_w.preferences import PAIRING_ARMS, Pair, PairType
from src.regime_w.reading import count_tokens
from src.regime_w.scoring import Rollout, by_arm

PAIR_TYPES: tuple[PairType, ...] = get_args(PairType)


@dataclass(frozen=True)
class PairMetrics:
    """metrics/prefs.json. Shares are of all pairs; without any pair, shares and mean are 0.

    chosen_correct_share           of the pairs whose chosen side is correct by gold; pairs without labels are counted by it
                                   afterwards, and training never sees it
    questions_all_correct          over the ten trajectories that can make pairs, as questions_all_wrong
    mean_length_difference_tokens  chosen less rejected, in tokens of the scores, without the answer
    pairs_rejected_without_answer  pairs that teach format rather than mathematics
    """

    questions: Count
    pairs: Count
    correctness_pairs: Count
    consensus_pairs: Count
    coherence_pairs: Count
    correctness_share: Share
    consensus_share: Share
    coherence_share: Share
    chosen_correct_share: Share
    questions_all_correct: Count
    questions_all_wrong: Count
    questions_without_pair: Count
    mean_length_difference_tokens: float
    pairs_rejected_without_answer: Count


@dataclass(frozen=True)
class PairTypeMetrics:
    """The pairs of one type, of which there is one at least.

    chosen_correct_share           of the pairs whose chosen side is correct by gold
    rejected_correct_share         likewise, the rejected side
    chosen_shorter_share           of the pairs whose chosen side has fewer tokens; the rest but chosen_longer_share are equal
    mean_length_difference_tokens  chosen less rejected
    """

    pair_type: PairType
    pairs: Count
    chosen_correct_share: Share
    rejected_correct_share: Share
    chosen_shorter_share: Share
    chosen_longer_share: Share
    mean_length_difference_tokens: float
    rejected_without_answer: Count


@dataclass(frozen=True)
class PairTypes:
    """metrics/pair_types.json: the types that have a pair."""

    types: tuple[PairTypeMetrics, ...]


class _TypeTally:
    """The pairs of one type that come one after the other."""

    def __init__(self) -> None:
        self.pairs = self.chosen_correct = self.rejected_correct = 0
        self.shorter = self.longer = self.difference = self.unanswered = 0

    def metrics(self, pair_type: PairType) -> PairTypeMetrics:
        return PairTypeMetrics(
            pair_type=pair_type,
            pairs=self.pairs,
            chosen_correct_share=self.chosen_correct / self.pairs,
            rejected_correct_share=self.rejected_correct / self.pairs,
            chosen_shorter_share=self.shorter / self.pairs,
            chosen_longer_share=self.longer / self.pairs,
            mean_length_difference_tokens=self.difference / self.pairs,
            rejected_without_answer=self.unanswered,
        )


class PairTally:
    """The metrics of questions and their pairs that come one after the other."""

    def __init__(self) -> None:
        self._questions = self._all_correct = self._all_wrong = self._without_pair = 0
        self._of_type = {pair_type: _TypeTally() for pair_type in PAIR_TYPES}

    def add(self, rollout: Rollout, pairs: Sequence[Pair]) -> None:
        """Count a question and its pairs."""
        of_arm = by_arm(rollout.trajectories)
        correct = [of_arm[arm].correct for arm in PAIRING_ARMS]
        self._questions += 1
        self._all_correct += all(correct)
        self._all_wrong += not any(correct)
        if not pairs:
            self._without_pair += 1
            return  # saves reading texts that no pair needs
        lengths = {arm: count_tokens(trajectory.text) for arm, trajectory in of_arm.items()}
        for pair in pairs:
            tally, difference = self._of_type[pair.pair_type], lengths[pair.chosen_arm] - lengths[pair.rejected_arm]
            tally.pairs += 1
            tally.chosen_correct += of_arm[pair.chosen_arm].correct
            tally.rejected_correct += of_arm[pair.rejected_arm].correct
            tally.shorter += difference < 0
            tally.longer += difference > 0
            tally.difference += difference
            tally.unanswered += of_arm[pair.rejected_arm].answer is None

    def metrics(self) -> PairMetrics:
        tallies = self._of_type.values()
        pairs = sum(tally.pairs for tally in tallies)
        of_all = max(pairs, 1)
        count = {pair_type: tally.pairs for pair_type, tally in self._of_type.items()}
        return PairMetrics(
            questions=self._questions,
            pairs=pairs,
            correctness_pairs=count["correctness"],
            consensus_pairs=count["consensus"],
            coherence_pairs=count["coherence"],
            correctness_share=count["correctness"] / of_all,
            consensus_share=count["consensus"] / of_all,
            coherence_share=count["coherence"] / of_all,
            chosen_correct_share=sum(tally.chosen_correct for tally in tallies) / of_all,
            questions_all_correct=self._all_correct,
            questions_all_wrong=self._all_wrong,
            questions_without_pair=self._without_pair,
            mean_length_difference_tokens=sum(tally.difference for tally in tallies) / of_all,
            pairs_rejected_without_answer=sum(tally.unanswered for tally in tallies),
        )

    def types(self) -> PairTypes:
        return PairTypes(tuple(tally.metrics(pair_type) for pair_type, tally in self._of_type.items() if tally.pairs))
