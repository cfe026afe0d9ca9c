"""Params from YAML into dataclasses: every slip of the pen is told, with its place."""

import random
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from dvc.utils.serialize import ParseError, dumps_yaml
from dvc.utils.serialize import parse_yaml as parse_yaml_as_dvc

from src.core.errors import InputError, shown
from src.core.params import (
    Section,
    from_value,
    load_overridden_section,
    load_profile_section,
    load_section,
    load_value,
    parse_yaml,
    profile_path,
    section_faults,
)
from src.core.shapes import Seed
from src.regime_w.arms import GUIDE_SETTINGS, ArmSettings
from src.training.dpo_settings import DpoSettings, load_training_settings
from src.training.lora_settings import LoraSettings
from tests.profiles import profile_text

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Inner:
    depth: int
    name: str


@dataclass(frozen=True)
class Settings:
    rate: float
    steps: int
    shuffle: bool
    mode: Literal["own", "canonical"]
    note: str | None
    levels: tuple[float, ...]
    inner: Inner
    limit: int | None

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
    "inner": {"depth": 1, "name": "x"},
    "limit": None,
}


def refusal(mapping: Any, wanted: Any = Settings) -> str:
    with pytest.raises(InputError) as error:
        from_value(wanted, mapping, "params.yaml: train")
    return str(error.value)


def put(folder: Path, text: str, name: str = "params.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


# --- a section into a dataclass ---


def test_a_good_section_arrives_with_its_types():
    settings = from_value(Settings, GOOD, "here")
    assert settings == Settings(0.5, 3, False, "own", None, (1.0, 2.5), Inner(1, "x"), None)
    assert all(type(level) is float for level in settings.levels)


def test_a_whole_number_does_for_a_float():
    rate = from_value(Settings, GOOD | {"rate": 2}, "here").rate
    assert rate == 2.0 and type(rate) is float


def test_nested_sections_and_values_that_may_be_null_arrive():
    settings = from_value(Settings, GOOD | {"inner": {"depth": 7, "name": "y"}, "limit": 9, "note": "n"}, "here")
    assert (settings.inner, settings.limit, settings.note) == (Inner(7, "y"), 9, "n")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("rate", "1e-5", "is '1e-5': it must be a valid number"),
        ("rate", True, "is True: it must be a valid number"),
        ("rate", float("nan"), "is nan: it must be a finite number"),
        ("rate", float("inf"), "is inf: it must be a finite number"),
        ("rate", 10**400, "it must be a finite number"),
        ("rate", 1 << 20_000, "is a whole number of 20,001 bits, longer than any number here"),
        ("rate", None, "is null: it must be a valid number"),
        ("steps", 3.0, "is 3.0: it must be a valid integer"),
        ("steps", False, "is False: it must be a valid integer"),
        ("steps", "3", "is '3': it must be a valid integer"),
        ("shuffle", 1, "is 1: it must be a valid boolean"),
        ("shuffle", "no", "is 'no': it must be a valid boolean"),
        ("mode", "canonic", "is 'canonic': it must be 'own' or 'canonical'; did you mean 'canonical'?"),
        ("mode", None, "is null: it must be 'own' or 'canonical'"),
        ("note", 5, "is 5: it must be a valid string"),
        ("note", date(2020, 1, 2), "is datetime.date(2020, 1, 2), of type date: it must be a text, a number or a list"),
        ("note", b"x", "is b'x', of type bytes: it must be a text"),
        ("limit", 1.5, "is 1.5: it must be a valid integer"),
        ("levels", 0.5, "is 0.5: it must be a valid array"),
        ("levels", "12", "is '12': it must be a valid array"),
        ("inner", 3, "is 3: it must be an object with the keys depth, name"),
        ("inner", None, "is null: it must be an object with the keys depth, name"),
        ("inner", [1], "is [1]: it must be an object with the keys depth, name"),
    ],
    ids=shown,
)
def test_a_value_of_the_wrong_type_is_told_with_its_path(key, value, words):
    message = refusal(GOOD | {key: value})
    assert message.startswith(f"params.yaml: train.{key} ")
    assert words in message


def test_a_wrong_value_inside_is_told_with_its_whole_path():
    assert "train.levels[1] is 'x'" in refusal(GOOD | {"levels": [1, "x"]})
    assert "train.inner.depth is 'deep'" in refusal(GOOD | {"inner": {"depth": "deep", "name": "x"}})
    assert "train.inner.depth is missing" in refusal(GOOD | {"inner": {"name": "x"}})
    assert "train.levels[0] is datetime.date(" in refusal(GOOD | {"levels": [date(2020, 1, 2)]})


