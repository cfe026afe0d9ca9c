"""A question and all that a run made of it, as lines for a terminal."""

import textwrap
from collections.abc import Sequence

from src.ops.look import TRAIN, Found, TestLook, TrainingLook
from src.ops.terminal import Cell, Ink, Style, aligned, on_one_line, plain
from src.regime_w.evaluation import Evaluation
from src.regime_w.preferences import Pair
from src.regime_w.scoring import Rollout, ScoredTrajectory
from src.regime_w.signals import CREDITS

WIDTH = 110  # columns of a text, its indentation among them
MAX_LISTED = 20


def lines_of(seen: TrainingLook | TestLook, ink: Ink) -> list[str]:
    """The whole view of one question."""
    body = _training_lines(seen, ink) if isinstance(seen, TrainingLook) else _test_lines(seen, ink)
    missing = [ink(f"not shown: {plain(why)}", "yellow") for why in seen.missing]
    return [*_head(seen.found, ink), *body, *missing]


def list_of(every: Sequence[Found], asked: frozenset[str], ink: Ink) -> list[str]:
    """A line for each of several questions, those that a model was asked first; of many, the first MAX_LISTED."""
    ranked = sorted(every, key=lambda item: item.file == TRAIN and item.question.id not in asked)
    rows = []
    for item in ranked[:MAX_LISTED]:
        was_asked = item.file != TRAIN or item.question.id in asked
        question = textwrap.shorten(on_one_line(item.question.question), WIDTH - 30, placeholder=" …")
        rows.append([Cell(on_one_line(item.question.id), "bold"), Cell("" if was_asked else "not asked", "dim"), Cell(question)])
    more = [f"and {len(every) - MAX_LISTED:,} more: give more words"] if len(every) > MAX_LISTED else []
    return [f"{len(every):,} questions match; give one's id:", *aligned(rows, "<<<", ink), *more]


def _head(found: Found, ink: Ink) -> list[str]:
    question = found.question
    kind = f", kind {on_one_line(question.kind)}" if question.kind else ""
    about = f"line {found.line} of {found.file}, counted from 0{kind}"
    return [
        f"{ink(on_one_line(question.id), 'bold')}  {ink(about, 'dim')}",
        *_indented(question.question),
        f"gold {ink(on_one_line(question.gold), 'bold')}, worked out:",
        *_indented(question.answer),
    ]


# --- a training question ---


def _training_lines(seen: TrainingLook, ink: Ink) -> list[str]:
    if seen.rollout is None:
        return [] if seen.missing else ["no trajectories: this question was not asked (`sample.questions` of the profile)"]
    rollout = seen.rollout
    consensus = "none" if rollout.consensus is None else on_one_line(rollout.consensus)
    return [
        f"consensus {consensus}; s_end {rollout.s_end:.3f}, s_path {rollout.s_path:.3f}, s_cf {rollout.s_cf:.3f}",
        "",
        *_trajectory_table(rollout, ink),
        "",
        *_trajectory_texts(rollout, ink),
        *([] if seen.pairs is None else _pair_table(seen.pairs, ink)),
    ]


def _trajectory_table(rollout: Rollout, ink: Ink) -> list[str]:
    head = ("arm", "T", "answer", "", *CREDITS, "tokens", "ended")
    rows = [[Cell(name, "dim") for name in head]]
    for one in rollout.trajectories:
        scores = (f"{getattr(one, name):.3f}" for name in CREDITS)
        rows.append(
            [
                Cell(one.arm_name),
                Cell(f"{one.temperature:g}"),
                Cell(_answer(one.answer)),
                _mark(one.correct),
                *(Cell(score) for score in scores),
                Cell(str(one.n_tokens)),
                Cell(one.finish_reason, "yellow" if one.finish_reason == "length" else None),
            ]
        )
    return aligned(rows, "<<><" + ">" * len(CREDITS) + "><", ink)


def _trajectory_texts(rollout: Rollout, ink: Ink) -> list[str]:
    """Each text once, with the arms that wrote it."""
    arms_of: dict[str, list[ScoredTrajectory]] = {}
    for one in rollout.trajectories:
        arms_of.setdefault(one.text, []).append(one)
    lines = []
    for text, arms in arms_of.items():
        names = ink(", ".join(one.arm_name for one in arms), "bold")
        lines += [f"{names}  {_marked(arms[0].answer, arms[0].correct, ink)}", *_indented(text), ""]
    return lines


def _pair_table(pairs: Sequence[Pair], ink: Ink) -> list[str]:
    rows = [[Cell(name, "dim") for name in ("pair", "chosen", "reward", "rejected", "reward", "gap")]]
    for pair in pairs:
        gap = pair.chosen_reward - pair.rejected_reward
        cells = (pair.pair_type, pair.chosen_arm, f"{pair.chosen_reward:.4f}", pair.rejected_arm, f"{pair.rejected_reward:.4f}")
        rows.append([*(Cell(text) for text in cells), Cell(f"{gap:+.4f}", "red" if gap < 0 else None)])
    return aligned(rows, "<<><>>", ink) if pairs else ["no pairs"]


# --- a test question ---


def _test_lines(seen: TestLook, ink: Ink) -> list[str]:
    lines = []
    for policy, one in seen.evaluations:
        ended = "" if one.finish_reason == "stop" else ink(", ended by the limit of tokens", "yellow")
        mark = _marked(one.answer, one.correct, ink)
        lines += ["", f"{ink(policy, 'bold')}  {mark}, {one.n_tokens} tokens{ended}", *_indented(one.text)]
    return lines + ["", *_change(seen.evaluations, ink)] if len(seen.evaluations) == 2 else lines


def _change(evaluations: Sequence[tuple[str, Evaluation]], ink: Ink) -> list[str]:
    before, after = (evaluation.correct for _, evaluation in evaluations)
    if before == after:
        return [f"unchanged: both are {'right' if after else 'wrong'}"]
    return [ink("fixed: only coherence is right", "green") if after else ink("broken: only baseline is right", "red")]


# --- both ---


def _mark(correct: bool) -> Cell:
    return Cell("right", "green") if correct else Cell("wrong", "red")


def _answer(answer: str | None) -> str:
    return "none" if answer is None else on_one_line(answer)


def _marked(answer: str | None, correct: bool, ink: Ink) -> str:
    mark = _mark(correct)
    style: Style | None = mark.style
    return f"{ink(mark.text, style)}, answer {_answer(answer)}"


def _indented(text: str) -> list[str]:
    """Lines of a text, each wrapped at WIDTH; an empty text is said to be one."""
    lines = plain(text).split("\n") if text else ["(an empty text)"]
    return [part for line in lines for part in textwrap.wrap(line, WIDTH, initial_indent="  ", subsequent_indent="    ") or [""]]
