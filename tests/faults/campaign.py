"""Kills and faults at random moments of real runs of the tiny profile; prints how many were tried and what was lost.

    python -m tests.faults.campaign [--kills 50] [--experiments 12] [--seed 0]        (make faults)

Lost is: a finished text or a complete checkpoint that is gone, an output that ends up other than in an undisturbed run,
uncommitted work that does not come back by the commands that `make repair` prints, a process that outlives its DVC, a run
that can no longer be finished. The only right number is 0.
"""

import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
from tqdm import tqdm

from src.core.command import command_line
from src.core.journal import read_pieces
from src.core.params import parse_yaml
from tests.pipeline.conftest import dvc_environment, make_repository

LONGEST_RUN = 12.0  # seconds until a kill; an undisturbed run takes some forty
PATIENCE = 20.0  # seconds in which what was killed must be gone
KILLS = ("stage", "dvc", "group", "terminate", "interrupt")


def is_alive(process: psutil.Process) -> bool:
    """Whether it still runs; one that has ended and that nobody has asked for its status does not."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Campaign:
    """One repository of the tiny profile, disturbed again and again; `lost` has a line for each loss.

    `right` is what an undisturbed run of one thread gives: one in `finished`, or one that is made first.
    """

    def __init__(self, folder: Path, seed: int, finished: Path | None = None) -> None:
        # A shell's background job ignores Ctrl-C, and so would all that it starts.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.random = random.Random(seed)
        self.environment = dvc_environment(folder / "dvc") | {"OMP_NUM_THREADS": "1"}
        self.repository = folder / "repository"
        self.tried: Counter[str] = Counter()
        self.lost: list[str] = []
        if finished is None:
            self.repository.mkdir()
            make_repository(self.repository, self.run, "tiny")
            self.finish("undisturbed")
        else:
            shutil.copytree(finished, self.repository, symlinks=True)
        self.right = self.lock()

    def run(self, folder: Path, *command: str, check: bool = True) -> subprocess.CompletedProcess:
        return subprocess.run(command, cwd=folder, env=self.environment, check=check, capture_output=True, text=True)

    # --- the state of a run ---

    def lock(self) -> dict:
        """The digests of every output that DVC has recorded."""
        path = self.repository / "dvc.lock"
        stages = parse_yaml(path.read_text())["stages"] if path.exists() else {}
        return {out["path"]: out["md5"] for stage in stages.values() for out in stage["outs"]}

    def begin_again(self) -> None:
        """Back to a repository in which nothing has run."""
        for name in (".work", ".dvc/cache", ".dvc/tmp", "data", "checkpoints", "outputs", "metrics", "plots"):
            shutil.rmtree(self.repository / name, ignore_errors=True)
        for name in ("dvc.lock", "report.md", "report.html"):
            (self.repository / name).unlink(missing_ok=True)

    def journals(self) -> list[Path]:
        return sorted((self.repository / ".work").glob("*/*/texts.jsonl"))

    def texts(self) -> set[tuple[str, str]]:
        """Every finished text that is kept, by journal and key."""
        return {(str(path), key) for path in self.journals() for key in read_pieces(path).pieces}

    def kept_step(self) -> int:
        """The step of the last intact checkpoint, of base or train."""
        from src.core.journal import is_intact
        from src.training.callbacks import checkpoint_folders  # torch takes seconds

        works = (self.repository / ".work").glob("*/*")
        folders = [folder for work in works for folder in checkpoint_folders(work) if is_intact(folder)]
        return max((int(folder.name.partition("-")[2]) for folder in folders), default=0)

    # --- runs ---

    def start(self, *stages: str, **options: object) -> subprocess.Popen:
        return self.start_shell('python -m src.ops.repair && exec dvc repro "$@"', *stages, **options)  # as `make repro` does it

    def start_shell(self, script: str, *arguments: str, **options: object) -> subprocess.Popen:
        log = (self.repository / ".dvc/campaign.log").open("ab")
        return subprocess.Popen(
            ["bash", "-c", script, "bash", *arguments],
            cwd=self.repository,
            env=self.environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **options,
        )  # fmt: skip

    def finish(self, after: str, *stages: str) -> None:
        """Run to the end (of these stages), and compare; a run that does not end well is a loss, and begins again."""
        log = self.repository / ".dvc/campaign.log"
        log.unlink(missing_ok=True)
        if status := self.start(*stages).wait():
            self.lost.append(f"after {after}: dvc repro ended with {status}: {log.read_text(errors='replace')[-2000:]}")
            self.begin_again()
        elif after != "undisturbed" and (wrong := self.wrong_outputs(*stages)):
            self.lost.append(f"after {after}: other outputs than of an undisturbed run: {', '.join(wrong)}")

    def wrong_outputs(self, *stages: str) -> list[str]:
        """The outputs (of these stages and those before them) that are not as in the undisturbed run, or not as recorded."""
        found = self.lock()
        wanted = found if stages else self.right.keys() | found.keys()
        wrong = sorted(path for path in wanted if self.right.get(path) != found.get(path))
        status = subprocess.run(["dvc", "status", "--quiet", *stages], cwd=self.repository, env=self.environment).returncode
        return wrong + ["dvc status"] * (status != 0)

    def check_kept(self, kind: str, texts: set, step: int, log: str) -> None:
        if gone := texts - self.texts():
            self.lost.append(f"after {kind}: {len(gone)} finished texts are gone")
        resumed = [int(number) for number in re.findall(r"training goes on from step (\d+)", log)]
        if resumed and resumed[0] < step:
            self.lost.append(f"after {kind}: training went on from step {resumed[0]}, though {step} was kept")

    # --- kills ---

    def kill_once(self) -> None:
        """Start a run, kill it at a random moment, see that nothing goes on; a run that ends before is compared."""
        kind = self.random.choice(KILLS)
        texts, step = self.texts(), self.kept_step()
        log = self.repository / ".dvc/campaign.log"
        log.unlink(missing_ok=True)
        dvc = self.start()
        try:
            status = dvc.wait(self.random.uniform(0.5, LONGEST_RUN))
        except subprocess.TimeoutExpired:
            family = [psutil.Process(dvc.pid), *psutil.Process(dvc.pid).children(recursive=True)]
            self.strike(kind, dvc, family)
            dvc.wait()
            self.expect_gone(kind, family)
            self.tried[f"kill: {kind}"] += 1
            self.check_kept(kind, texts, step, log.read_text(errors="replace"))
            return
        self.check_kept(kind, texts, step, log.read_text(errors="replace"))
        if status:
            self.lost.append(f"dvc repro ended by itself with {status}: {log.read_text(errors='replace')[-2000:]}")
        elif wrong := self.wrong_outputs():
            self.lost.append(f"after kills: other outputs than of an undisturbed run: {', '.join(wrong)}")
        self.begin_again()

    def strike(self, kind: str, dvc: subprocess.Popen, family: list[psutil.Process]) -> None:
        if kind == "group":
            os.killpg(dvc.pid, signal.SIGKILL)
        elif kind == "interrupt":
            os.killpg(dvc.pid, signal.SIGINT)
        elif kind == "terminate":
            dvc.terminate()
        elif kind == "dvc":
            dvc.kill()
        else:  # a stage, or one of its own processes; between two stages there is none
            os.kill(self.random.choice(family[1:] or family).pid, signal.SIGKILL)

    def expect_gone(self, kind: str, family: list[psutil.Process]) -> None:
        deadline = time.monotonic() + PATIENCE
        while (alive := [process for process in family if is_alive(process)]) and time.monotonic() < deadline:
            time.sleep(0.05)
        for process in alive:
            self.lost.append(f"after {kind}: process {process.pid} ({process.name()}) goes on without its DVC")
            process.kill()

    # --- faults ---

    def in_the_middle(self, ready: Callable[[], bool]) -> None:
        """Begin again and run until `ready`; then all of it is killed."""
        self.begin_again()
        dvc = self.start()
        self.wait_for(ready, dvc)
        os.killpg(dvc.pid, signal.SIGKILL)
        dvc.wait()

    def wait_for(self, ready: Callable[[], bool], dvc: subprocess.Popen) -> None:
        while not ready():
            if dvc.poll() is not None:
                raise RuntimeError("the run ended before the moment that was waited for")
            time.sleep(0.02)

    def has_texts(self) -> bool:
        return any(path.stat().st_size > 20_000 for path in self.journals())

    def has_checkpoint(self) -> bool:
        return self.kept_step() > 0

    def truncated_journal(self) -> None:
        self.in_the_middle(self.has_texts)
        [path] = self.journals()
        os.truncate(path, self.random.randrange(path.stat().st_size))

    def flipped_byte_in_journal(self) -> None:
        self.in_the_middle(self.has_texts)
        [path] = self.journals()
        self.flip(path)

    def flipped_byte_in_checkpoint(self) -> None:
        self.in_the_middle(self.has_checkpoint)
        files = [path for path in (self.repository / ".work/base").rglob("checkpoint-*/*") if path.stat().st_size]
        self.flip(self.random.choice(files))

    def flip(self, path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[self.random.randrange(len(data))] ^= 1 << self.random.randrange(8)
        path.write_bytes(data)

    def files_from_the_future(self) -> None:
        """What a clock that was set back leaves."""
        self.in_the_middle(self.has_texts)
        for path in (self.repository / ".work").rglob("*"):
            os.utime(path, (4e9, 4e9))

    def cut_files_of_dvc(self) -> None:
        """What a kill leaves of the files that DVC writes in place."""
        self.in_the_middle(self.has_texts)
        lock = self.repository / "dvc.lock"
        os.truncate(lock, self.random.randrange(lock.stat().st_size))
        os.truncate(self.repository / ".dvc/tmp/rwlock", 0)

    def two_at_once(self) -> None:
        """Both may end well, or one says that the other works; the outputs are right after either."""
        self.begin_again()
        for run in [self.start(), self.start()]:
            run.wait()

    def full_disk(self) -> None:
        """A file system of a megabyte in the place of .work, until it is given its space."""
        self.begin_again()
        with self.mounted(".work", "size=1m"):
            self.expect_failure("full disk", "free some space")

    def full_file(self) -> None:
        """A limit of 100 kB a file: checkpoints do not fit, and at times DVC's own notes neither, which it says in its words."""
        self.begin_again()

        def limit() -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

        self.expect_failure("file too large", "", preexec_fn=limit)

    def read_only_folder(self) -> None:
        self.begin_again()
        with self.mounted(".work", "ro"):
            self.expect_failure("read-only folder", "Read-only file system")

    def a_file_for_a_folder(self) -> None:
        self.begin_again()
        (self.repository / ".work").write_text("in the way")
        self.expect_failure("a file for a folder", "error: ")
        (self.repository / ".work").unlink()

    def out_of_memory(self) -> None:
        """The sampling process gets no more memory than it has when its first texts are kept."""
        self.begin_again()

        def starve(dvc: subprocess.Popen) -> None:
            self.wait_for(self.has_texts, dvc)
            for process in psutil.Process(dvc.pid).children(recursive=True):
                if "src.stages.sample" in process.cmdline():
                    process.rlimit(psutil.RLIMIT_AS, (process.memory_info().vms,) * 2)

        self.expect_failure("out of memory", "not enough memory", starve)

    def expect_failure(
        self, kind: str, words: str, meanwhile: Callable[[subprocess.Popen], None] = lambda _: None, **options: object
    ) -> None:
        """The run, harmed by `meanwhile`, must fail, and say so by one message with these words, without a traceback."""
        log = self.repository / ".dvc/campaign.log"
        log.unlink(missing_ok=True)
        dvc = self.start(**options)
        meanwhile(dvc)
        status = dvc.wait()
        printed = log.read_text(errors="replace")
        if status == 0 or words not in printed or "Traceback" in printed:
            self.lost.append(f"{kind}: dvc repro ended with {status}, saying {printed[-1500:]}")

    @contextmanager
    def mounted(self, name: str, options: str) -> Iterator[None]:
        folder = self.repository / name
        folder.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True, capture_output=True)
        try:
            yield
        finally:
            subprocess.run(["umount", str(folder)], check=True)

    def may_mount(self) -> bool:
        try:
            with self.mounted(".work", "size=1m"):
                return True
        except subprocess.CalledProcessError:
            return False

    def faults(self) -> dict[str, tuple[Callable[[], None], str]]:
        """Each fault, and the stage up to which the run must come right after it."""
        faults = {
            "truncated journal": (self.truncated_journal, "sample"),
            "flipped byte in a journal": (self.flipped_byte_in_journal, "sample"),
            "flipped byte in a checkpoint": (self.flipped_byte_in_checkpoint, "base"),
            "clock set back": (self.files_from_the_future, "sample"),
            "cut files of DVC": (self.cut_files_of_dvc, "sample"),
            "two runs at once": (self.two_at_once, "report"),
            "out of memory": (self.out_of_memory, "sample"),
            "file too large": (self.full_file, "base"),
            "a file for a folder": (self.a_file_for_a_folder, "base"),
        }
        if self.may_mount():
            return faults | {"disk full": (self.full_disk, "base"), "read-only folder": (self.read_only_folder, "base")}
        print("disk full and read-only folder are left out: this user may not mount a file system", file=sys.stderr)
        return faults


