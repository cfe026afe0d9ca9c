"""Whatever text, file or value comes in: no crash, no hang, no wrong type, and time in proportion to length."""

import gc
import json
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from src.core.errors import InputError
from src.core.params import load_section, load_value, parse_yaml
from src.core.records import read_records, to_json, write_records
from src.core.shapes import check_value, is_optional
from src.regime_w.answers import MAX_DIGITS, canonical, cut, extract_answer, parse_number, reasoning
from src.regime_w.arms import ARM_NAMES, ArmSettings
from src.regime_w.evaluation import Evaluation
from src.regime_w.preferences import Pair
from src.regime_w.questions import Question
from src.regime_w.reading import tokens
from src.regime_w.scoring import Rollout
from src.regime_w.texts import PolicyText, Trajectory
from src.regime_w.verdict import ChangedQuestion
from src.training.pairs import TrainingPair
from tests.faults.targets import (
    KINDS,
    PARAMS,
    PROFILE_PLACES,
    check_answers,
    check_params,
    check_profile,
    check_records,
    check_scores,
)

pytestmark = pytest.mark.slow  # half a minute of examples

# The same examples in every run. A deadline of its own for each would fail on a busy machine; `within` is for hangs.
CHECK = settings(
    derandomize=True, database=None, deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """TimeoutError in the midst of what takes longer, in a regular expression too."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"not done after {seconds} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# --- answers ---

ANYTHING = st.text(st.characters(exclude_categories=()), max_size=40)  # control signs and lone surrogates too
PIECES = [
    "#", "####", "Answer:", "answer", "**Final answer:** ", "Question:", "\nQ 3:", "</s>", "<|im_end|>", "\n", "\r\n", " ",
    "\t",
    "1", "12", "1,000", "1 000", ".5", "7.", "1/3", "2 1/2", "-", "+", "−", "$", "%", "=", "(", ")", "[", "{", "}",
    "\\frac{", "}{",
    "\\boxed{", "\\text{", "\\times 10^", "^{", "e9", "×", "½", "²", "\u200b", "\u202e", "\u0663", " or ", " and a half",
    " million",
    " apples", "x", "*", "_", ":", "…", "≈", "not ", "more than ",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES) | ANYTHING, max_size=25).map("".join)
NUMBERS = (
    st.builds(Fraction, st.integers(-(10**30), 10**30), st.sampled_from([1, 2, 8, 10**9, 3, 7, 999, 10**40])) | st.fractions()
)


@settings(CHECK, max_examples=1000)
@given(TEXTS)
def test_any_text_is_read_and_scored(text: str):
    with within(10):
        check_answers(text)


@CHECK
@given(NUMBERS)
def test_a_number_written_is_the_number_read_and_is_written_the_same_again(number: Fraction):
    written = canonical(number)
    assume(sum(sign.isdigit() for sign in written) <= MAX_DIGITS)
    assert parse_number(written) == number
    assert canonical(parse_number(written)) == written


@settings(CHECK, max_examples=500)
@given(TEXTS, NUMBERS, st.sampled_from(["Answer: {}", "#### {}", "**Answer:** {}.", "Final answer: ${}$", "Answer:\n{} apples"]))
def test_an_answer_behind_any_text_is_read_if_nothing_there_speaks_against_it(before: str, number: Fraction, line: str):
    last = line.format(canonical(number))
    text = f"{before}\n{last}"
    if not cut(text).endswith(last):
        assert extract_answer(text) == extract_answer(before)  # the text had ended before
    elif "####" not in text or ("####" in last and "answer" not in before.lower()):
        assert extract_answer(text) == number
    else:  # markers of both kinds may stand there, and must agree
        assert extract_answer(text) in (number, None)


@CHECK
@given(NUMBERS, NUMBERS)
def test_two_kinds_of_marker_are_an_answer_where_they_agree(one: Fraction, other: Fraction):
    text = f"#### {canonical(one)}\nAnswer: {canonical(other)}"
    assert extract_answer(text) == (one if one == other else None)
    assert extract_answer(f"#### {canonical(one)}\nAnswer: {canonical(one)}") == one


@CHECK
@given(st.integers(-(10**15), 10**15), st.integers(0, 3))
def test_one_value_has_many_dresses(number: int, zeros: int):
    grouped = f"{number:,}" + (f".{'0' * zeros}" if zeros else "")
    for dress in ("{}", "${}", "{}%", "**{}**", "\\boxed{{{}}}", "({})", "{} apples", "x = {}", "{}/1", "\u200b{}\ufeff"):
        text = dress.format(grouped)
        if "/" in dress and zeros:
            continue
        assert parse_number(text) == number, text


@CHECK
@given(st.characters(categories=["Nd", "Nl", "No"], exclude_characters="0123456789¼½¾⅐⅑⅒⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞⁰¹²³⁴⁵⁶⁷⁸⁹"))
def test_digits_of_other_scripts_are_no_number_nor_a_part_of_one(digit: str):
    for text in (digit, f"1{digit}", f"{digit}1", f"7 {digit}", f"-{digit}.5"):
        assert parse_number(text) is None
        assert extract_answer(f"Answer: {text}") is None


@pytest.mark.parametrize("space", ["\u2009", " \u202f", "\x7f", "\u202d", "\u2066"])
def test_a_minus_counts_through_narrow_spaces_and_signs_that_cannot_be_seen(space: str):
    assert parse_number(f"-{space}5") == extract_answer(f"Answer: -{space}$5") == -5


@CHECK
@given(NUMBERS, st.characters(categories=["Cc", "Cf", "Cs", "Co", "Cn"]), st.integers(0, 80))
def test_a_sign_that_cannot_be_seen_makes_no_other_number(number: Fraction, sign: str, place: int):
    written = canonical(number)
    place = min(place, len(written))
    assert parse_number(written[:place] + sign + written[place:]) in (number, None)


@CHECK
@given(st.dictionaries(st.sampled_from(ARM_NAMES), TEXTS))
def test_scores_of_any_eleven_texts_are_in_range(texts: dict[str, str]):
    check_scores(texts)


# --- time in proportion to length ---

FAMILIES = [
    *((head, piece) for head in ("", "Answer: ") for piece in ("1", "1,", "1,000,", "1/", "1 ", " ", "(", "=", "-")),
    *((head, piece) for head in ("Q", "final", "answer", "\n####") for piece in (" ", "\t", "*", "_")),
    *(("Answer: ", piece) for piece in ("\\boxed{", "\\frac{1}{", "\\text{", "{", "[", "\\", "½", "²", "\u200b", "e", "x*")),
    *(("", piece) for piece in ("Answer: 1 ", "answer ", "final ", "#### 1", "#### ", "Answer", "**Answer**", "Question", "Q:")),
    *(("", piece) for piece in ("\nanswer", "\nfinal answer", "\n", "\r", "\r\n", "\n>", "\n#### 1\nAnswer: 1", "</", "<|im")),
]  # fmt: skip


def grows_in_proportion(work: Callable[[str], object], make: Callable[[int], str], size: int) -> bool:
    """Whether eight times the input takes less than 24 times as long: quadratic work would take 64 times.

    The minimum of a few measurements of this process's own time; another process can only make one of them longer.
    """
    texts, shortest = (make(size), make(8 * size)), [float("inf"), float("inf")]
    gc.disable()  # Python's collector looks at all that lives, whoever made it
    try:
        for _ in range(6):
            for i, text in enumerate(texts):
                start = time.process_time()
                with within(60):
                    work(text)
                shortest[i] = min(shortest[i], time.process_time() - start)
            # Of what is over in a few milliseconds the clock tells little.
            if shortest[1] < max(24 * shortest[0], 0.02):
                return True
        return False
    finally:
        gc.enable()


@pytest.mark.parametrize(("head", "piece"), FAMILIES)
def test_reading_a_megabyte_takes_eight_times_as_long_as_an_eighth_of_it(head: str, piece: str):
    def read(text: str) -> None:
        extract_answer(text), reasoning(text), parse_number(text), tokens(text)

    assert grows_in_proportion(read, lambda size: head + piece * (size // len(piece)), 125_000)


@pytest.mark.slow
@settings(CHECK, max_examples=10)
@given(TEXTS.filter(bool))
def test_a_megabyte_of_any_text_is_read(text: str):
    text *= 1_000_000 // len(text)
    with within(30):
        extract_answer(text), reasoning(text), parse_number(text), tokens(text)


def test_the_measure_itself_tells_quadratic_work():
    def quadratic(text: str) -> int:
        return sum(text.count("b") for _ in range(0, len(text), 100))

    assert not grows_in_proportion(quadratic, lambda size: "a" * size, 30_000)


LONG_LINES = {
    "one key twice, among many": lambda size: "{" + ",".join(f'"{i}":0' for i in range(size // 10)) + ',"0":0,"0":1}',
    "many keys twice": lambda size: "{" + ",".join(f'"{i}":0' for i in [*range(size // 20), *range(size // 20)]) + "}",
    "the last key twice": lambda size: "{" + ",".join(f'"{i}":0' for i in range(size // 10)) + f',"{size // 10 - 1}":1}}',
    "many unknown keys": lambda size: "{" + ",".join(f'"{i}":0' for i in range(size // 10)) + "}",
    "brackets": lambda size: "[" * size,
    "a list": lambda size: "[" + "1," * (size // 2) + "1]",
    "digits": lambda size: '{"id":' + "9" * size + "}",
    "a long text": lambda size: '{"id":"' + "a" * size + '"}',
    "escapes": lambda size: '{"id":"' + "\\u0041" * (size // 6) + '"}',
    "line ends": lambda size: "\n" * size,
    "objects on lines": lambda size: "{}\n" * (size // 3),
}


@pytest.mark.parametrize("family", LONG_LINES)
def test_reading_records_takes_time_in_proportion_to_length(scratch, family):
    assert grows_in_proportion(
        lambda text: check_records(text.encode(), Question, scratch / "x.jsonl"), LONG_LINES[family], 125_000
    )


# --- records ---

TEXT = st.text(max_size=20)
FILLED = TEXT.filter(lambda text: text.strip())
GOLD = NUMBERS.map(canonical)
SHARE, NUMBER = st.floats(0, 1), st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63) + 1, 2**63 - 1)
INTEGER, COUNT = st.integers(-(2**63) + 1, 2**63 - 1), st.integers(0, 2**63 - 1)
ARM, FINISH = st.sampled_from(ARM_NAMES), st.sampled_from(["stop", "length"])
WRITTEN = {"text": TEXT, "n_tokens": COUNT, "finish_reason": FINISH}
SAMPLED = {"seed": INTEGER, "temperature": st.floats(0, 1e300), "prompt": TEXT} | WRITTEN
SCORED = SAMPLED | {"answer": st.none() | TEXT, "correct": st.booleans(), "conciseness": SHARE, "alignment": SHARE}
SCORED |= {"end": SHARE, "cf": SHARE} | dict.fromkeys(("path", "quality", "reward"), st.floats(0, 1e300))
ELEVEN = st.tuples(*(st.fixed_dictionaries({"arm_name": st.just(name)} | SCORED) for name in ARM_NAMES)).map(list)


def sampled_texts(temperature: float, written: list[dict]) -> list[dict]:
    """Of a question, as many as are written."""
    return [{"sample": number, "temperature": temperature} | one for number, one in enumerate(written)]


def sampled_evaluation(temperature: float, answers: list[str | None]) -> dict:
    """What a question's texts with these answers come to where the gold is 2 and a tie goes to the 3."""
    votes = {answer: answers.count(answer) for answer in ("3", "2") if answer in answers}
    majority = max(votes, key=votes.__getitem__, default=None)
    return {
        "samples": len(answers),
        "temperature": temperature,
        "right": votes.get("2", 0),
        "unparsed": answers.count(None),
        "majority": majority,
        "votes": votes.get(majority, 0),
        "correct": majority == "2",
    }


TEMPERATURE = st.floats(1e-300, 1e300)
SAMPLED_TEXTS = st.builds(sampled_texts, TEMPERATURE, st.lists(st.fixed_dictionaries(WRITTEN), min_size=1, max_size=4))
GRADED_SAMPLES = st.builds(sampled_evaluation, TEMPERATURE, st.lists(st.sampled_from(["2", "3", None]), min_size=1, max_size=9))
# Records as JSON has them.
RECORDS = {
    Question: st.fixed_dictionaries(
        {"id": FILLED, "question": FILLED, "answer": TEXT, "gold": GOLD},
        optional={"kind": FILLED, "restated": TEXT, "altered": TEXT, "altered_answer": TEXT, "cleaning_status": st.none() | TEXT},
    ),
    Trajectory: st.fixed_dictionaries({"question_id": FILLED, "arm_name": ARM} | SAMPLED),
    Rollout: st.fixed_dictionaries(
        {"question_id": FILLED, "question": FILLED, "gold": GOLD, "s_end": SHARE, "s_path": NUMBER, "s_cf": SHARE}
        | {"consensus": st.none() | TEXT, "trajectories": ELEVEN}
    ),
    Pair: st.fixed_dictionaries(
        {"question_id": FILLED, "question": FILLED, "prompt": FILLED, "chosen": TEXT, "rejected": TEXT}
        | {"pair_type": st.sampled_from(["correctness", "consensus", "coherence"]), "chosen_arm": ARM, "rejected_arm": ARM}
        | {"chosen_reward": NUMBER, "rejected_reward": NUMBER}
    ),
    TrainingPair: st.fixed_dictionaries({"prompt": FILLED, "chosen": TEXT, "rejected": TEXT}),
    PolicyText: st.fixed_dictionaries({"id": FILLED} | WRITTEN, optional={"sampled": SAMPLED_TEXTS}),
    Evaluation: st.fixed_dictionaries(
        {"id": FILLED, "question": FILLED, "gold": GOLD, "answer": st.none() | TEXT, "correct": st.booleans()} | WRITTEN,
        optional={"sampled": GRADED_SAMPLES},
    ),
    ChangedQuestion: st.fixed_dictionaries(
        {"id": FILLED, "change": st.sampled_from(["fixed", "broken"]), "question": FILLED, "gold": GOLD}
        | {"baseline_text": TEXT, "coherence_text": TEXT}
    ),
}
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANYTHING | st.just(10**400),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANYTHING, inner, max_size=4),
    max_leaves=12,
)


