"""Parameters from YAML into dataclasses: every slip of the pen is told, with its place."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from src.errors import InputError, run_stage
from src.params import from_mapping, load_profile_section, load_profile_value, load_section, load_value
from src.regime_w.arms import ArmSettings


@dataclass(frozen=True)
class Inner:
    depth: int
    name: str = "x"


@dataclass(frozen=True)
class Settings:
    rate: float
    steps: int
    shuffle: bool
    mode: Literal["own", "canonical"]
    note: str | None
    levels: tuple[float, ...]
    inner: Inner = field(default_factory=lambda: Inner(depth=1))
    limit: int | None = None

    def __post_init__(self):
        if self.rate <= 0:
            raise ValueError(f"rate is {self.rate}; give more than 0")


GOOD = {
    "rate": 0.5,
    "steps": 3,
    "shuffle": False,
    "mode": "own",
    "note": None,
    "levels": [1, 2.5],
}


def refusal(mapping) -> str:
    with pytest.raises(InputError) as error:
        from_mapping(Settings, mapping, "params.yaml: train")
    return str(error.value)


def put(folder: Path, text: str, name: str = "params.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


# --- a section into a dataclass ---


def test_a_good_section_arrives_with_its_types():
    settings = from_mapping(Settings, GOOD, "here")
    assert settings == Settings(0.5, 3, False, "own", None, (1.0, 2.5), Inner(1, "x"), None)
    assert all(type(level) is float for level in settings.levels)


def test_a_whole_number_does_for_a_float():
    rate = from_mapping(Settings, GOOD | {"rate": 2}, "here").rate
    assert rate == 2.0 and type(rate) is float


def test_nested_sections_and_optional_values_arrive():
    settings = from_mapping(Settings, GOOD | {"inner": {"depth": 7}, "limit": 9, "note": "n"}, "here")
    assert (settings.inner, settings.limit, settings.note) == (Inner(7, "x"), 9, "n")


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("rate", "1e-5", "is '1e-5', of type str; it must be a finite number"),
        ("rate", True, "is True, of type bool"),
        ("rate", float("nan"), "is nan"),
        ("rate", float("inf"), "is inf"),
        ("rate", 10**400, "a finite number"),
        ("rate", None, "is empty (null); it must be a finite number"),
        ("steps", 3.0, "is 3.0, of type float; it must be a whole number"),
        ("steps", False, "is False, of type bool"),
        ("steps", "3", "is '3', of type str"),
        ("shuffle", 1, "is 1, of type int; it must be true or false"),
        ("shuffle", "no", "is 'no', of type str"),
        ("mode", "canonic", "one of 'own', 'canonical'; did you mean 'canonical'?"),
        ("mode", None, "is empty"),
        ("note", 5, "is 5, of type int; it must be a text"),
        ("limit", 1.5, "is 1.5, of type float; it must be a whole number"),
        ("levels", 0.5, "is 0.5, of type float; it must be a list"),
        ("levels", "12", "is '12', of type str; it must be a list"),
        ("inner", 3, "a section with the keys depth, name"),
    ],
)
def test_a_value_of_the_wrong_type_is_told_with_its_path(key, value, told):
    message = refusal(GOOD | {key: value})
    assert message.startswith(f"params.yaml: train.{key} ")
    assert told in message


def test_a_wrong_value_inside_is_told_with_its_whole_path():
    assert "train.levels[1] is 'x'" in refusal(GOOD | {"levels": [1, "x"]})
    assert "train.inner.depth is 'deep'" in refusal(GOOD | {"inner": {"depth": "deep"}})
    assert "train.inner.depth is missing" in refusal(GOOD | {"inner": {}})


def test_an_unknown_key_is_told_with_the_nearest_and_the_known():
    message = refusal(GOOD | {"limt": 3})
    assert "train.limt is unknown; did you mean 'limit'?" in message
    assert "(known: rate, steps, shuffle, mode, note, levels, inner, limit)" in message


def test_an_unknown_key_like_no_other_gets_no_guess():
    assert "did you mean" not in refusal(GOOD | {"zzzzzz": 3, 7: 1})


def test_a_missing_key_is_told():
    assert refusal({key: value for key, value in GOOD.items() if key != "note"}) == ("params.yaml: train.note is missing; add it")


def test_all_bad_keys_are_told_at_once():
    bad = GOOD | {"rate": "fast", "stepz": 3, "inner": {"depth": None, "nam": 1}}
    del bad["steps"]
    lines = refusal(bad).splitlines()
    assert [line.split(" ")[1] for line in lines] == [
        "train.stepz",
        "train.steps",
        "train.rate",
        "train.inner.nam",
        "train.inner.depth",
    ]


def test_what_the_dataclass_refuses_is_told_with_its_section():
    assert refusal(GOOD | {"rate": -1}) == "params.yaml: train: rate is -1.0; give more than 0"


@pytest.mark.parametrize("annotation", [list, dict[str, int], int | str, tuple[int, int], set[int]])
def test_a_field_that_no_parameter_can_have_is_a_fault_of_the_code(annotation):
    Odd = dataclass(type("Odd", (), {"__annotations__": {"value": annotation}}))
    with pytest.raises(TypeError, match="change the dataclass"):
        from_mapping(Odd, {"value": 1}, "here")


# --- files ---


@pytest.mark.parametrize("written", ["1e-5", "1e-05", "1.0e-5", "0.00001", "1E-5"])
def test_small_numbers_are_numbers_however_written(tmp_path, written):
    path = put(tmp_path, f"learning_rate: {written}\n")
    assert load_value("learning_rate", float, path) == 1e-5


def test_words_are_texts_as_yaml_1_2_has_it(tmp_path):
    path = put(tmp_path, "policy: no\n")
    assert load_value("policy", str, path) == "no"


def test_a_section_is_read_from_params_yaml_of_the_working_folder(tmp_path, monkeypatch):
    put(tmp_path, "seed: 7\narms:\n  probe_temperature: 1\n  seeds: {wolfram: 10}\n")
    monkeypatch.chdir(tmp_path)
    settings = load_section("arms", ArmSettings)
    assert (settings.probe_temperature, settings.seeds.wolfram, settings.seeds.maudlin) == (1.0, 10, 100)
    assert load_value("seed", int) == 7


def test_the_defaults_of_the_arms_may_be_written_out(tmp_path):
    text = """
