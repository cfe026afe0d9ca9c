"""All settings at once: each section of params.yaml and of every profile, as its stage reads it. This is no stage.

A stage reads its own sections alone, so that an edit of another reruns nothing. Here are the sections of all stages in one
place, and the checks between them, by the functions of the stages that would find the same fault later.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from src.core.errors import InputError
from src.core.params import PARAMS, Section, load_overridden_section, load_profile_section, load_value, section_faults
from src.core.shapes import Seed
from src.engines.settings import EngineSettings, served_rank
from src.models.sources import OnHub, check_adapter_source, check_model_source, parse_source
from src.ops.machine import HubRevision
from src.ops.plan import MachineSettings
from src.regime_w.arms import ArmSettings
from src.regime_w.compare_settings import CompareSettings
from src.regime_w.criteria import CriteriaSettings
from src.regime_w.preferences import PrefsSettings
from src.regime_w.scoring import ScoringSettings
from src.sources.gsm8k import HUB, TRAIN, test_splits
from src.stages.answer import AnswerSettings
from src.stages.base import BaseSettings, check_first_question, check_learned
from src.stages.data import SANDBOX, DataSettings, check_held_out, check_source
from src.stages.report import Policy
from src.stages.rollouts import RolloutSettings
from src.stages.sample import SampleSettings, check_count
from src.training.dpo_settings import DpoSettings, TrainingSettings, TrainSettings, load_training_settings
from src.training.launch import check_trackers, fitting_machines

PARAMS_SECTIONS = (
    Section("profile", str),
    Section("seed", Seed),
    Section("policy", Policy),
    Section("scoring", ScoringSettings),
    Section("rollouts", RolloutSettings),
    Section("prefs", PrefsSettings),
    Section("dpo", DpoSettings),
    Section("compare", CompareSettings),
    Section("criteria", CriteriaSettings),
    Section("arms", ArmSettings),
)
PROFILE_SECTIONS = (
    Section("data", DataSettings),
    Section("base", BaseSettings),
    Section("engine", EngineSettings),
    Section("sample", SampleSettings),
    Section("train", TrainSettings, overrides="dpo"),
    Section("answer", AnswerSettings),
    Section("machine", MachineSettings),
)


@dataclass(frozen=True)
class Settings:
    """What a run is asked for by its profile, with the seed and the section `dpo` of params.yaml."""

    data: DataSettings
    base: BaseSettings
    engine: EngineSettings
    sample: SampleSettings
    training: TrainingSettings
    machine: MachineSettings


def load_settings(profile: Path) -> Settings:
    """The settings of a run by the profile's file.

    Raises InputError with every fault of params.yaml and of all profiles, a line each; if there is none, with all that does not
    fit together in those of the run. What the machine at hand must have for them is no matter (see check_sources).
    """
    _refuse(_faults(profile))
    settings = Settings(
        data=load_profile_section("data", DataSettings, profile),
        base=load_profile_section("base", BaseSettings, profile),
        engine=load_profile_section("engine", EngineSettings, profile),
        sample=load_profile_section("sample", SampleSettings, profile),
        training=load_training_settings(load_value("seed", Seed), profile),
        machine=load_profile_section("machine", MachineSettings, profile),
    )
    _refuse(f"{profile}: {fault}" for check in checks(settings) for fault in _told(check))
    return settings


def _refuse(faults: Iterator[str]) -> None:
    if lines := list(dict.fromkeys(faults)):  # a fault of params.yaml is met in each profile that overrides the section
        raise InputError("\n".join(lines))


def _told(check: Callable[[], object]) -> list[str]:
    try:
        check()
    except InputError as error:
        return [str(error)]
    return []


def _faults(profile: Path) -> Iterator[str]:
    """Of each file by itself, those of the run first."""
    yield from section_faults(PARAMS, PARAMS_SECTIONS, PROFILE_SECTIONS, profile)
    others = (file for file in sorted(profile.parent.glob("*.yaml")) if file != profile)
    for file in (profile, *others):
        faults = section_faults(file, PROFILE_SECTIONS, PARAMS_SECTIONS, PARAMS)
        yield from faults
        if not faults:
            yield from _told(partial(load_overridden_section, "dpo", DpoSettings, file, holder="train"))


def checks(settings: Settings) -> Sequence[Callable[[], object]]:
    """What must hold between the settings of a run, on whatever machine; each raises InputError."""
    data, base, training = settings.data, settings.base, settings.training
    found: list[Callable[[], object]] = []
    if training.train.processes is not None and training.train.sharding == "none":
        found.append(partial(fitting_machines, training))
    if data.source == SANDBOX:
        found.append(partial(check_source, data))
    if settings.engine.name == "vllm":
        found.append(partial(served_rank, training.dpo.lora.r, "dpo.lora.r"))
    count, place = data.train_questions, "data.train_questions asks for"
    if count is None and data.source == HUB:
        count, place = TRAIN.rows, f"the {TRAIN.title} has"
    if count is not None:
        found.append(partial(check_count, settings.sample, count, place))
        if base.sandbox is not None and base.source == SANDBOX:
            found.append(partial(check_first_question, base.sandbox, count, place))
        if base.sft is not None:
            found.append(partial(check_learned, base.sft, count, place))
        found.append(partial(check_held_out, data, count, place))
    found += [partial(check_apart, settings), partial(check_unseen, settings), partial(check_template, settings)]
    return found


def check_apart(settings: Settings) -> None:
    """InputError if a question that is held out would be sampled, or the base would learn around those that are."""
    held_out, sample, base = settings.data.held_out_indices(), settings.sample, settings.base
    if not held_out:
        return
    here = f"data.held_out and data.test_questions hold out questions {held_out.start} to {held_out.stop - 1}"
    end = sample.first_question + sample.questions
    if sample.first_question < held_out.stop and held_out.start < end:
        raise InputError(
            f"{here}, but sample.first_question and sample.questions ask {sample.first_question} to {end - 1}; move them apart"
        )
    if base.source == SANDBOX and base.sandbox is not None and base.sandbox.first_question < held_out.stop:
        raise InputError(
            f"{here}, but the base learns from base.sandbox.first_question = {base.sandbox.first_question} on; "
            f"raise that to {held_out.stop} or more, or hold out earlier ones"
        )


def check_unseen(settings: Settings) -> None:
    """InputError if the base would be fine-tuned on questions that are sampled or held out."""
    sft, sample = settings.base.sft, settings.sample
    if sft is None:
        return
    held_out = settings.data.held_out_indices()
    asked = range(sample.first_question, sample.first_question + sample.questions)
    for indices, keys in ((asked, "sample.first_question and sample.questions ask"), (held_out, "data.held_out keeps")):
        end = sft.learned_end(max(indices.stop, sft.first_question + 1))
        if indices and sft.first_question < indices.stop and indices.start < end:
            raise InputError(
                f"base.sft learns from question {sft.first_question} on, but {keys} {indices.start} to {indices.stop - 1}, which "
                "the model must not have seen; move them apart"
            )


def check_template(settings: Settings) -> None:
    """InputError if the base would be fine-tuned in another template than it is asked in."""
    sft, engine = settings.base.sft, settings.engine
    if sft is not None and sft.template != engine.template:
        raise InputError(
            f"base.sft.template is {sft.template!r}, but engine.template is {engine.template!r}: the model would be asked in "
            "other words than it has learned; give both the same"
        )


def check_sources(settings: Settings, profile: Path) -> None:
    """InputError, a line each, for what the machine at hand lacks: sources of the data and of models, GPUs to train on."""
    base = settings.base
    found: list[Callable[[], object]] = [partial(check_source, settings.data), partial(fitting_machines, settings.training)]
    found.append(partial(check_trackers, settings.training))
    if base.source != SANDBOX:
        found.append(partial(check_model_source, base.source))
    if base.adapter is not None:
        found.append(partial(check_adapter_source, base.adapter))
    _refuse(f"{profile}: {fault}" for check in found for fault in _told(check))


def hub_revisions(settings: Settings) -> tuple[HubRevision, ...]:
    """What the sources of a run name of the hub."""
    sources = [source for source in (settings.base.source, settings.base.adapter) if source and source.startswith(f"{HUB}:")]
    on_hub = [parse_source(source, "base") for source in sources]
    found = [HubRevision("model", model.name, model.revision) for model in on_hub if isinstance(model, OnHub)]
    if settings.data.source == HUB:
        test = () if settings.data.held_out is not None else test_splits(settings.data.test_set or "gsm8k")
        for published in (TRAIN, *test):
            found.append(HubRevision("dataset", published.name, published.commit))
    return tuple(dict.fromkeys(found))
