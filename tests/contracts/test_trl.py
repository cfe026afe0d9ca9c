"""What src/training uses of TRL and of transformers' Trainer beyond their documented API: still there, and still what it was.

All of it stands in src/training/trl_api.py, trainer_logs.py and samplers.py. A failure says what to look at.
"""

import math
from collections.abc import Iterator
from types import ModuleType

import pytest
import torch
from transformers import TrainerCallback, trainer_pt_utils
from trl import DPOTrainer

from src.training import trainer_logs
from tests.training.runs import make_pairs, training_settings

LOG_KEYS = [name for name in vars(trainer_logs) if name.isupper()]
# Of 10 pairs of these lengths, two a step, seed 0, in the first epoch.
LENGTHS, ORDER = [5, 1, 4, 2, 3, 9, 8, 7, 6, 0], [8, 0, 3, 9, 6, 2, 5, 1, 4, 7]


@pytest.fixture(scope="module")
def api() -> ModuleType:
    from src.training import trl_api  # here, so that what is missing fails the test that is for it, with its sentence

    return trl_api


class Recorder(TrainerCallback):
    """Keeps the loss of each log, and the loss of the history's last row at that time."""

    def __init__(self) -> None:
        self.losses: list[tuple[float, float]] = []

    def on_log(self, args, state, control, logs, **_) -> None:
        if "loss" in logs:
            self.losses.append((logs["loss"], state.log_history[-1]["loss"]))


@pytest.fixture(scope="module")
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture(scope="module")
def trainer(questions, checkpoint, recorder, tmp_path_factory) -> Iterator[DPOTrainer]:
    """A trainer that has trained on 12 pairs, 4 a step, for two epochs."""
    from src.training.callbacks import Watch
    from src.training.dpo import build_trainer

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(tmp_path_factory.mktemp("root")))  # where the reference is kept
        built = build_trainer(make_pairs(questions[:12]), training_settings(), checkpoint, tmp_path_factory.mktemp("work"))
        built.remove_callback(Watch)  # it reads the log, which is looked at below
        built.add_callback(recorder)
        built.train()
        yield built


@pytest.mark.parametrize(
    "name",
    [
        "_prepare_inputs",
        "compute_loss_context_manager",
        "compute_loss",
        "_get_train_sampler",
    ],
)
def test_the_trainer_has_the_methods_that_are_called_or_replaced(name):
    assert callable(getattr(DPOTrainer, name, None)), (
        f"DPOTrainer has no method {name} any more: look at first_batch and PairTrainer in src/training/trl_api.py, "
        "and at trl/trainer/dpo_trainer.py for what took its place"
    )


def test_the_length_groups_of_transformers_are_there():
    assert hasattr(trainer_pt_utils, "get_length_grouped_indices"), (
        "transformers.trainer_pt_utils has no get_length_grouped_indices any more: LengthGroups in src/training/samplers.py "
        "must group the pairs itself, in the same order"
    )


def test_the_length_groups_are_in_the_order_that_trained_the_adapters_so_far(api):
    assert list(api.LengthGroups(LENGTHS, step_size=2, seed=0)) == ORDER, (
        "get_length_grouped_indices gives another order than it did: every adapter will have other weights; "
        "look at LengthGroups in src/training/samplers.py"
    )


def test_the_trainer_takes_its_order_from_our_sampler(api, trainer):
    loader = trainer.get_train_dataloader()
    inner = loader.batch_sampler
    sampler = getattr(inner, "sampler", None) or inner.batch_sampler.sampler
    assert isinstance(sampler, api.LengthGroups), (
        f"the trainer draws pairs by {type(sampler).__name__}: Trainer.get_train_dataloader does not call _get_train_sampler "
        "any more; look at PairTrainer in src/training/trl_api.py"
    )
    loader.set_epoch(7)
    assert sampler.epoch == 7, (
        "accelerate's data loader does not tell the sampler its epoch any more, so that every epoch has the same order; "
        "look at LengthGroups.set_epoch in src/training/samplers.py"
    )


def test_pairs_of_one_prompt_stand_together_where_the_trainer_is_to_group_by_it(api, trainer, monkeypatch):
    monkeypatch.setattr(trainer, "group_by", "prompt")
    sampler = trainer._get_train_sampler()
    assert isinstance(sampler, api.PromptGroups) and len(sampler) == len(trainer.train_dataset)
    prompts = [trainer.train_dataset[place][api.PROMPT] for place in sampler.groups[0]]
    assert len(set(prompts)) == 1, "pairs of one group have several prompts: look at PairTrainer in src/training/trl_api.py"


@pytest.mark.parametrize("column", ["PROMPT", "PROMPT_IDS", "LENGTH"])
def test_the_dataset_keeps_our_columns_and_has_the_tokens_of_the_prompt(api, trainer, column):
    assert getattr(api, column) in trainer.train_dataset.column_names, (
        f"DPOTrainer's dataset has no column {getattr(api, column)!r} (it has {trainer.train_dataset.column_names}): "
        "look at encoded_prompts and PairTrainer in src/training/trl_api.py, and at DPOTrainer._prepare_dataset"
    )


