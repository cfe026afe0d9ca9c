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

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from accelerate import PartialState

from src import die_with_parent
from src.checkpoints import own_checkpoint, read_tokenizer
from src.errors import InputError, run_stage
from src.journal import file_digest, folder_digest, work_folder
from src.params import Seed, load_profile_section, load_value
from src.records import read_json, read_records, write_json
from src.training.callbacks import checkpoints
from src.training.dpo import TrainSettings, passes_a_step, train_adapter
from src.training.preflight import check_pairs, check_tokenizer

BASE = Path("checkpoints/base")
PAIRS = Path("data/coherence_preferences.jsonl")
FSDP = Path(__file__).with_name("fsdp.yaml")
TOLD = "told.json"  # what the first process leaves beside the adapter


def train_together(pairs: Sequence[dict], settings: TrainSettings, seed: int, adapter: Path) -> tuple[dict, list[dict]]:
    """Train by as many processes as the profile and the machines say, and save the adapter to the folder `adapter`.

    A run that was killed goes on from its last checkpoint, to the same bytes.
    returns  what the preflight saw, and a row a step (see train_adapter)
    """
    processes, machines = count_processes(settings.processes), read_machine("NNODES", 1)
    passes_a_step(settings, processes * machines)
    if settings.sharding == "fsdp" and (processes * machines == 1 or not torch.cuda.is_available()):
        raise InputError("train.sharding is 'fsdp', which shares the base out over several GPUs; give 'none' in the profile")
    tokenizer = read_tokenizer(own_checkpoint(BASE, "base"))
    check_tokenizer(tokenizer, BASE)
    seen = check_pairs(pairs, tokenizer, settings.max_length, settings.max_truncated_share)
    with checkpoint_folder(settings, seed, processes, machines) as work:
        if processes * machines == 1:
            saw, steps = train_adapter(pairs, settings, seed, BASE, adapter, work)
        else:
            launch(settings, processes, machines, adapter, work)
            told = read_json(adapter / TOLD)
            (adapter / TOLD).unlink()
            saw, steps = told["preflight"], told["steps"]
    return seen | saw, steps


@contextmanager
def checkpoint_folder(settings: TrainSettings, seed: int, processes: int, machines: int) -> Iterator[Path]:
    """This machine's work folder of the training; emptied when the block ends without an error."""
    depends_on = {
        "settings": asdict(settings),
        "seed": seed,
        "processes": processes,
        "machines": machines,
        "base": folder_digest(BASE),
        "pairs": file_digest(PAIRS),
    }
    rank = read_machine("NODE_RANK", 0)
    with work_folder(f"train-{rank}" if rank else "train", depends_on) as folder:
        yield folder
        for checkpoint in checkpoints(folder):
            shutil.rmtree(checkpoint)


def count_processes(wanted: int | None) -> int:
    if wanted is None:
        return max(1, torch.cuda.device_count())
    if wanted < 1:
        raise InputError(f"train.processes is {wanted}; give 1 or more, or null for one a GPU")
    return wanted


def read_machine(name: str, default: int) -> int:
    text = os.environ.get(name, str(default))
    if not text.isdecimal():
        raise InputError(f"the environment variable {name} is {text!r}, where a number is wanted")
    return int(text)


def launch(settings: TrainSettings, processes: int, machines: int, adapter: Path, work: Path) -> None:
    """Run this machine's processes to their end; InputError if one of them failed."""
    command = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", str(processes * machines)]
    command += ["--num_machines", str(machines), "--machine_rank", str(read_machine("NODE_RANK", 0))]
    command += ["--main_process_port", str(read_machine("MASTER_PORT", 29500))]
    command += ["--mixed_precision", "no", "--dynamo_backend", "no"]  # the trainer has its own
    if machines > 1:
        if "MASTER_ADDR" not in os.environ:
            raise InputError(f"NNODES is {machines}, but MASTER_ADDR is not set: give the address of the machine of rank 0")
        command += ["--main_process_ip", os.environ["MASTER_ADDR"]]
    command += ["--config_file", str(FSDP)] if settings.sharding == "fsdp" else ["--multi_gpu"]
    command += ["-m", "src.training.launch", "--process", str(adapter), str(work)]
    # Its own processes end with the launcher, which ends with this one.
    status = subprocess.run(command, preexec_fn=die_with_parent).returncode
    if status:
        raise InputError(f"training by {processes * machines} processes ended with status {status}; the cause stands above")


def run_process(adapter: Path, work: Path) -> None:
    """What each process does; the first of all leaves the adapter and what it saw in the folder `adapter`."""
    settings = load_profile_section("train", TrainSettings)
    pairs = read_records(PAIRS, "preference")
    saw, steps = train_adapter(pairs, settings, load_value("seed", Seed), BASE, adapter, work)
    if PartialState().is_main_process:
        write_json(adapter / TOLD, {"preflight": saw, "steps": steps})


def join() -> None:
    """This machine's part in a training that the machine of rank 0 leads."""
    if read_machine("NODE_RANK", 0) == 0 or read_machine("NNODES", 1) == 1:
        raise InputError(
            "this command joins a training run of several machines: set NNODES, NODE_RANK (1 or more) and MASTER_ADDR, "
            "and run `dvc repro train` on the machine of rank 0"
        )
    settings, seed = load_profile_section("train", TrainSettings), load_value("seed", Seed)
    processes, machines = count_processes(settings.processes), read_machine("NNODES", 1)
    with TemporaryDirectory() as folder, checkpoint_folder(settings, seed, processes, machines) as work:
        launch(settings, processes, machines, Path(folder), work)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--process", type=Path, nargs=2, metavar=("ADAPTER", "WORK"), help="be one of the processes; accelerate gives this"
    )
    folders = parser.parse_args().process
    if folders is None:
        join()
    else:
        run_process(*folders)


if __name__ == "__main__":
    run_stage(main)
