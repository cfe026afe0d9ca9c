"""Pictures of the arms for report.html: their votes against the truth, how far they agree, and what each gets right."""

from collections.abc import Sequence

from src.regime_w.arms import ARM_NAMES, PROBE_A, PROBE_A_PRIME, PROBE_CF1, VARIANCE_ARMS, ArmName
from src.regime_w.pictures import agreements, arm_tallies, vote_bins
from src.regime_w.scoring import Rollout
from src.regime_w.statistics import wilson_interval
from src.report.charts import Row, draw_bars, draw_matrix, draw_rows, draw_votes
from src.report.pieces import Picture, Table, between, count, hundredths

# Short enough for a square of the matrix.
SHORT: dict[ArmName, str] = {
    **{arm: f"{arm[0]}{arm[-1]}" for arm in VARIANCE_ARMS},
    PROBE_A: "A",
    PROBE_A_PRIME: "A′",
    PROBE_CF1: "CF1",
}


def votes_picture(rollouts: Sequence[Rollout], confidence: float) -> tuple[Picture | None, int]:
    """The picture, and how many questions it shows."""
    bins = vote_bins(rollouts, confidence)
    if not bins:
        return None, 0
    told = "Share of right majority answers by votes: " + "; ".join(
        f"{item.votes} of {item.voters} votes, {item.right} of {item.questions} right" for item in bins
    )
    x, y = "votes for the majority answer (% of eight)", "majority answer right (%)"
    svg = draw_votes("votes", f"{told}.", bins, x, y)
    rows = tuple(
        (
            f"{item.votes} of {item.voters}",
            count(item.questions),
            count(item.right),
            hundredths(item.right / item.questions),
            between(100 * item.low, 100 * item.high, 1),
        )
        for item in bins
    )
    columns = ("votes", "questions", "right", "right, %", "interval, %")
    return Picture(svg, Table("Majority answers by votes", columns, rows)), sum(item.questions for item in bins)


def agreement_picture(rollouts: Sequence[Rollout]) -> Picture:
    found = agreements(rollouts)
    shares = {(ARM_NAMES.index(item.one), ARM_NAMES.index(item.other)): item.share for item in found}
    known = sorted((item for item in found if item.share is not None), key=lambda item: item.share or 0.0)
    extremes = [(known[0], "least"), (known[-1], "most")] if known else []
    told = "Agreement of every two arms, in per cent of the questions that both answer. " + " ".join(
        f"The {word}: {item.one} and {item.other}, {hundredths(item.share)}." for item, word in extremes
    )
    labels = [SHORT[arm] for arm in ARM_NAMES]
    svg = draw_matrix("agreement", told, labels, shares, "arm (numbers: same answer, %)", "arm")
    rows = tuple((i.one, i.other, count(i.both), count(i.same), hundredths(i.share)) for i in found)
    columns = ("arm", "and arm", "both answer", "same answer", "same, %")
    return Picture(svg, Table("Agreement of every two arms", columns, rows))


def accuracy_picture(rollouts: Sequence[Rollout], confidence: float) -> Picture:
    tallies = arm_tallies(rollouts)
    bounds = [wilson_interval(tally.correct, tally.questions, confidence) for tally in tallies]
    shares = [tally.correct / tally.questions for tally in tallies]
    rows = [
        Row(tally.arm, 100 * share, 100 * low, 100 * high)
        for tally, share, (low, high) in zip(tallies, shares, bounds, strict=True)
    ]
    told = "Share of correct texts by arm, in per cent: " + ", ".join(f"{row.label} {row.value:.1f}" for row in rows) + "."
    svg = draw_rows("accuracy", told, rows, "correct (% of questions)", "arm", None, (0, 100))
    cells = tuple(
        (tally.arm, count(tally.correct), count(tally.questions), hundredths(share), between(100 * low, 100 * high, 1))
        for tally, share, (low, high) in zip(tallies, shares, bounds, strict=True)
    )
    return Picture(svg, Table("Correct texts by arm", ("arm", "correct", "of", "correct, %", "interval, %"), cells))


def failures_picture(rollouts: Sequence[Rollout]) -> Picture | None:
    """None where every text has an answer and ended by itself."""
    tallies = arm_tallies(rollouts)
    unanswered, truncated = sum(tally.unanswered for tally in tallies), sum(tally.truncated for tally in tallies)
    if not unanswered and not truncated:
        return None
    series = {
        "no answer": [100 * tally.unanswered / tally.questions for tally in tallies],
        "cut off": [100 * tally.truncated / tally.questions for tally in tallies],
    }
    told = f"Texts by arm that have no answer ({unanswered} in all) or are cut off by the limit of tokens ({truncated} in all)."
    svg = draw_bars("failures", told, [tally.arm for tally in tallies], series, "texts (% of questions)", "arm")
    cells = tuple(
        (
            tally.arm,
            count(tally.unanswered),
            hundredths(tally.unanswered / tally.questions),
            count(tally.truncated),
            hundredths(tally.truncated / tally.questions),
        )
        for tally in tallies
    )
    columns = ("arm", "no answer", "no answer, %", "cut off", "cut off, %")
    return Picture(svg, Table("Texts without an answer and cut off, by arm", columns, cells))
