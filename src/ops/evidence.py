"""Run recipes of pairs in worlds over seeds, and put what came out on a page.

    python -m src.ops.evidence [--seeds N] [--workers N] [--worlds A,B] [--recipes A,B] [--table-only] [--plan-only]
    (make evidence [SEEDS=5] [WORKERS=1])

Reads   sweeps/recipes.yaml    worlds and recipes
Writes  evidence/cells/<world>/<seed>/<recipe>.json   one run each
        evidence/README.md, evidence/evidence.json, evidence/evidence.svg   all of them together, anew after every run

A run is done by the commit at hand, in a clone of it below .work/evidence that shares kept work, and DVC's cache where one
worker has all cores. One whose cell is there, made by the same code and settings, is not done again: after an interruption the
same command goes on.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock

from src.core.command import command_line, run_command
from src.core.errors import InputError
from src.core.files import WORK, write_text
from src.core.params import load_profile_section, profile_path
from src.core.processes import available_cores
from src.core.progress import Progress
from src.core.records import write_metrics
from src.ops.evidence_plan import Plan, Wanted, chosen, machine_kind, read_plan, wanted_runs
from src.ops.evidence_worker import Found, found_in
from src.ops.kept import read_kept
from src.ops.plan import MachineSettings, cost_of_study, cost_text
from src.ops.worker import Job, Worker, alone, cache_folder, check_committed, prepare, run
from src.regime_w.cells import Cell, Signals
from src.regime_w.evidence import Evidence
from src.report.evidence import assemble, draw, render

FOLDER = Path(WORK, "evidence")  # of the workers
EVIDENCE = Path("evidence")
CELLS = EVIDENCE / "cells"
SIGNALS = "signals"  # the file of a world and seed that is no cell
GUIDE = "guide"  # the recipe whose rollouts it is of: the rewards of others have other weights


# --- cells ---


def read_cells() -> tuple[Cell, ...]:
    """All cells that are there; InputError for one that cannot be read, or stands in another's place."""
    cells = []
    for path in sorted(CELLS.glob("*/*/*.json")):
        if path.stem != SIGNALS:
            cell = read_kept(path, Cell)
            if path != (place := CELLS / f"{cell_name(cell)}.json"):
                raise InputError(f"{path} holds the cell of {place}; remove it, and give the same command again")
            cells.append(cell)
    return tuple(cells)


def cell_name(cell: Cell) -> str:
    return f"{cell.world}/{cell.seed}/{cell.recipe}"


def read_signals() -> tuple[Signals, ...]:
    return tuple(read_kept(path, Signals) for path in sorted(CELLS.glob(f"*/*/{SIGNALS}.json")))


def cell_of(wanted: Wanted, found: Found, machine: str) -> Cell:
    verdict, pairs = found.verdict, found.pairs
    return Cell(
        world=wanted.world,
        seed=wanted.seed,
        recipe=wanted.recipe,
        digest=wanted.digest,
        base=found.base,
        machine=machine,
        trained=found.train.trained,
        pairs=pairs.pairs,
        correctness_pairs=pairs.correctness_pairs,
        consensus_pairs=pairs.consensus_pairs,
        coherence_pairs=pairs.coherence_pairs,
        questions=verdict.questions,
        baseline_accuracy=verdict.baseline_accuracy,
        coherence_accuracy=verdict.coherence_accuracy,
        fixed=verdict.fixed,
        broken=verdict.broken,
        difference=verdict.difference,
        p_value=verdict.p_value,
        chosen_correct_share=pairs.chosen_correct_share if pairs.pairs else None,
        family_ci_low=verdict.family_ci_low,
        family_ci_high=verdict.family_ci_high,
    )


def signals_of(wanted: Wanted, found: Found) -> Signals:
    return Signals(wanted.world, wanted.seed, wanted.digest, found.rollouts.signals)


def check_base(new: Cell, current: Sequence[Cell]) -> None:
    """InputError if a new cell starts from another base than current ones of its world and seed: they could not be compared."""
    others = [cell for cell in current if (cell.world, cell.seed) == (new.world, new.seed) and cell.base != new.base]
    if others:
        folder = CELLS / new.world / str(new.seed)
        raise InputError(
            f"{folder}: {new.recipe} starts from another base than {', '.join(cell.recipe for cell in others)}: this machine "
            f"({new.machine}) rounds sums otherwise than that one ({others[0].machine}). Go on there, with as many workers, or "
            f"make all of them here: remove {folder}, and give the same command again"
        )


