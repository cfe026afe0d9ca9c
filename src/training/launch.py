"""Training by many processes, on this machine and on others, through accelerate.

On one machine the train stage starts them all. On several, the stage runs on the first, and every other machine
joins by `python -m src.training.launch` in its own checkout (same commit and params; the base and the pairs pulled
or on a shared file system). What tells a machine its place are the environment variables that torch's own launcher
uses, as they belong to the machine and not to the experiment:

NNODES        machines that train together, 1 if unset
NODE_RANK     of this machine, 0 is the one that runs the stage
MASTER_ADDR   of the machine of rank 0, as the others reach it
MASTER_PORT   on it, 29500 if unset
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from src.core.command import command_line, end_with_parent, run_command, share_cores
from src.core.errors import InputError
from src.core.journal import Dependencies, make_once, work_folder
from src.core.params import add_profile_argument, load_value, profile_path
from src.core.progress import silence_library_bars
from src.core.records import read_metrics, read_records, write_metrics
from src.core.shapes import Seed
from src.core.unchanged import hand_over, take_over
from src.models.loading import loading
from src.regime_w.training_metrics import Preflight, TrainingStep
from src.training.dpo_settings import TrainingSettings, TrainSettings, gradient_accumulation_steps, load_training_settings
from src.training.pairs import PAIRS, TrainingPair

if TYPE_CHECKING:  # seconds to import, and `--help` needs none of it
    from src.training.dpo import AdapterRun

BASE = Path("checkpoints/base")
FSDP = Path(__file__).with_name("fsdp.yaml")
RUN = "run.json"  # what the first process leaves beside the adapter: an AdapterRun
# In the work folder, for the processes: what the stage has read, since params and code may be edited by the time they start.
SETTINGS, SNAPSHOT = "settings.json", "snapshot.json"

# What decides an adapter, beside settings, base and pairs: see src/core/journal.py. All else may change under its checkpoints.
CODE = (
    "training/dpo.py",
    "training/trl_api.py",
    "training/samplers.py",
    "training/reference.py",
    "training/shared_texts.py",
    "training/few_shapes.py",
    "models/encoding.py",
)
PACKAGES = ("torch", "transformers", "tokenizers", "trl", "peft", "accelerate")
# Settings of `train` that decide whether a run is made and by how many processes (which are counted), not what comes of it.
NO_RESULT = ("min_pairs", "too_few_pairs", "max_truncated_share", "processes", "report_to")


@dataclass(frozen=True)
class Training:
    """What is known of a training: what was looked at before the first step, and every step."""

    preflight: Preflight
    steps: tuple[TrainingStep, ...]


@dataclass(frozen=True)
class Machines:
    """The machines that train together, and this one's place among them.

    processes  of each machine
    address    of the machine of rank 0; None where there is but one machine
    """

    count: int
    rank: int
    processes: int
    address: str | None
    port: int

    @property
    def all_processes(self) -> int:
        return self.count * self.processes


def train_together(pairs: Sequence[TrainingPair], settings: TrainingSettings, adapter: Path) -> Training:
    """Train by as many processes as the profile and the machines say, and save the adapter to the folder `adapter`.

    A run that was killed goes on from its last checkpoint, to the same bytes.
    """
    machines = fitting_machines(settings)
    check_trackers(settings)

    with loading():
        from src.models.checkpoints import own_checkpoint, read_tokenizer
        from src.training.preflight import check_pairs
        from src.training.token_checks import check_max_length, check_tokenizer

    tokenizer = read_tokenizer(own_checkpoint(BASE, "base"))
    check_tokenizer(tokenizer, BASE)
    check_max_length(BASE, settings.train.max_length)
    lengths = check_pairs(pairs, tokenizer, settings.train.max_length, settings.train.max_truncated_share)
    with checkpoint_folder(settings, machines) as work:
        run = _run_once(pairs, settings, machines, adapter, work)
    preflight = Preflight(
        truncated_share=lengths.truncated_share,
        max_pair_tokens=lengths.max_pair_tokens,
        trainable_parameters=run.checks.trainable_parameters,
        first_gradient_norm=run.checks.first_gradient_norm,
        loss_at_step_0=run.checks.loss_at_step_0,
        chosen_nats=run.checks.chosen_nats,
    )
    return Training(preflight, run.steps)


def _run_once(
    pairs: Sequence[TrainingPair], settings: TrainingSettings, machines: Machines, adapter: Path, work: Path
) -> "AdapterRun":
    with loading():
        from src.training.dpo import AdapterRun

    if machines.count > 1:  # the others wait for this one to train
        return _run(pairs, settings, machines, adapter, work)
    return make_once(work, adapter, AdapterRun, lambda: _run(pairs, settings, machines, adapter, work))


def _run(
    pairs: Sequence[TrainingPair], settings: TrainingSettings, machines: Machines, adapter: Path, work: Path
) -> "AdapterRun":
    from src.training.dpo import AdapterRun, train_adapter

    if machines.all_processes == 1:
        return train_adapter(pairs, settings, BASE, adapter, work)
    launch(settings, machines, adapter, work)
    run = read_metrics(adapter / RUN, AdapterRun)
    (adapter / RUN).unlink()
    return run


# --- where the checkpoints lie ---


def work_dependencies(settings: TrainingSettings, machines: Machines) -> Dependencies:
    """What decides the adapter: a message, a limit or a record that is changed keeps its checkpoints."""
    of_train = [
        f"{item.name}: {getattr(settings.train, item.name)}" for item in fields(TrainSettings) if item.name not in NO_RESULT
    ]
    return Dependencies(
        settings=[str(settings.dpo), *of_train, settings.seed, machines.processes, machines.count],
        inputs=[BASE, PAIRS],
        code=CODE,
        packages=PACKAGES,
    )


@contextmanager
def checkpoint_folder(settings: TrainingSettings, machines: Machines) -> Iterator[Path]:
    """This machine's work folder of the training; emptied when the block ends without an error."""
    from src.training.callbacks import checkpoint_folders

    stage = f"train-{machines.rank}" if machines.rank else "train"
    with work_folder(stage, work_dependencies(settings, machines)) as work:
        yield work
        for folder in checkpoint_folders(work):
            shutil.rmtree(folder)