def test_a_batch_holds_chosen_rows_and_then_rejected_ones_with_a_mask_of_completions(api, trainer):
    rows = [trainer.train_dataset[place] for place in range(3)]
    batch = trainer.data_collator(rows)
    assert api.COMPLETION_MASK in batch, (
        f"DPOTrainer's batches have no {api.COMPLETION_MASK!r} (they have {sorted(batch)}): look at first_batch in "
        "src/training/trl_api.py, and at DataCollatorForPreference in trl/trainer/dpo_trainer.py"
    )
    lengths = [len(row[side]) for side in ("chosen_ids", "rejected_ids") for row in rows]
    assert batch[api.COMPLETION_MASK].sum(dim=1).tolist() == lengths, (
        "DPOTrainer's batches are no longer the chosen rows and then the rejected ones: look at first_batch in "
        "src/training/trl_api.py, which counts the tokens of the first half"
    )


def test_the_first_batch_has_the_log_probability_of_its_chosen_texts(api, trainer):
    assert "train" in getattr(trainer, "_metrics", {}), (
        "DPOTrainer keeps no record of its passes in _metrics['train'] any more: look at first_batch in "
        "src/training/trl_api.py, and at what DPOTrainer.log reads"
    )
    trainer._metrics["train"].clear()
    found = api.first_batch(trainer)
    rows = [trainer.train_dataset[place] for place in range(4)]
    with torch.no_grad():
        by_hand = [_chosen_logp(trainer, row[api.PROMPT_IDS], row["chosen_ids"]) for row in rows]
    assert found.chosen_nats == pytest.approx(-sum(by_hand) / sum(len(row["chosen_ids"]) for row in rows), rel=1e-4), (
        "DPOTrainer's own record of logps/chosen is no longer the sum over a text, mean over the pairs: look at first_batch in "
        "src/training/trl_api.py, and at _metrics in trl/trainer/dpo_trainer.py"
    )
    assert not trainer._metrics["train"], "first_batch leaves records in DPOTrainer._metrics, which the first step would average"
    assert math.isfinite(found.loss.item()) and found.loss.requires_grad


def _chosen_logp(trainer: DPOTrainer, prompt: list[int], chosen: list[int]) -> float:
    tokens = torch.tensor([prompt + chosen])
    logps = trainer.model(input_ids=tokens).logits.log_softmax(-1)[0, :-1].gather(1, tokens[0, 1:, None])
    return logps[-len(chosen) :].sum().item()


def test_batches_hold_the_reference_that_was_computed_before_the_first_step(api, trainer):
    assert trainer.precompute_ref_logps is True, (
        "DPOTrainer does not look at precompute_ref_logps any more: look at PairTrainer.__init__ in src/training/trl_api.py, and "
        "at where trl/trainer/dpo_trainer.py takes the reference's log-probabilities from"
    )
    rows = [trainer.train_dataset[place] for place in range(3)]
    batch = trainer.data_collator(rows)
    for column in api.SIDES.values():
        assert batch[column].tolist() == pytest.approx([row[column] for row in rows], rel=1e-6), (
            f"DPOTrainer's batches have no {column!r} of its dataset any more: look at SIDES in src/training/trl_api.py"
        )


def test_the_model_scores_labels_by_the_head_that_is_packed_for(trainer):
    ids = torch.tensor([[1, 5, 6, 7], [1, 5, 8, 9]])
    labels = torch.tensor([[-100, -100, 6, 7], [-100, -100, 8, 9]])
    with torch.no_grad():
        output = trainer.model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=labels, fused_lm_head=True)
        logits = trainer.model(input_ids=ids).logits
    by_hand = logits.log_softmax(-1)[:, :-1].gather(2, ids[:, 1:, None])[..., 0]
    by_hand[:, 0] = 0
    assert torch.allclose(output.log_probs, by_hand, atol=1e-5), (
        "add_fused_lm_head of TRL does not give log_probs by labels any more: look at share_texts in src/training/shared_texts.py"
    )


@pytest.mark.parametrize("name", LOG_KEYS)
def test_every_step_is_logged_with_the_figures_that_are_kept(trainer, name):
    key, history = getattr(trainer_logs, name), trainer.state.log_history
    rows = [row for row in history if trainer_logs.is_of_step(row)]
    assert len(rows) == trainer.state.global_step == 6, (
        f"{len(rows)} of {trainer.state.global_step} steps are logged with {trainer_logs.LOSS!r}: look at "
        "src/training/trainer_logs.py, and at Trainer.log"
    )
    assert all(key in row for row in rows), (
        f"the trainer's log has no {key!r} any more (it has {sorted(rows[0])}): look at {name} in "
        "src/training/trainer_logs.py, and at DPOTrainer.log"
    )


def test_a_log_is_in_the_history_when_the_callbacks_hear_of_it(trainer, recorder):
    assert len(recorder.losses) == 6 and all(logged == last for logged, last in recorder.losses), (
        "Trainer.log calls the callbacks before the row is in state.log_history: Watch in src/training/callbacks.py would "
        "warn of a collapse a step late"
    )
