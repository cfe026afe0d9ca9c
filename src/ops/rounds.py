"""Iterated training: each round samples fresh questions, trains on their pairs, and merges what it learned into the base.

    python -m src.ops.rounds [--rounds N] [--recipe NAME] [--profile NAME] [--held-out N] [--to-the-end]
    (make rounds [ROUNDS=3] [RECIPE=guide] [HELD_OUT=500])

Reads   sweeps/recipes.yaml   the recipe of pairs
Writes  rounds/<profile>-<recipe>.json, rounds/<profile>-<recipe>.md   the rounds that are done, anew after each

Round 0 is the profile's base. All rounds answer the same held-out training questions: never the test set. The rounds end where
one is no improvement on the round before, by the paired verdict, or when N are done.

A round is run by the commit at hand, in a clone of it below .work/rounds that shares DVC's cache. One that the code and the
settings at hand have made is not run again: after an interruption the same command goes on.
"""

import shutil
from pathlib import Path
from threading import Event

from src.core.command import command_line, run_command
from src.core.errors import InputError
from src.core.files import atomic_folder, write_text
from src.core.params import add_profile_argument
from src.core.processes import available_cores
from src.core.progress import Progress
from src.core.records import read_records, write_metrics
from src.ops.evidence_plan import Computing, computing, machine_kind, sha_of
from src.ops.evidence_worker import found_in
from src.ops.kept import read_kept
from src.ops.rounds_plan import FOLDER, MODELS, RoundsPlan, plan_of
from src.ops.worker import Job, Worker, alone, cache_folder, check_committed, output_digest, prepare, run
from src.regime_w.evaluation import Evaluation
from src.regime_w.rounds import Round, Rounds, against_first, is_over, sentence
from src.report.rounds import render

ROUNDS = Path("rounds")
ADAPTER, BASE = "checkpoints/dpo_coherence_lora", "checkpoints/base"
TEXTS = "coherence_eval.jsonl"


# --- records ---


def read_rounds(plan: RoundsPlan) -> tuple[Round, ...]:
    """The rounds that are there, of whatever code and settings; InputError for a file that cannot be read."""
    path = ROUNDS / f"{plan.name()}.json"
    return read_kept(path, Rounds).rounds if path.exists() else ()


def write_rounds(plan: RoundsPlan, rounds: tuple[Round, ...]) -> Rounds:
    """Write figures and page."""
    found = Rounds(
        profile=plan.profile,
        recipe=plan.recipe,
        seed=plan.seed,
        held_out=plan.layout.held_out.start,
        questions=len(plan.layout.held_out),
        wanted=plan.wanted,
        stop=plan.stop,
        rounds=rounds,
        against_first=against_first(rounds, plan.compare),
    )
    write_metrics(ROUNDS / f"{plan.name()}.json", found)
    write_text(ROUNDS / f"{plan.name()}.md", render(found))
    return found


def marks(evaluations: list[Evaluation]) -> str:
    return "".join("1" if each.correct else "0" for each in evaluations)


def changed_texts(before: list[Evaluation], now: list[Evaluation]) -> int:
    """Questions whose text is another; both have the same questions in the same order."""
    return sum(old.text != new.text for old, new in zip(before, now, strict=True))


# --- a round ---


def keep_models(folder: Path, root: Path) -> str:
    """Copy base, adapter and texts of the run in a worker's folder to where the next round finds them; returns their digest."""
    result = sha_of([output_digest(folder, "base", BASE), output_digest(folder, "train", ADAPTER)])[:16]
    kept = root / MODELS / result
    if not kept.is_dir():
        with atomic_folder(kept) as new:
            shutil.copytree(folder / BASE, new / "base")
            shutil.copytree(folder / ADAPTER, new / "adapter")
            shutil.copy(folder / "outputs" / TEXTS, new / TEXTS)
    return result


def round_in(worker: Worker, plan: RoundsPlan, number: int, before: Round | None, by: Computing) -> Round:
    """The record of the round that a worker has just run; its models are kept."""
    root = Path.cwd()
    found, outputs = found_in(worker.folder), worker.folder / "outputs"
    baseline = read_records(outputs / "baseline_eval.jsonl", Evaluation)
    coherence = read_records(outputs / TEXTS, Evaluation)
    changed = None
    if before is not None:
        changed = changed_texts(read_records(root / MODELS / before.result / TEXTS, Evaluation), baseline)
    return Round(
        number=number,
        digest=plan.digest(number, before, by),
        base=found.base,
        result=keep_models(worker.folder, root),
        machine=machine_kind(worker.threads),
        first_question=plan.layout.questions(number).start,
        asked=plan.layout.asked,
        trained=found.train.trained,
        pairs=found.pairs.pairs,
        correctness_pairs=found.pairs.correctness_pairs,
        consensus_pairs=found.pairs.consensus_pairs,
        coherence_pairs=found.pairs.coherence_pairs,
        verdict=found.verdict,
        correct_before=marks(baseline),
        correct=marks(coherence),
        changed_by_merge=changed,
    )


def go_on_from(rounds: tuple[Round, ...], root: Path) -> tuple[Round, ...]:
    """The rounds after which the next can begin: the last one's models are there, or there is none.

    A round whose models are gone is run again, which DVC's run cache makes short.
    """
    while rounds and not (root / MODELS / rounds[-1].result).is_dir():
        rounds = rounds[:-1]
    return rounds


def run_rounds(plan: RoundsPlan, done: tuple[Round, ...], by: Computing) -> Rounds:
    """Run the rounds that are left, until they are over. InputError for one that fails."""
    root = Path.cwd()
    commit = check_committed(root)
    worker = Worker(root / FOLDER / "worker", root / FOLDER / "worker.log", available_cores())
    with alone(root / FOLDER, "make rounds") as held:
        prepare(worker, root, commit, cache_folder(root))
        done = go_on_from(done, root)
        with Progress("rounds", plan.wanted, "rounds", len(done)) as progress:
            while not is_over(done, plan.wanted, plan.stop):
                number, before = len(done) + 1, done[-1] if done else None
                run(worker, Job(f"{plan.name()}: round {number}", plan.profile, plan.files_of(number, before)), held, Event())
                done = (*done, round_in(worker, plan, number, before, by))
                write_rounds(plan, done)
                progress.note(f"round {number}: {100 * done[-1].verdict.difference:+.2f} points")
                progress.update()
    return write_rounds(plan, done)


# --- the command ---


def main() -> None:
    parser = command_line("python -m src.ops.rounds", __doc__)
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="at most (default: 3)")
    parser.add_argument("--recipe", default="guide", metavar="NAME", help="a point of sweeps/recipes.yaml (default: guide)")
    parser.add_argument("--held-out", type=int, default=500, metavar="N", help="questions to compare rounds on (default: 500)")
    parser.add_argument("--to-the-end", action="store_true", help="run N rounds, though one is no improvement")
    add_profile_argument(parser)
    given = parser.parse_args()
    for name, value in (("--rounds", given.rounds), ("--held-out", given.held_out)):
        if value < 1:
            raise InputError(f"{name} is {value}; give 1 or more")
    plan = plan_of(given.profile, given.recipe, given.rounds, given.held_out, not given.to_the_end)
    by = computing()
    done = plan.done(read_rounds(plan), by)
    over = is_over(done, plan.wanted, plan.stop)
    found = write_rounds(plan, done) if over else run_rounds(plan, done, by)
    print(f"{ROUNDS}/{plan.name()}.md: {sentence(found)}")


if __name__ == "__main__":
    run_command(main)
