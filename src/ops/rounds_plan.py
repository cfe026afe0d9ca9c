"""Which questions each round of `make rounds` samples, which are held out, and by which settings a round is run."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from src.core.errors import InputError
from src.core.files import WORK
from src.core.params import load_section, load_value, profile_path
from src.core.shapes import Seed
from src.ops.evidence_plan import (
    RECIPES,
    Computing,
    SettingsFiles,
    committed_settings,
    digest_of,
    settings_of,
    sha_of,
    with_values,
)
from src.ops.sweep import Point, read_points
from src.regime_w.compare_settings import CompareSettings
from src.regime_w.rounds import Round
from src.sources.gsm8k import HUB, TRAIN

SANDBOX = "sandbox"  # as a source of questions, and of a base
FOLDER = Path(WORK, "rounds")
MODELS = FOLDER / "models"  # base and adapter of each round, by its `result`


@dataclass(frozen=True)
class Source:
    """What a profile says of its training questions.

    name             data.source
    train_questions  None takes all of the source
    asked            sample.questions
    first_learned    index of the first from which the base learns here; None of a pretrained one that is left as it is
    taught_by        the part of the section `base` that says so
    """

    name: str
    train_questions: int | None
    asked: int
    first_learned: int | None
    taught_by: str | None


@dataclass(frozen=True)
class Layout:
    """Indices of training questions that no base has seen: `asked` of each round, from 0 on, and then those held out.

    made_from  index of the first question that the source makes for the rounds that do not fit before those held out; None
               where it makes none
    """

    asked: int
    held_out: range
    made_from: int | None = None

    def questions(self, number: int) -> range:
        """Those that a round samples, from round 1 on."""
        fit = self.held_out.start // self.asked
        if number <= fit or self.made_from is None:
            return range((number - 1) * self.asked, number * self.asked)
        first = self.made_from + (number - 1 - fit) * self.asked
        return range(first, first + self.asked)


@dataclass(frozen=True)
class RoundsPlan:
    """What `make rounds` is asked for. `files` are the settings that all rounds share."""

    profile: str
    recipe: str
    seed: int
    wanted: int
    stop: bool
    layout: Layout
    compare: CompareSettings
    files: SettingsFiles

    def name(self) -> str:
        return f"{self.profile}-{self.recipe}"

    def files_of(self, number: int, before: Round | None) -> SettingsFiles:
        """The settings of a round; `before` is the one before it, None of round 1."""
        questions, values = self.layout.questions(number), []
        if self.layout.made_from is not None and questions.start >= self.layout.made_from:
            values.append(f"data.train_questions={questions.stop}")  # no base learns from them: this round's is made already
        values.append(f"sample.first_question={questions.start}")
        if before is not None:
            folder = MODELS / before.result
            values += [f"base.source={folder}/base", f"base.adapter={folder}/adapter", "base.sft=null"]
        return SettingsFiles(self.files.params, with_values(self.files.profile, values, f"profile {self.profile}"))

    def digest(self, number: int, before: Round | None, by: Computing) -> str:
        """Of all that decides the result of a round but the processor; the verdict's level is of that."""
        compare = json.loads(self.files.params)["compare"]
        return sha_of([digest_of(self.files_of(number, before), by), compare])

    def done(self, rounds: tuple[Round, ...], by: Computing) -> tuple[Round, ...]:
        """The rounds, from the first on, that the code and the settings at hand have made, each from the one before it."""
        kept: list[Round] = []
        for each in rounds[: self.wanted]:
            number, before = len(kept) + 1, kept[-1] if kept else None
            if (each.number, each.digest) != (number, self.digest(number, before, by)):
                break
            kept.append(each)
        return tuple(kept)