# --- the page ---


@dataclass(frozen=True)
class Scope:
    """All that there is to know: the whole plan, the seeds that were asked for, and every run that a cell may be of."""

    plan: Plan
    seeds: int
    runs: tuple[Wanted, ...]

    def evidence(self) -> Evidence:
        """What the cells that are there say together."""
        names = {run.name() for run in self.runs}
        there = read_cells()
        cells = [cell for cell in there if cell_name(cell) in names]
        current = {cell_name(cell) for cell in self.current()}
        asked = [run for run in self.runs if run.seed < self.seeds]
        return assemble(
            cells=cells,
            signals=read_signals(),
            worlds=self.plan.worlds,
            recipes=self.plan.names(),
            seeds=self.seeds,
            wanted=len(asked),
            current=sum(run.name() in current for run in asked),
            older=[cell_name(cell) for cell in cells if cell_name(cell) not in current],
            left_out=[cell_name(cell) for cell in there if cell_name(cell) not in names],
        )

    def current(self) -> tuple[Cell, ...]:
        """The cells that the code and the settings at hand have made."""
        digests = {run.name(): run.digest for run in self.runs}
        return tuple(cell for cell in read_cells() if digests.get(cell_name(cell)) == cell.digest)


def scope_of(plan: Plan, seeds: int) -> Scope:
    """The scope of a plan; cells of further seeds that are there belong to it."""
    there = max((cell.seed + 1 for cell in read_cells()), default=0)
    return Scope(plan, seeds, wanted_runs(plan, max(seeds, there)))


def still_to_do(scope: Scope, runs: Sequence[Wanted]) -> list[Wanted]:
    """Those of the runs whose cells are not there, and then those whose cells are of older code, which count meanwhile."""
    there, current = ({cell_name(cell) for cell in cells} for cells in (read_cells(), scope.current()))
    return sorted((run_ for run_ in runs if run_.name() not in current), key=lambda run_: run_.name() in there)


def write_page(scope: Scope) -> Evidence:
    """Write page, figures and picture of the cells that are there."""
    evidence = scope.evidence()
    write_metrics(EVIDENCE / "evidence.json", evidence)
    draw(evidence, EVIDENCE / "evidence.svg")
    write_text(EVIDENCE / "README.md", render(evidence, "evidence.svg"))
    return evidence


# --- the runs ---


class Board:
    """What is left to run, shared by the workers' threads.

    stop  set by a run that failed: no other begins
    halt  set where this process is to end at once: the runs under way end
    """

    def __init__(self, scope: Scope, left: Sequence[Wanted], progress: Progress) -> None:
        self._scope, self._progress = scope, progress
        self._groups: deque[deque[Wanted]] = deque()
        for run_ in left:
            if self._groups and _together(self._groups[-1][0], run_):
                self._groups[-1].append(run_)
            else:
                self._groups.append(deque([run_]))
        self._lock, self.stop, self.halt = Lock(), Event(), Event()

    def next_group(self) -> deque[Wanted] | None:
        """The next runs of one world and seed, for one worker; None where none is left."""
        with self._lock:
            return self._groups.popleft() if self._groups else None

    @contextmanager
    def stopping_others(self) -> Iterator[None]:
        """Let no other run begin after an error of the block."""
        good = False
        try:
            yield
            good = True
        finally:
            if not good:
                self.stop.set()

    def keep(self, cell: Cell, signals: Signals) -> None:
        """Write a cell, with recipe guide's what the signals are worth, and the page; InputError as `check_base` has it."""
        with self._lock:
            check_base(cell, self._scope.current())
            if cell.recipe == GUIDE:
                write_metrics(CELLS / cell.world / str(cell.seed) / f"{SIGNALS}.json", signals)
            write_metrics(CELLS / f"{cell_name(cell)}.json", cell)
            write_page(self._scope)
            self._progress.note(f"{cell_name(cell)}: {100 * cell.difference:+.2f} points")
            self._progress.update()


