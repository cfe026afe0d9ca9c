"""What happens between the steps of a training run: checkpoints that can be trusted, progress, a watch for what goes wrong."""

import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean

from accelerate import PartialState
from transformers import ProgressCallback, Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from src.core.errors import InputError
from src.core.journal import is_intact, write_checksums
from src.core.progress import Progress, say, stage_name
from src.core.unchanged import check_unchanged
from src.training.trainer_logs import GRADIENT_NORM, LOSS, is_of_step, logged_chosen_logps

# Steps between checkpoints: under a minute of the sandbox, some minutes of a large model, and a save takes a second.
CHECKPOINT_STEPS = 50
# Steps in a row without a gradient before the run is given up; one alone may be a batch of pairs that are all settled.
MAX_STEPS_WITHOUT_GRADIENT = 3
# Nats by which the mean log-probability of the chosen texts may fall within a run before a warning.
COLLAPSE = 25.0
COLLAPSE_STEPS = 10  # over which that mean is taken


# --- checkpoints ---


class ChecksumCheckpoints(TrainerCallback):
    """Writes into each checkpoint, once it is complete, the digests of its files, and keeps the last two."""

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        PartialState().wait_for_everyone()  # every process writes a part
        if PartialState().is_local_main_process:
            work = Path(str(args.output_dir))
            folder = work / f"checkpoint-{state.global_step}"
            write_checksums(folder)
            for older in checkpoint_folders(work)[:-2]:
                shutil.rmtree(older)
        check_unchanged()  # an edit of what the stage reads ends it here and not hours later, with all that it has learned kept


def checkpoint_folders(work: Path) -> list[Path]:
    """The folders of checkpoints in `work`, oldest first, intact or not."""
    return sorted(work.glob("checkpoint-*"), key=lambda folder: int(folder.name.partition("-")[2]))


def newest_checkpoint(work: Path) -> str | None:
    """The last intact checkpoint in `work`, from which training goes on to the same bytes; the others are removed.

    Processes that train together take the last that all of them have.
    """
    intact = [folder for folder in checkpoint_folders(work) if is_intact(folder)]
    state = PartialState()
    common = {folder.name for folder in intact}
    if state.num_processes > 1:
        from accelerate.utils import gather_object

        of_each = gather_object([sorted(common)])
        common = set.intersection(*map(set, of_each))
    kept = [folder for folder in intact if folder.name in common][-1:]
    if state.is_local_main_process:
        for folder in checkpoint_folders(work):
            if folder not in kept:
                shutil.rmtree(folder)
    state.wait_for_everyone()
    if kept and state.is_main_process:
        print(f"training goes on from step {kept[0].name.partition('-')[2]}", flush=True)
    return str(kept[0]) if kept else None


# --- between the steps ---


class StepProgress(TrainerCallback):
    """Shows the steps and the last loss, in the process that leads."""

    def __init__(self) -> None:
        self.progress: Progress | None = None

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        if state.is_world_process_zero:
            self.progress = Progress(stage_name("training"), state.max_steps, "steps", done=state.global_step)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        if self.progress is not None:
            self.progress.update()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, float] | None = None,
        **_: object,
    ) -> None:
        if self.progress is not None and logs is not None and is_of_step(logs):
            self.progress.note(f"loss {logs[LOSS]:#.3g}")

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        if self.progress is not None:
            self.progress.close()


class Watch(TrainerCallback):
    """Stops a run that has gone wrong, by an InputError with the step and the likely cause, and warns of a collapse."""

    def __init__(self) -> None:
        self.steps_without_gradient = 0
        self.warned = False

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        check_unchanged()  # code, base and examples are loaded: what is kept from now on is of them, whatever is edited later

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, float] | None = None,
        **_: object,
    ) -> None:
        if logs is not None and is_of_step(logs):
            self._stop_where_nothing_is_learned(state.global_step, logs[LOSS], logs[GRADIENT_NORM])
            self._warn_of_collapse(state)

    def _stop_where_nothing_is_learned(self, step: int, loss: float, norm: float) -> None:
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise InputError(
                f"step {step}: the loss is {loss} and the gradient norm {norm}: a learning rate that is too large throws the "
                "weights about, or numbers are too large for the precision; lower the learning rate, or use float32"
            )
        self.steps_without_gradient = self.steps_without_gradient + 1 if norm == 0 else 0
        if self.steps_without_gradient == MAX_STEPS_WITHOUT_GRADIENT:
            raise InputError(
                f"step {step}: the gradient norm has been 0 for {MAX_STEPS_WITHOUT_GRADIENT} steps, so nothing is learned: the "
                "pairs are settled beyond the numbers' precision (lower the learning rate or dpo.beta), or the loss does not "
                "reach the adapter"
            )

    def _warn_of_collapse(self, state: TrainerState) -> None:
        chosen = logged_chosen_logps(state.log_history)
        if self.warned or len(chosen) < 2 * COLLAPSE_STEPS:
            return
        fall = fmean(chosen[:COLLAPSE_STEPS]) - fmean(chosen[-COLLAPSE_STEPS:])
        if fall > COLLAPSE:
            self.warned = True
            say(
                f"warning: step {state.global_step}: the log-probability of the chosen texts has fallen by {fall:.0f} nats; both "
                "sides are sinking, and the model forgets how to write: lower dpo.learning_rate or raise dpo.beta"
            )


def equip(trainer: Trainer) -> None:
    """Give a trainer the three callbacks in place of its own bar."""
    trainer.remove_callback(ProgressCallback)
    for callback in (StepProgress(), Watch(), ChecksumCheckpoints()):
        trainer.add_callback(callback)