def plan_of(profile: str | None, recipe: str, wanted: int, held_out: int, stop: bool) -> RoundsPlan:
    """What is asked for, by the files at hand.

    profile   None is what params.yaml names
    held_out  questions

    InputError for settings that are not good, for a recipe that is unknown and for more rounds than there are questions.
    """
    path = profile_path(profile)
    check_settings(path.stem)
    points = read_points(RECIPES)
    point = next((point for point in points if point.name == recipe), None)
    if point is None:
        raise InputError(f"--recipe is {recipe!r}, and {RECIPES} has none such; name one of {', '.join(p.name for p in points)}")
    layout = layout_of(source_of(committed_settings(path.stem)), wanted, held_out)
    return RoundsPlan(
        profile=path.stem,
        recipe=point.name,
        seed=load_value("seed", Seed),
        wanted=wanted,
        stop=stop,
        layout=layout,
        compare=load_section("compare", CompareSettings),
        files=shared_files(path.stem, load_value("seed", Seed), point, layout),
    )


def check_settings(profile: str) -> None:
    """InputError as stage `settings` has it, if a setting of the run is not good."""
    done = subprocess.run(
        [sys.executable, "-m", "src.stages.settings", "--check", "--profile", profile], capture_output=True, text=True
    )
    if done.returncode:
        raise InputError(done.stderr.strip().removeprefix("error: "))


def source_of(files: SettingsFiles) -> Source:
    """Of settings that are good."""
    profile = json.loads(files.profile)
    data, base = profile["data"], profile["base"]
    taught = "sandbox" if base["source"] == SANDBOX else "sft" if base["sft"] is not None else None
    return Source(
        name=data["source"],
        train_questions=data["train_questions"],
        asked=profile["sample"]["questions"],
        first_learned=None if taught is None else base[taught]["first_question"],
        taught_by=taught,
    )


def shared_files(profile: str, seed: int, recipe: Point, layout: Layout) -> SettingsFiles:
    """The settings that all rounds share: the recipe's, and questions held out in the place of the test set."""
    files = settings_of(committed_settings(profile), profile, seed, recipe)
    values = [
        f"data.held_out={layout.held_out.start}",
        f"data.test_questions={len(layout.held_out)}",
        f"sample.questions={layout.asked}",
    ]
    return SettingsFiles(files.params, with_values(files.profile, values, f"profile {profile}"))


def layout_of(source: Source, wanted: int, held_out: int) -> Layout:
    """Questions for every round, and behind them those held out, the last that no base has seen.

    The sandbox makes as many more as further rounds want. InputError, with how many rounds fit, if there are too few.
    """
    unseen, asked = unseen_questions(source), source.asked
    fit = max(0, unseen - held_out) // asked
    makes_more = source.name == SANDBOX
    needed_rounds = 1 if makes_more else wanted
    if needed_rounds > fit:
        needed = needed_rounds * asked + held_out
        to_raise = "data.train_questions" if source.first_learned is None else f"base.{source.taught_by}.first_question"
        raise InputError(
            f"{needed_rounds} rounds of {asked} questions (sample.questions) and {held_out} held-out ones need {needed} training "
            f"questions that the base never sees, but there are {unseen}, and {fit} rounds fit: ask for fewer rounds, hold out "
            f"fewer (--held-out), lower sample.questions, or raise {to_raise} in the profile to {needed}"
        )
    return Layout(asked, range(unseen - held_out, unseen), source.train_questions if makes_more else None)


def unseen_questions(source: Source) -> int:
    """How many training questions, from the first on, the base never sees. Of a pretrained base nothing is known: all count.

    InputError where their number is not known, and for a source whose test is a part of the same file.
    """
    if source.name not in (SANDBOX, HUB) and not os.path.isdir(source.name):
        raise InputError(
            f"data.source is the single file {source.name}, of which the last data.test_questions rows are the test set, and "
            "rounds hold out another number of questions; put both splits into a folder, as train.jsonl and test.jsonl, and "
            "name that"
        )
    if source.first_learned is not None:
        return source.first_learned
    if source.train_questions is not None:
        return source.train_questions
    if source.name == HUB:
        return TRAIN.rows
    raise InputError(f"data.train_questions is null, and rounds must know how many there are in {source.name}; give a number")