arms:
  variance_temperatures: [0.2, 0.3, 0.4, 0.5]
  probe_temperature: 0.2
  seeds:
    wolfram: 42
    maudlin: 100
    wolfram_standard: 1000
    wolfram_rephrase: 1001
    maudlin_cf1: 2000
"""
    assert load_section("arms", ArmSettings, put(tmp_path, text)) == ArmSettings()


def test_what_the_arms_refuse_is_told_with_file_and_section(tmp_path):
    path = put(tmp_path, "arms:\n  variance_temperatures: [0.2]\n")
    with pytest.raises(InputError, match=r"params.yaml: arms: variance_temperatures has 1 values"):
        load_section("arms", ArmSettings, path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "params.yaml is empty"),
        ("# only a comment\n", "params.yaml is empty"),
        ("- 1\n", "params.yaml holds list"),
        ("arms:\nseed: 1\n", "params.yaml: arms is empty (null)"),
        ("arm: {}\nseed: 1\n", "'arms' is missing; did you mean 'arm'? (the file has: arm, seed)"),
        ("arms: {a: 1}\nseed: 1\narms: {b: 2}\n", 'params.yaml:3: broken YAML: found duplicate key "arms"'),
        ("arms:\n  a: 1\n  a: 2\n", "params.yaml:3: broken YAML: found duplicate key"),
        ("seed: 1\narms: [1\nx: 2\n", "params.yaml:3: broken YAML"),
        ("arms:\n\ta: 1\n", "params.yaml:2: broken YAML"),
        ("arms: !!python/object:os.system {}\n", "params.yaml:1: broken YAML"),
        ("arms: *nothing\n", "params.yaml:1: broken YAML"),
        ("arms: \x00\n", "params.yaml: broken YAML"),
    ],
)
def test_a_broken_file_is_told_with_its_line(tmp_path, text, told):
    with pytest.raises(InputError) as error:
        load_section("arms", ArmSettings, put(tmp_path, text))
    assert told in str(error.value)


def test_a_file_that_is_not_utf_8_is_told(tmp_path):
    (tmp_path / "params.yaml").write_bytes(b"arms: \xe9\n")
    with pytest.raises(InputError, match="not UTF-8 at byte 7"):
        load_section("arms", ArmSettings, tmp_path / "params.yaml")


def test_a_missing_file_says_from_where_to_run(tmp_path):
    with pytest.raises(InputError, match="params.yaml does not exist.*run from the repository's root"):
        load_section("arms", ArmSettings, tmp_path / "params.yaml")


def test_a_top_level_value_is_checked_as_a_field_is(tmp_path):
    path = put(tmp_path, "seed: 1.5\npolicy: basline\n")
    with pytest.raises(InputError, match=r"params.yaml: seed is 1.5, of type float; .* whole number"):
        load_value("seed", int, path)
    with pytest.raises(InputError, match="did you mean 'baseline'"):
        load_value("policy", Literal["baseline", "coherence"], path)


# --- profiles ---


def test_a_profile_section_is_that_of_the_profile_named(tmp_path):
    path = put(tmp_path, "profile: small\n")
    put(tmp_path, "model: {depth: 1}\n", "profiles/small.yaml")
    put(tmp_path, "model: {depth: 2}\n", "profiles/large.yaml")
    assert load_profile_section("model", Inner, path) == Inner(depth=1)
    put(tmp_path, "profile: large\n")
    assert load_profile_section("model", Inner, path) == Inner(depth=2)


def test_one_value_of_another_section_is_checked_and_may_be_absent(tmp_path):
    path = put(tmp_path, "profile: small\n")
    put(tmp_path, "base: {source: hub, size: 3, other: [1]}\n", "profiles/small.yaml")
    assert load_profile_value("base", "source", str, path) == "hub"
    assert load_profile_value("base", "adapter", str | None, path) is None
    with pytest.raises(InputError, match=r"profiles/small.yaml: base.size is 3, of type int"):
        load_profile_value("base", "size", str, path)


def test_an_error_in_a_profile_names_the_profile(tmp_path):
    path = put(tmp_path, "profile: small\n")
    put(tmp_path, "model: {depth: deep}\n", "profiles/small.yaml")
    with pytest.raises(InputError, match=r"profiles/small.yaml: model.depth is 'deep'"):
        load_profile_section("model", Inner, path)


@pytest.mark.parametrize("name", ["smal", "../params", "small.yaml", ""])
def test_an_unknown_profile_is_told_with_those_there_are(tmp_path, name):
    path = put(tmp_path, f"profile: '{name}'\n")
    put(tmp_path, "model: {depth: 1}\n", "profiles/small.yaml")
    put(tmp_path, "model: {depth: 2}\n", "profiles/large.yaml")
    with pytest.raises(InputError, match=r"\(there are: large, small\)"):
        load_profile_section("model", Inner, path)


def test_params_without_a_profile_are_told(tmp_path):
    with pytest.raises(InputError, match="'profile' is missing; did you mean 'profil'"):
        load_profile_section("model", Inner, put(tmp_path, "profil: small\n"))


# --- how a stage reports them ---


def test_a_stage_ends_with_the_message_alone_and_a_bad_status():
    def main():
        raise InputError("params.yaml: seed is missing")

    with pytest.raises(SystemExit) as exit_:
        run_stage(main)
    assert exit_.value.code == "error: params.yaml: seed is missing"  # a text: printed, with status 1


def test_other_errors_keep_their_traceback():
    def main():
        raise ValueError("a fault of the code")

    with pytest.raises(ValueError, match="a fault of the code"):
        run_stage(main)