def _together(one: Wanted, other: Wanted) -> bool:
    return (one.world, one.seed) == (other.world, other.seed)


def work(worker: Worker, board: Board, held: int) -> None:
    """Run groups until none is left, or a run has failed."""
    machine = machine_kind(worker.threads)
    with board.stopping_others():
        while group := board.next_group():
            for wanted in group:
                if board.stop.is_set():
                    return
                run(worker, Job(wanted.name(), wanted.world, wanted.files), held, board.halt)
                found = found_in(worker.folder)
                board.keep(cell_of(wanted, found, machine), signals_of(wanted, found))


def run_cache(root: Path, folder: Path, threads: int, cores: int) -> Path:
    """Where DVC looks for what a run has made before: the checkout's cache for runs on all cores, one of their own for others.

    DVC knows a result by its inputs. Fewer threads end in other last bits, so a base of all cores is not theirs.
    """
    return cache_folder(root) if threads == cores else folder / f"cache-{threads}"


def run_all(scope: Scope, left: Sequence[Wanted], done: int, workers: int) -> None:
    """Do the runs that are left. InputError for one that fails, as soon as those of other workers have ended."""
    root = Path.cwd()
    commit, cores = check_committed(root), available_cores()
    folder, threads = root / FOLDER, max(1, cores // workers)
    team = [Worker(folder / f"worker-{number}", folder / f"worker-{number}.log", threads) for number in range(workers)]
    with alone(folder, "make evidence") as held:
        cache = run_cache(root, folder, threads, cores)
        for worker in team:
            prepare(worker, root, commit, cache)
        with Progress("evidence", done + len(left), "cells", done) as progress, ThreadPoolExecutor(workers) as pool:
            board = Board(scope, left, progress)
            futures = [pool.submit(work, worker, board, held) for worker in team]
            try:
                wait(futures)
            finally:  # which a signal interrupts
                board.stop.set()
                board.halt.set()
            for future in futures:
                future.result()


# --- the command ---


def cost_lines(left: Sequence[Wanted]) -> list[str]:
    """For each world what its runs that are left cost by its profile, one after the other."""
    lines = []
    for world in dict.fromkeys(run_.world for run_ in left):
        seeds = [run_.seed for run_ in left if run_.world == world]
        settings = load_profile_section("machine", MachineSettings, profile_path(world))
        cost = cost_text(cost_of_study(settings, len(set(seeds)), len(seeds)))
        lines.append(f"{world}: {len(seeds)} runs on {len(set(seeds))} seeds, about {cost} (estimates of its profile)")
    return lines


def main() -> None:
    parser = command_line("python -m src.ops.evidence", __doc__)
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="seeds 0 to N - 1 (default: 5)")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="runs side by side on all cores (default: 1)")
    parser.add_argument("--worlds", metavar="A,B", help="run these alone (default: all of sweeps/recipes.yaml)")
    parser.add_argument("--recipes", metavar="A,B", help="run these alone (default: all of sweeps/recipes.yaml)")
    parser.add_argument("--table-only", action="store_true", help="run nothing: write the page of the cells that are there")
    parser.add_argument("--plan-only", action="store_true", help="run nothing: print what is left, and what it costs")
    given = parser.parse_args()
    for name in ("seeds", "workers"):
        if getattr(given, name) < 1:
            raise InputError(f"--{name} is {getattr(given, name)}; give 1 or more")
    plan = read_plan()
    worlds = chosen("--worlds", given.worlds, plan.worlds)
    recipes = chosen("--recipes", given.recipes, plan.names())
    scope = scope_of(plan, given.seeds)
    runs = [run_ for run_ in scope.runs if run_.seed < given.seeds and run_.world in worlds and run_.recipe in recipes]
    left = still_to_do(scope, runs)
    if not given.table_only:
        print("".join(f"{line}\n" for line in cost_lines(left)), end="", flush=True)
    if given.plan_only:
        return
    evidence = write_page(scope)  # which also finds, before any run, what it lacks
    if left and not given.table_only:
        run_all(scope, left, len(runs) - len(left), given.workers)
        evidence = scope.evidence()
    print(f"{EVIDENCE}/README.md: {evidence.current} of {evidence.wanted} cells, {len(evidence.older)} of older code or settings")


if __name__ == "__main__":
    run_command(main)