def as_read(value: object, raw: object) -> bool:
    """Whether `value` is what JSON's `raw` stands for: of a float's type where a whole number was given for one."""
    if isinstance(raw, dict):
        return all(as_read(value.get(key), raw[key]) for key in raw)
    if isinstance(raw, list):
        return all(as_read(one, other) for one, other in zip(value, raw, strict=True))
    return json.dumps(value) == json.dumps(raw) or (type(value) is float and type(raw) is int and value == float(raw))


@pytest.mark.parametrize("kind", KINDS)
@settings(CHECK, max_examples=40)
@given(data=st.data())
def test_good_records_are_read_as_they_were_written(scratch: Path, kind: type, data: st.DataObject):
    identity = (lambda record: tuple(record[key] for key in kind.IDENTITY)) if kind.IDENTITY else None
    raw = data.draw(st.lists(RECORDS[kind], min_size=1, max_size=3, unique_by=identity))
    path = scratch / "x.jsonl"
    records = [check_value(kind, record) for record in raw]
    assert as_read([to_json(record) for record in records], raw)
    write_records(path, kind, records)
    again = read_records(path, kind)
    # As texts, so that 1 and 1.0, or -0.0 and 0, are two.
    assert [json.dumps(to_json(record)) for record in again] == [json.dumps(to_json(record)) for record in records]