def test_half_a_surrogate_pair_is_told_with_its_path():
    assert "train.note is '\\ud83d': half a surrogate pair is no character" in refusal(GOOD | {"note": "\ud83d"})


def test_an_unknown_key_is_told_with_the_nearest_and_the_known():
    message = refusal(GOOD | {"limt": 3})
    assert "train.limt is unknown; did you mean 'limit'?" in message
    assert "(known: rate, steps, shuffle, mode, note, levels, inner, limit)" in message
    assert "train.inner.nam is unknown; did you mean 'name'? (known: depth, name)" in refusal(
        GOOD | {"inner": {"depth": 1, "nam": "x"}}
    )


def test_an_unknown_key_like_no_other_gets_no_guess():
    message = refusal(GOOD | {"zzzzzz": 3, 7: 1})
    assert "did you mean" not in message
    assert "train.zzzzzz is unknown (known: " in message and "train.7 is unknown (known: " in message


@pytest.mark.parametrize("key", GOOD)
def test_a_missing_key_is_told_and_never_filled_in(key):
    lacking = {name: value for name, value in GOOD.items() if name != key}
    assert refusal(lacking) == f"params.yaml: train.{key} is missing; add it"


def test_all_bad_keys_are_told_at_once():
    bad = GOOD | {"rate": "fast", "stepz": 3, "inner": {"depth": None, "nam": 1}}
    del bad["steps"]
    lines = refusal(bad).splitlines()
    assert all(line.startswith("params.yaml: train.") for line in lines)
    assert {line.split(" ")[1] for line in lines} == {
        "train.stepz",
        "train.steps",
        "train.rate",
        "train.inner.nam",
        "train.inner.name",
        "train.inner.depth",
    }


def test_what_the_dataclass_refuses_is_told_with_its_section():
    assert refusal(GOOD | {"rate": -1}) == "params.yaml: train is refused: rate is -1.0; give more than 0"


def test_a_value_alone_is_told_with_its_name():
    assert refusal(-1, Seed) == "params.yaml: train is -1: it must be greater than or equal to 0"
    assert refusal([1, "x"], tuple[int, ...]) == "params.yaml: train[1] is 'x': it must be a valid integer"


# --- YAML as DVC reads it ---

SPELLINGS = """
1e-5 1E-5 1e-05 1.0e-5 0.00001 1e5 1e+5 1.5e3 1.e5 .5 5. -.5 +.5 .5e-3 .5e+3 .5e3 ._5 .5_0 0.30 0.3 0.30000000000000004
0 00 -0 +1 -1 010 -010 08.5 09 0x1F 0X1F 0xff -0x1F 0x1_F 0o17 0O17 -0o17 0o8 0b101 0B101 1_000 1_000.5 1__0 _1 1_ 12e03
685_230.15 190:20:30 12:30 1:30.5 1,000 100000000000000000000 1e400 1e-400 0x 0o 1e 1e- e5 .e5 0.1.2 1.2.3 v1 --1
yes Yes YES no No off on On y n true True TRUE tRUE false False FALSE ~ null Null NULL nULL none None
.inf -.inf +.inf .Inf .INF .iNF inf .nan .NaN .NAN -.nan nan . + -x ... 2020-01-02 2020-1-2 2020-01-02T03:04:05
2020-01-02T03:04:05Z 2020-01-02T03:04:05.5+01:00 20-01-02 1-2
"""


def value_read(parse, text: str) -> Any:
    """The value that a reader has for a text: what it refuses is all one."""
    try:
        value = parse(text)
    except (yaml.YAMLError, ParseError, ValueError):
        return "refused"
    return (value.timestamp(), bool(value.tzinfo)) if isinstance(value, datetime) else value


def assert_read_as_by_dvc(spelling: str) -> None:
    text = f"key: {spelling}\n"
    ours = value_read(lambda text: parse_yaml(text)["key"], text)
    dvcs = value_read(lambda text: parse_yaml_as_dvc(text, "params.yaml")["key"], text)
    assert repr(ours) == repr(dvcs), f"{spelling} is {ours!r} here, and {dvcs!r} for DVC"