def campaign(kills: int, seed: int, folder: Path, chosen: Sequence[str] | None = None, finished: Path | None = None) -> Campaign:
    """Try `kills` kills and each fault (or each of the chosen) once, in a new repository below `folder`.

    finished   a repository of this profile in which an undisturbed run has ended; without one that run is made here
    """
    disturbed = Campaign(folder, seed, finished)
    disturbed.begin_again()
    with tqdm(total=kills, desc="kills", unit="kill") as bar:
        while (done := sum(disturbed.tried.values())) < kills:
            bar.update(done - bar.n)
            disturbed.kill_once()
        bar.update(kills - bar.n)
    disturbed.finish("the last kill")
    faults = {name: fault for name, fault in disturbed.faults().items() if chosen is None or name in chosen}
    for name, (fault, stage) in tqdm(faults.items(), desc="faults", unit="fault"):
        fault()
        disturbed.tried[name] += 1
        disturbed.finish(name, stage)
    return disturbed


def main() -> None:
    from tests.faults.experiment_kills import kill_experiments  # which needs the campaign itself

    parser = command_line("python -m tests.faults.campaign", __doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--experiments", type=int, default=12, help="kills of `dvc exp run` and of workers of the queue")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and kinds of the kills")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        disturbed = campaign(arguments.kills, arguments.seed, Path(folder))
        disturbed.finish("the last fault")
        kill_experiments(disturbed, arguments.experiments)
    for name, count in sorted(disturbed.tried.items()):
        print(f"{count:4d}  {name}")
    print(f"{sum(disturbed.tried.values())} tried, {len(disturbed.lost)} lost")
    for line in disturbed.lost:
        print(f"- {line}")
    sys.exit(bool(disturbed.lost))


if __name__ == "__main__":
    main()
