"""What happens between the steps of a training run: checkpoints that can be trusted, a bar, and a watch for what goes wrong."""

import math
import shutil
from pathlib import Path
from statistics import fmean

from accelerate import PartialState
from transformers import ProgressCallback, Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from src.errors import InputError
from src.journal import folder_digest
from src.records import read_json, write_json

# Steps between checkpoints: under a minute of the sandbox, some minutes of a large model, and a save takes a second. A multiple
# of the steps between logs, because a loss that is not yet logged is in no checkpoint.
CHECKPOINT_STEPS = 50
SEAL = "seal.json"
# Steps in a row without a gradient before the run is given up; one alone may be a batch of pairs that are all settled.
STEPS_WITHOUT_GRADIENT = 3
# Nats by which the mean log-probability of the chosen texts may fall within a run before it is told at once.
COLLAPSE = 25.0
COLLAPSE_STEPS = 10  # over which that mean is taken


class SealCheckpoints(TrainerCallback):
    """Seals each checkpoint with the digests of its files once it is whole, and keeps the last two."""

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        PartialState().wait_for_everyone()  # every process writes a part
        if PartialState().is_local_main_process:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            write_json(folder / SEAL, folder_digest(folder))
            for older in checkpoints(Path(args.output_dir))[:-2]:
                shutil.rmtree(older)


def checkpoints(work: Path) -> list[Path]:
    """The folders of checkpoints in `work`, oldest first, whole or not."""
    return sorted(work.glob("checkpoint-*"), key=lambda folder: int(folder.name.partition("-")[2]))


def is_whole(folder: Path) -> bool:
    """Whether the checkpoint is as it was sealed; one that was being written, or of which a bit has turned, is not."""
    if not (folder / SEAL).is_file():
        return False
    try:
        sealed = read_json(folder / SEAL)
    except InputError:  # the seal itself is spoiled
        return False
    return {name: digest for name, digest in folder_digest(folder).items() if name != SEAL} == sealed


def newest_checkpoint(work: Path) -> str | None:
    """The last whole checkpoint in `work`, from which training goes on to the same bytes; the others are removed.

    Processes that train together take the last that all of them have.
    """
    whole = [folder for folder in checkpoints(work) if is_whole(folder)]
    state = PartialState()
    common = {folder.name for folder in whole}
    if state.num_processes > 1:
        from accelerate.utils import gather_object

        of_each = gather_object([sorted(common)])
        common = set.intersection(*map(set, of_each))
    kept = [folder for folder in whole if folder.name in common][-1:]
    if state.is_local_main_process:
        for folder in checkpoints(work):
            if folder not in kept:
                shutil.rmtree(folder)
    state.wait_for_everyone()
    if kept and state.is_main_process:
        print(f"training goes on from step {kept[0].name.partition('-')[2]}", flush=True)
    return str(kept[0]) if kept else None


class LossBar(ProgressCallback):
    """The trainer's bar, with the loss in it instead of a line a step."""

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs=None, **_: object) -> None:
        if self.training_bar is not None and "loss" in logs:
            self.training_bar.set_postfix(loss=f"{logs['loss']:.4f}", refresh=False)


class Watch(TrainerCallback):
    """Stops a run that has gone wrong, by an InputError with the step and the likely cause, and warns of a collapse."""

    def __init__(self) -> None:
        self.without_gradient = 0
        self.warned = False

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs=None, **_: object) -> None:
        if "loss" not in logs:
            return
        step, loss, norm = state.global_step, logs["loss"], logs["grad_norm"]
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise InputError(
                f"step {step}: the loss is {loss} and the gradient norm {norm}: a learning rate that is too large throws the "
                "weights about, or numbers are too large for the precision; lower the learning rate, or use float32"
            )
        self.without_gradient = self.without_gradient + 1 if norm == 0 else 0
        if self.without_gradient == STEPS_WITHOUT_GRADIENT:
            raise InputError(
                f"step {step}: the gradient norm has been 0 for {STEPS_WITHOUT_GRADIENT} steps, so nothing is learned: the pairs "
                "are settled beyond the numbers' precision (lower the learning rate or train.beta), or the adapter is cut off"
            )
        self._warn_of_collapse(state)

    def _warn_of_collapse(self, state: TrainerState) -> None:
        chosen = [row["logps/chosen"] for row in state.log_history if "logps/chosen" in row]
        if self.warned or len(chosen) < 2 * COLLAPSE_STEPS:
            return
        fall = fmean(chosen[:COLLAPSE_STEPS]) - fmean(chosen[-COLLAPSE_STEPS:])
        if fall > COLLAPSE:
            self.warned = True
            print(
                f"warning: step {state.global_step}: the log-probability of the chosen texts has fallen by {fall:.0f} nats; both "
                "sides are sinking, and the model forgets how to write: lower train.learning_rate or raise train.beta",
                flush=True,
            )


def equip(trainer: Trainer) -> None:
    """Give a trainer the three callbacks in place of its own bar."""
    trainer.remove_callback(ProgressCallback)
    for callback in (LossBar(), Watch(), SealCheckpoints()):
        trainer.add_callback(callback)