@pytest.mark.parametrize("spelling", SPELLINGS.split())
def test_a_scalar_is_what_it_is_for_dvc(spelling):
    assert_read_as_by_dvc(spelling)


def test_so_is_any_row_of_the_signs_that_numbers_are_made_of():
    draw = random.Random(0)
    for _ in range(2000):
        assert_read_as_by_dvc("".join(draw.choices("0012789_..eE+-xobFn:T", k=draw.randint(1, 7))).strip(":-") or "0")


@pytest.mark.parametrize(
    ("spelling", "value"),
    [("1e-5", 1e-5), ("010", 10), ("0x1F", 31), ("0o17", 15), ("1_000", 1000), ("yes", "yes"), ("on", "on"), ("~", None)],
)
def test_that_is_yaml_1_2_with_underscores(spelling, value):
    read = parse_yaml(f"key: {spelling}")["key"]
    assert read == value and type(read) is type(value)


def test_a_number_that_dvc_writes_is_read_back():
    """`dvc exp run -S train.dpo.learning_rate=1e-5` writes 1e-05."""
    for number in (1e-5, 5e-5, 1e-12, 3e22, 0.1, 1.0, 2.0**-1074, 1.7976931348623157e308, -2.5e-7):
        written = dumps_yaml({"key": number})
        assert parse_yaml(written) == {"key": number}, written
    assert dumps_yaml({"key": 1e-5}) == "key: 1e-05\n"


@pytest.mark.parametrize("written", ["1e-5", "1e-05", "1.0e-5", "0.00001", "1E-5"])
def test_small_numbers_are_numbers_however_written(tmp_path, written):
    path = put(tmp_path, f"learning_rate: {written}\n")
    assert load_value("learning_rate", float, path) == 1e-5


def test_words_are_texts_as_yaml_1_2_has_it(tmp_path):
    path = put(tmp_path, "policy: no\n")
    assert load_value("policy", str, path) == "no"


def test_aliases_and_merges_are_read(tmp_path):
    path = put(tmp_path, "small: &small {depth: 1, name: x}\nlarge: {<<: *small, depth: 2}\nsame: *small\n")
    assert load_section("large", Inner, path) == Inner(2, "x")
    assert load_section("same", Inner, path) == Inner(1, "x")


def bomb(text: str, wrapped: str) -> str:
    """Aliases of aliases: a file of some lines that stands for 9**11 values."""
    return f"a0: &a0 {text}\n" + "".join(f"a{n}: &a{n} {wrapped % ', '.join([f'*a{n - 1}'] * 9)}\n" for n in range(1, 12))


# --- files ---


def test_a_section_is_read_from_params_yaml_of_the_working_folder(tmp_path, monkeypatch):
    put(tmp_path, "seed: 7\ninner: {depth: 1, name: x}\n")
    monkeypatch.chdir(tmp_path)
    assert load_section("inner", Inner) == Inner(1, "x")
    assert load_value("seed", int) == 7


def test_the_arms_of_the_guide_stand_in_params_yaml():
    assert load_section("arms", ArmSettings, ROOT / "params.yaml") == GUIDE_SETTINGS