@pytest.mark.parametrize("kind", KINDS)
@settings(CHECK, max_examples=100)
@given(data=st.data())
def test_a_good_record_with_any_value_put_in_is_reported_by_its_key_or_taken(scratch: Path, kind: type, data: st.DataObject):
    good = data.draw(RECORDS[kind])
    key, value = data.draw(st.sampled_from(sorted(good))), data.draw(JSON_VALUES)
    changed = good | {key: value}
    raw = json.dumps(changed).encode()
    path = scratch / "x.jsonl"
    optional = {item.name for item in fields(kind) if is_optional(item)}
    with within(10):
        check_records(raw + b"\n", kind, path)
        path.write_bytes(raw)
        try:
            kept = {key for key in changed if key not in optional or changed[key] is not None}
            assert to_json(read_records(path, kind)[0]).keys() == kept
        except InputError as error:
            # What is no JSON, such as NaN, is reported before any key is looked at. One list is held to more than its type.
            message = str(error)
            named = re.search(rf"key ['\"]{key}\b", message) or (key == "trajectories" and key in message)
            assert named or "NaN" in raw.decode() or "Infinity" in raw.decode() or "twice" in message


@settings(CHECK, max_examples=500)
@given(st.sampled_from(KINDS), st.lists(st.binary(max_size=60) | JSON_VALUES.map(lambda v: json.dumps(v).encode()), max_size=4))
@example(Question, [b'{"id": "\xff"}'])
@example(ChangedQuestion, [])
@example(TrainingPair, [])
def test_any_bytes_are_records_or_an_error_that_names_the_line(scratch: Path, kind: type, lines: list[bytes]):
    with within(10):
        check_records(b"\n".join(lines), kind, scratch / "x.jsonl")


