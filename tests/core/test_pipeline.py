"""What a stage takes dvc.yaml to say of it is what DVC takes it to say."""

from pathlib import Path

import pytest
from dvc.dependency.param import ParamsDependency
from dvc.repo import Repo

from src.core.errors import InputError
from src.core.params import load_value
from src.core.pipeline import Param, StageEntry, all_entries, stage_entry

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def entry_of_dvc() -> dict[str, StageEntry]:
    """The entries of this repository's dvc.yaml by stage, as DVC has them."""
    entries = {}
    for stage in Repo(ROOT).index.stages:
        params = [dep for dep in stage.deps if isinstance(dep, ParamsDependency)]
        entries[stage.addressing.rpartition(":")[2]] = StageEntry(
            # Once each: the baseline names the base twice.
            deps=tuple({dep.def_path for dep in stage.deps if dep not in params}),
            params=tuple(Param(dep.def_path, key) for dep in params for key in dep.params),
            outs=tuple(out.def_path for out in stage.outs),
        )
    return entries


def ordered(entry: StageEntry) -> StageEntry:
    return StageEntry(tuple(sorted(entry.deps)), tuple(sorted(entry.params, key=str)), tuple(sorted(entry.outs)))


def test_every_stage_reads_its_entry_as_dvc_does(entry_of_dvc, monkeypatch):
    monkeypatch.chdir(ROOT)
    profile = load_value("profile", str)
    assert len(entry_of_dvc) == 14
    for stage, wanted in entry_of_dvc.items():
        assert ordered(stage_entry(stage, profile)) == ordered(wanted), stage
    assert [ordered(entry) for entry in all_entries(profile)] == [ordered(stage_entry(stage, profile)) for stage in entry_of_dvc]


def test_a_stage_is_found_by_the_name_that_dvc_gives_it_in_a_folder_below(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert stage_entry("../dvc.yaml:compare", None) == stage_entry("compare", None)


def test_a_stage_that_is_not_there_and_a_profile_that_is_wanted_are_told(monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(InputError, match="dvc.yaml has no stage 'trian'"):
        stage_entry("trian", "sandbox")
    with pytest.raises(InputError, match=r"stage train: \$\{profile\} stands for nothing; correct it, or give --profile"):
        stage_entry("train", None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stages: {train: {cmd: [", "dvc.yaml:1: broken YAML"),
        ("", "dvc.yaml is empty"),
        ("stages:\n  train:\n", "holds no stages by name"),
    ],
)
def test_a_dvc_yaml_that_is_half_saved_is_one_error(tmp_path, text, words):
    path = tmp_path / "dvc.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        stage_entry("train", "sandbox", path)