def test_what_the_arms_refuse_is_told_with_file_and_section(tmp_path):
    arms = {**asdict(GUIDE_SETTINGS), "variance_temperatures": [0.2]}
    path = put(tmp_path, yaml.safe_dump({"arms": arms}))
    with pytest.raises(
        InputError, match=r"params.yaml: arms.variance_temperatures is \[0.2\]: it must have at least 4 items, not 1"
    ):
        load_section("arms", ArmSettings, path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "params.yaml is empty"),
        ("# only a comment\n", "params.yaml is empty"),
        ("- 1\n", "params.yaml holds list"),
        ("arms:\nseed: 1\n", "params.yaml: arms is null: it must be an object with the keys variance_temperatures"),
        ("arm: {}\nseed: 1\n", "'arms' is missing; did you mean 'arm'? (the file has: arm, seed)"),
        ("arms: {a: 1}\nseed: 1\narms: {b: 2}\n", 'params.yaml:3: broken YAML: found duplicate key "arms"; repair the line'),
        ("arms:\n  a: 1\n  a: 2\n", 'params.yaml:3: broken YAML: found duplicate key "a"'),
        ('arms:\n  a: 1\n  "a": 2\n', 'params.yaml:3: broken YAML: found duplicate key "a"'),
        ("arms:\n  - {b: 1}\n  - {b: 1,\n     b: 1}\n", 'params.yaml:4: broken YAML: found duplicate key "b"'),
        ("seed: 1\narms: [1\nx: 2\n", "params.yaml:3: broken YAML"),
        ("arms:\n\ta: 1\n", "params.yaml:2: broken YAML"),
        ("arms: !!python/object:os.system {}\n", "params.yaml:1: broken YAML"),
        ("arms: !secret 1\n", "params.yaml:1: broken YAML: could not determine a constructor for the tag '!secret'"),
        ("arms: *nothing\n", "params.yaml:1: broken YAML"),
        ("arms: 1\n---\narms: 2\n", "params.yaml:2: broken YAML: but found another document"),
        ("seed: 1\n? [1]\n: 2\n", "params.yaml:2: broken YAML: found unhashable key"),
        ("seed: 1\narms: &a [*a]\n", "params.yaml:2: broken YAML: an alias stands inside what it stands for"),
        ("arms: &a {b: {c: *a}}\n", "params.yaml:1: broken YAML: an alias stands inside what it stands for"),
        ("arms: \x00\n", "params.yaml: broken YAML: unacceptable character #x0000"),
        ("arms: " + "[" * 5000 + "]" * 5000, "params.yaml: broken YAML: brackets or sections are nested too deep"),
        ("arms: " + "[" * 250 + "]" * 250, "params.yaml: arms holds text that cannot be read: recursion limit exceeded"),
        (bomb("[x]", "[%s]"), "params.yaml: broken YAML: its aliases stand for more than 100,000 values; write them out"),
        (bomb("{k: 1}", "{<<: [%s]}"), "params.yaml: broken YAML: its aliases stand for more than 100,000 values"),
        ("arms: " + "9" * 5000 + "\n", "params.yaml: broken YAML: a value that cannot be read: "),
        ("arms: 2020-13-01\n", "params.yaml: broken YAML: a value that cannot be read: month must be in 1..12"),
        ("arms: !!bool maybe\n", "params.yaml: broken YAML: a value that cannot be read: 'maybe'"),
        ("arms: !!int x\n", "params.yaml: broken YAML: a value that cannot be read: "),
        ('arms: !!float ""\n', "params.yaml: broken YAML: a value that cannot be read: "),
        ("arms: !!set [a]\n", "params.yaml:1: broken YAML: expected a mapping node, but found sequence"),
        ("arms: !!timestamp soon\n", "params.yaml: broken YAML: a value that cannot be read: 'soon' is no date"),
        ("arms: 2020-01-02\n", "params.yaml: arms is datetime.date(2020, 1, 2), of type date: it must be a text"),
        ("arms: 0x" + "f" * 5000 + "\n", "params.yaml: arms is a whole number of 20,000 bits, longer than any number here"),
    ],
    ids=lambda text: text[:40],
)
def test_a_broken_file_is_told_with_its_line(tmp_path, text, words):
    with pytest.raises(InputError) as error:
        load_section("arms", ArmSettings, put(tmp_path, text))
    assert words in str(error.value)


def test_a_file_that_is_not_utf_8_is_told(tmp_path):
    (tmp_path / "params.yaml").write_bytes(b"arms: \xe9\n")
    with pytest.raises(InputError, match="not UTF-8 at byte 7"):
        load_section("arms", ArmSettings, tmp_path / "params.yaml")


def test_a_missing_file_says_from_where_to_run(tmp_path):
    with pytest.raises(InputError, match="params.yaml does not exist.*run from the repository's root"):
        load_section("arms", ArmSettings, tmp_path / "params.yaml")
    with pytest.raises(InputError, match="is no regular file; run from the repository's root"):
        load_section("arms", ArmSettings, tmp_path)


def test_a_top_level_value_is_checked_as_a_field_is(tmp_path):
    path = put(tmp_path, "seed: 1.5\npolicy: basline\n")
    with pytest.raises(InputError, match=r"params.yaml: seed is 1.5: it must be a valid integer"):
        load_value("seed", int, path)
    with pytest.raises(InputError, match="did you mean 'baseline'"):
        load_value("policy", Literal["baseline", "coherence"], path)


# --- profiles ---


def test_a_profile_section_is_that_of_the_profile_named(tmp_path):
    path = put(tmp_path, "profile: small\n")
    put(tmp_path, "model: {depth: 1, name: x}\n", "profiles/small.yaml")
    put(tmp_path, "model: {depth: 2, name: x}\n", "profiles/large.yaml")
    assert load_profile_section("model", Inner, profile_path(path=path)) == Inner(1, "x")
    put(tmp_path, "profile: large\n")
    assert load_profile_section("model", Inner, profile_path(path=path)) == Inner(2, "x")