@pytest.mark.parametrize("inside", ['{{"id": {}}}', '{{"trajectories": [{{"arm_name": {}}}]}}', "{}"])
@pytest.mark.parametrize(("opens", "closes"), [("[", "]"), ('{"a":', "}")])
def test_brackets_nested_to_any_depth_are_reported(scratch: Path, inside: str, opens: str, closes: str):
    """Up to Python's limit of a thousand and past it: what can just be read must be reported as well."""
    for depth in [*range(1, 900, 100), *range(900, 1010), 100_000]:
        raw = inside.format(opens * depth + "0" + closes * depth)
        check_records(raw.encode(), Rollout, scratch / "x.jsonl")


# --- params and profiles ---

SCALARS = st.sampled_from(
    [
        "1e-5", "1E5", ".5", "-.inf", ".nan", "0x1F", "0o17", "0b11", "1_000", "~", "yes", "null", "''", "[]", "{}",
        "2001-01-01", "1:30",
        "2001-99-99", "2001-01-01T99:00:00Z", "2001-01-01T00:00:00+99:00", "0x_", "0o_", "0b_", "-_", "0x" + "f" * 5000,
        "9" * 5000,
        "!!int abc", "!!float abc", "!!bool abc", "!!timestamp abc", "!!binary abc", "!!str 1", "!!set {a}", "!!omap [a]",
        "!x 1",
        '"\\U00110000"', '"\\ud800"', "&a [*a]", "*a", "<<: 1", "? [a]", "|\n a", "- 1", "a: 1", "%", "@", "`", "\x00",
        "\x7f", "\ufeff",
        "[" * 1100, "{? {a: 1} : 2}", "{0x" + "f" * 5000 + ": 1}", "[[[[[[[[[[]]]]]]]]]]",
    ]
)  # fmt: skip
ARMS = parse_yaml(Path("params.yaml").read_text())["arms"]
YAML_TEXTS = SCALARS | JSON_VALUES.map(json.dumps) | ANYTHING
ALIASES = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 15)
)


def utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


@settings(CHECK, max_examples=400)
@given(st.sampled_from(list(PARAMS)), st.binary(max_size=60) | st.lists(YAML_TEXTS, max_size=4).map("\n".join).map(utf8))
def test_any_params_file_is_taken_with_the_right_types_or_reported(scratch: Path, name: str, text: bytes):
    with within(20):
        check_params(text, name, scratch / "params.yaml")


@pytest.mark.parametrize("name", PARAMS)
@settings(CHECK, max_examples=60)
@given(value=YAML_TEXTS)
def test_any_value_of_a_section_is_taken_with_the_right_type_or_reported(scratch: Path, name: str, value: str):
    with within(20):
        check_params(utf8(f"{name}: {value}\n"), name, scratch / "params.yaml")


@pytest.mark.slow
@settings(CHECK, max_examples=300)
@given(st.sampled_from(PROFILE_PLACES), YAML_TEXTS.map(lambda text: text.encode("utf-8", "replace").decode()))
def test_a_profile_with_any_value_put_in_is_taken_with_the_right_type_or_reported_by_its_key(
    scratch: Path, place: tuple, value: str
):
    with within(20):
        check_profile(place, value, scratch / "profile.yaml")


@pytest.mark.parametrize("name", PARAMS)
def test_a_few_lines_of_aliases_that_stand_for_a_trillion_values_are_reported_at_once(scratch: Path, name: str):
    with within(20):
        check_params(utf8(f"{ALIASES}{name}: *a14\n"), name, scratch / "params.yaml")
        check_params(utf8(f"{ALIASES}{name}: {{levels: *a14}}\n"), name, scratch / "params.yaml")


@CHECK
@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([repr, "{:e}".format, "{:.17g}".format, "{:E}".format]))
def test_a_number_is_the_same_number_however_dvc_or_a_hand_writes_it(scratch: Path, number: float, write: Callable[[float], str]):
    path = scratch / "params.yaml"
    path.write_text(f"rate: {write(number)}\n")
    read = load_value("rate", float, path)
    assert type(read) is float and read == float(write(number))


@CHECK
@given(st.lists(st.floats(0, 5, exclude_min=True).map(lambda x: round(x, 4)).filter(bool), min_size=4, max_size=4))
def test_a_section_of_good_values_arrives_as_written(scratch: Path, temperatures: list[float]):
    path = scratch / "params.yaml"
    path.write_text(json.dumps({"arms": ARMS | {"variance_temperatures": temperatures}}))
    assert load_section("arms", ArmSettings, path).variance_temperatures == tuple(temperatures)