# --- processes and machines ---


def count_processes(wanted: int | None) -> int:
    """Processes of this machine; None is one for each GPU, one without a GPU."""
    if wanted is not None:
        return wanted
    import torch

    return max(1, torch.cuda.device_count())


def fitting_machines(settings: TrainingSettings) -> Machines:
    """The machines, as `read_machines` finds them; InputError if the global batch or the sharding does not fit them."""
    machines = read_machines(settings)
    gradient_accumulation_steps(settings, machines.all_processes)
    _check_sharding(settings, machines)
    return machines


def read_machines(settings: TrainingSettings) -> Machines:
    """The machines by the environment variables; InputError if one is no number, or if the first machine has no address."""
    count, rank, port = _read_number("NNODES", 1), _read_number("NODE_RANK", 0), _read_number("MASTER_PORT", 29500)
    address = os.environ.get("MASTER_ADDR") if count > 1 else None
    if count > 1 and address is None:
        raise InputError(f"NNODES is {count}, but MASTER_ADDR is not set: give the address of the machine of rank 0")
    return Machines(count, rank, count_processes(settings.train.processes), address, port)


def check_trackers(settings: TrainingSettings) -> None:
    """InputError for a tracker that is not installed; whether it lets the run in, it says itself."""
    if missing := [name for name in settings.train.report_to if importlib.util.find_spec(name) is None]:
        raise InputError(
            f"train.report_to names {' and '.join(missing)}, which is not installed: pip install {' '.join(missing)}, or take it "
            "out of the profile"
        )


def _read_number(name: str, default: int) -> int:
    text = os.environ.get(name, str(default))
    if not text.isdecimal():
        raise InputError(f"the environment variable {name} is {text!r}, where a number is wanted")
    return int(text)


def _check_sharding(settings: TrainingSettings, machines: Machines) -> None:
    if settings.train.sharding == "none":
        return
    import torch

    if machines.all_processes == 1 or not torch.cuda.is_available():
        raise InputError("train.sharding is 'fsdp', which shares the base out over several GPUs; give 'none' in the profile")


def launch(settings: TrainingSettings, machines: Machines, adapter: Path, work: Path) -> None:
    """Run this machine's processes to their end; InputError if one of them failed."""
    command = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", str(machines.all_processes)]
    command += ["--num_machines", str(machines.count), "--machine_rank", str(machines.rank)]
    command += ["--main_process_port", str(machines.port)]
    command += ["--mixed_precision", "no", "--dynamo_backend", "no"]  # the trainer has its own
    command += ["--main_process_ip", machines.address] if machines.address is not None else []
    command += ["--config_file", str(FSDP)] if settings.train.sharding == "fsdp" else ["--multi_gpu"]
    command += ["-m", "src.training.launch", "--process", str(adapter), str(work)]
    # Its own processes end with the launcher, which ends with this one.
    write_metrics(work / SETTINGS, settings)
    hand_over(work / SNAPSHOT)
    status = subprocess.run(command, preexec_fn=end_with_parent).returncode
    if status:
        raise InputError(f"training by {machines.all_processes} processes ended with status {status}; the cause stands above")


def run_process(adapter: Path, work: Path) -> None:
    """What each process does; the first of all leaves the adapter and what it knows in the folder `adapter`."""
    end_with_parent()  # the launcher, which may be killed
    take_over(work / SNAPSHOT)
    with loading():
        from accelerate import PartialState

        from src.training.dpo import train_adapter

    pairs = read_records(PAIRS, TrainingPair)
    run = train_adapter(pairs, read_metrics(work / SETTINGS, TrainingSettings), BASE, adapter, work)
    if PartialState().is_main_process:
        write_metrics(adapter / RUN, run)


def join(profile: Path) -> None:
    """This machine's part in a training that the machine of rank 0 leads, by the same profile."""
    if _read_number("NODE_RANK", 0) == 0 or _read_number("NNODES", 1) == 1:
        raise InputError(
            "this command joins a training run of several machines: set NNODES, NODE_RANK (1 or more) and MASTER_ADDR, "
            "and run `dvc repro train` on the machine of rank 0"
        )
    share_cores()
    silence_library_bars()
    settings = load_training_settings(load_value("seed", Seed), profile)
    machines = read_machines(settings)
    with TemporaryDirectory() as folder, checkpoint_folder(settings, machines) as work:
        launch(settings, machines, Path(folder), work)


def main() -> None:
    parser = command_line("python -m src.training.launch", __doc__)
    parser.add_argument(
        "--process", type=Path, nargs=2, metavar=("ADAPTER", "WORK"), help="be one of the processes; accelerate gives this"
    )
    add_profile_argument(parser)
    arguments = parser.parse_args()
    if arguments.process is None:
        join(profile_path(arguments.profile))
    else:
        run_process(*arguments.process)


if __name__ == "__main__":
    run_command(main)