def test_an_error_in_a_profile_names_the_profile(tmp_path):
    path = put(tmp_path, "profile: small\n")
    put(tmp_path, "model: {depth: deep, name: x}\n", "profiles/small.yaml")
    with pytest.raises(InputError, match=r"profiles/small.yaml: model.depth is 'deep'"):
        load_profile_section("model", Inner, profile_path(path=path))


@pytest.mark.parametrize("name", ["smal", "../params", "small.yaml", ""])
def test_an_unknown_profile_is_told_with_those_there_are(tmp_path, name):
    path = put(tmp_path, f"profile: '{name}'\n")
    put(tmp_path, "model: {depth: 1, name: x}\n", "profiles/small.yaml")
    put(tmp_path, "model: {depth: 2, name: x}\n", "profiles/large.yaml")
    with pytest.raises(InputError, match=r"\(there are: large, small\)"):
        load_profile_section("model", Inner, profile_path(path=path))


def test_a_profile_on_the_command_line_stands_for_the_one_that_params_name(tmp_path):
    path = put(tmp_path, "profile: small\n")
    put(tmp_path, "model: {depth: 1, name: x}\n", "profiles/small.yaml")
    put(tmp_path, "model: {depth: 2, name: x}\n", "profiles/large.yaml")
    assert load_profile_section("model", Inner, profile_path("large", path)) == Inner(2, "x")
    with pytest.raises(InputError, match=r"^--profile is 'larg', and .*; did you mean 'large'\? .there are: large"):
        profile_path("larg", path)


def test_params_without_a_profile_are_told(tmp_path):
    with pytest.raises(InputError, match="'profile' is missing; did you mean 'profil'"):
        profile_path(path=put(tmp_path, "profil: small\n"))


# --- a profile that overrides the method's values ---

DPO = "profile: small\ndpo:\n  learning_rate: 5.0e-5\n  num_train_epochs: 3\n  beta: 0.1\n  loss_type: [sigmoid]\n"
DPO += "  loss_weights: null\n  label_smoothing: 0.0\n  ld_alpha: null\n  global_batch_size: 32\n"
LORA = "  lora: {r: 16, lora_alpha: 32, lora_dropout: 0.0}\n"


def overridden(folder: Path, train: str, params: str = DPO + LORA) -> DpoSettings:
    path = put(folder, params)
    put(folder, train, "profiles/small.yaml")
    return load_overridden_section("dpo", DpoSettings, profile_path(path=path), holder="train", path=path)


def test_a_profile_that_overrides_nothing_leaves_the_method_as_it_is(tmp_path):
    of_the_method = DpoSettings(5e-5, 3, 0.1, ("sigmoid",), None, 0.0, None, 32, LoraSettings(16, 32, 0.0))
    for train in ("train: {min_pairs: 1}\n", "train: {dpo: {}}\n", "train: {dpo: {lora: {}}}\n"):
        assert overridden(tmp_path, train) == of_the_method


def test_a_profile_overrides_single_values_at_any_depth(tmp_path):
    settings = overridden(tmp_path, "train: {dpo: {num_train_epochs: 1, lora: {r: 4}}}\n")
    assert settings == DpoSettings(5e-5, 1, 0.1, ("sigmoid",), None, 0.0, None, 32, LoraSettings(4, 32, 0.0))


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("{learning_rat: 1}", "profiles/small.yaml: train.dpo.learning_rat is unknown; did you mean 'learning_rate'? (known: "),
        ("{lora: {alpha: 1}}", "profiles/small.yaml: train.dpo.lora.alpha is unknown; did you mean 'lora_alpha'? (known: r, "),
        ("{beta: -1}", "profiles/small.yaml: train.dpo.beta is -1: it must be greater than 0"),
        ("{beta: null}", "profiles/small.yaml: train.dpo.beta is null: it must be a valid number"),
        ("{lora: {r: 1.5}}", "profiles/small.yaml: train.dpo.lora.r is 1.5: it must be a valid integer"),
        ("{lora: 16}", "profiles/small.yaml: train.dpo.lora is 16: it must be an object with the keys r, lora_alpha"),
        ("{lora: null}", "profiles/small.yaml: train.dpo.lora is null: it must be an object with the keys r"),
        ("3", "profiles/small.yaml: train.dpo is 3: it must be an object with the keys learning_rate"),
        ("null", "profiles/small.yaml: train.dpo is null: it must be an object with the keys learning_rate"),
    ],
)
def test_a_wrong_override_names_the_key_of_the_profile(tmp_path, override, words):
    with pytest.raises(InputError) as error:
        overridden(tmp_path, f"train: {{dpo: {override}}}\n")
    assert words in str(error.value)


@pytest.mark.parametrize("key", ["learning_rate", "num_train_epochs", "beta", "global_batch_size"])
def test_a_value_that_the_method_lacks_is_an_error_even_where_the_profile_has_it(tmp_path, key):
    params = "".join(line for line in (DPO + LORA).splitlines(True) if key not in line)
    with pytest.raises(InputError) as error:
        overridden(tmp_path, f"train: {{dpo: {{{key}: 1}}}}\n", params)
    assert str(error.value).endswith(f"params.yaml: dpo.{key} is missing; add it")


def test_so_is_a_wrong_value_of_the_method_that_the_profile_overrides(tmp_path):
    with pytest.raises(InputError, match=r"params.yaml: dpo.beta is -1: it must be greater than 0"):
        overridden(tmp_path, "train: {dpo: {beta: 1}}\n", (DPO + LORA).replace("beta: 0.1", "beta: -1"))


def test_a_profile_without_the_section_is_told(tmp_path):
    with pytest.raises(InputError, match=r"profiles/small.yaml: 'train' is missing"):
        overridden(tmp_path, "answer: {max_tokens: 1}\n")


def test_stage_train_reads_both_and_the_section_of_the_profile_has_no_other_keys(tmp_path, monkeypatch):
    put(tmp_path, DPO + LORA)
    put(tmp_path, profile_text(), "profiles/small.yaml")
    monkeypatch.chdir(tmp_path)
    settings = load_training_settings(seed=3, profile=profile_path())
    assert settings.dpo == DpoSettings(0.005, 2, 0.1, ("sigmoid",), None, 0.0, None, 4, LoraSettings(4, 8, 0.0))
    assert (settings.train.min_pairs, settings.seed) == (1, 3)
    put(tmp_path, profile_text({"train.dpo_": 1}), "profiles/small.yaml")
    with pytest.raises(InputError, match=r"profiles/small.yaml: train.dpo_ is unknown"):
        load_training_settings(seed=3, profile=profile_path())


# --- all sections of a file ---


@dataclass(frozen=True)
class Size:
    size: int


OWN, OTHER = (Section("model", Inner), Section("seed", Seed)), (Section("speed", int), Section("data", int))


def faults_of(folder: Path, content: str) -> list[str]:
    path = put(folder, content)
    return [fault.replace(str(path), "params.yaml") for fault in section_faults(path, OWN, OTHER, Path("profiles/small.yaml"))]


def test_a_file_with_its_sections_and_no_other_has_no_fault(tmp_path):
    assert faults_of(tmp_path, "model: {depth: 1, name: x}\nseed: 0\n") == []


def test_every_fault_of_a_file_is_found_at_once(tmp_path):
    assert faults_of(tmp_path, "modell: 1\nspeed: 3\nzzz: 1\nseed: -1\n") == [
        "params.yaml: modell is unknown; did you mean 'model'? (known: model, seed); correct it or remove it",
        "params.yaml: speed belongs in profiles/small.yaml: move it there",
        "params.yaml: zzz is unknown (known: model, seed); correct it or remove it",
        "params.yaml: 'model' is missing; did you mean 'modell'? (the file has: modell, speed, zzz, seed); add it",
        "params.yaml: seed is -1: it must be greater than or equal to 0",
    ]


def test_a_file_that_cannot_be_read_has_that_one_fault(tmp_path):
    (fault,) = faults_of(tmp_path, "model: [1\n")
    assert "broken YAML" in fault


def test_a_section_that_a_profile_overrides_is_told_where_it_goes(tmp_path):
    path = put(tmp_path, "train: {size: 1, dpo: {}}\ndpo: {}\n")
    (fault,) = section_faults(path, [Section("train", Size, "dpo")], [Section("dpo", int)], Path("params.yaml"))
    assert fault.endswith("dpo belongs in params.yaml: move it there; a profile overrides values of it in train.dpo")
