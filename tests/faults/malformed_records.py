"""Malformed records and metrics: every input of every stage that is one of our own files."""

import gzip
import json
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.faults.breaking import (
    LACKING,
    NOT_READABLE,
    PROFILE,
    RUN,
    Break,
    Case,
    both,
    changed,
    folder_instead,
    line,
    link_instead,
    metric,
    overwritten,
    pipe_instead,
    record,
    replaced,
    setting,
    without,
)

# --- JSON Lines: every input of every stage, broken in every way ---


@dataclass(frozen=True)
class Lines:
    """An input of a stage: a file of at least two records, and of them a key of text and a key of another kind of record."""

    stage: str
    path: str
    text_key: str
    other_kind: str  # a file of records of another kind
    of_other_kind: str = "is unknown"  # what is wrong with those


LINES = [
    Lines("base", "data/train.jsonl", "question", "data/trajectories.jsonl"),
    Lines("sample", "data/train.jsonl", "question", "data/coherence_preferences.jsonl"),
    Lines("rollouts", "data/train.jsonl", "answer", "outputs/baseline_eval.jsonl"),
    Lines("rollouts", "data/trajectories.jsonl", "text", "data/train.jsonl", "is missing; add it"),
    Lines("prefs", "data/regime_w_rollouts.jsonl", "question", "data/trajectories.jsonl", "is missing; add it"),
    Lines("train", "data/training_pairs.jsonl", "chosen", "data/regime_w_rollouts.jsonl"),
    Lines("answer baseline", "data/test.jsonl", "question", "outputs/baseline_eval.jsonl"),
    Lines("answer coherence", "data/test.jsonl", "gold", "data/trajectories.jsonl"),
    Lines("eval baseline", "data/test.jsonl", "question", "outputs/baseline_answers.jsonl"),
    Lines("eval baseline", "outputs/baseline_answers.jsonl", "text", "data/test.jsonl"),
    Lines("eval coherence", "data/test.jsonl", "answer", "data/coherence_preferences.jsonl"),
    Lines("eval coherence", "outputs/coherence_answers.jsonl", "text", "outputs/coherence_eval.jsonl"),
    Lines("compare", "outputs/baseline_eval.jsonl", "text", "data/test.jsonl"),
    Lines("compare", "outputs/coherence_eval.jsonl", "text", "data/train.jsonl"),
]
REPAIR = "Repair the line, or run the stage"
# Of a kind whose records may stand twice, and of which a file may hold none: training pairs alone.
NO_IDENTITY = "data/training_pairs.jsonl"


def value(raw: bytes, key: str) -> Callable[[bytes], bytes]:
    """A line in which the value of a key of text is other JSON."""
    mark = "\ue000"

    def change(text: bytes) -> bytes:
        return json.dumps(json.loads(text) | {key: mark}).encode().replace(b'"\\ue000"', raw)

    return change


def lines_cases(lines: Lines) -> Iterator[Case]:
    path, key = lines.path, lines.text_key

    def case(name: str, breaks: Break, cause: str, cure: str, number: int | None = 2) -> Case:
        if lines.stage == "base":
            breaks = both(breaks, setting(PROFILE, "base.source", "sandbox"))
        return Case(f"{path}: {name}", lines.stage, breaks, f"{path}:{number}" if number else path, cause, cure)

    def at_line_2(name: str, change: Callable[[bytes], bytes], cause: str, cure: str = REPAIR) -> Case:
        return case(name, line(path, 2, change), cause, cure)

    yield at_line_2("a line cut short", lambda text: text[: len(text) // 2], "not JSON")
    yield at_line_2("a blank line", lambda text: b"", "the line is blank")
    yield at_line_2("NUL bytes", lambda text: bytes(8) + text, "not JSON")
    yield at_line_2("two records on a line", lambda text: text + text, "Extra data")
    yield at_line_2("a comment", lambda text: b"# " + text, "not JSON")
    yield at_line_2("a byte that is no UTF-8", lambda text: b"\xff" + text, "not UTF-8: byte 1 is 0xff")
    yield at_line_2("a character cut in two", lambda text: text[:-1] + b', "\xc3', "not UTF-8")
    yield at_line_2("NaN", value(b"NaN", key), "NaN is not a number that JSON knows")
    yield at_line_2("Infinity", value(b"-Infinity", key), "-Infinity is not a number that JSON knows")
    yield at_line_2("5,000 digits", value(b"9" * 5000, key), "a number of 5000 digits")
    yield at_line_2("deep brackets", value(b"[" * 9000 + b"]" * 9000, key), "nested too deep")
    yield at_line_2("a key twice", lambda text: b'{"' + key.encode() + b'": "x", ' + text[1:], f"key '{key}' stands twice")
    yield at_line_2("single quotes", lambda text: text.replace(b'"', b"'"), "not JSON")
    yield at_line_2("an array", lambda text: b"[" + text + b"]", "not a JSON object", NOT_READABLE)
    yield at_line_2("a bare text", lambda text: b'"text"', "not a JSON object", NOT_READABLE)
    yield at_line_2("null", lambda text: b"null", "holds None, not a JSON object", NOT_READABLE)
    yield at_line_2("a number for a text", value(b"1e999", key), f"key '{key}' is inf: it must be a valid string", NOT_READABLE)
    yield at_line_2("brackets for a text", value(b"[" * 90 + b"]" * 90, key), f"key '{key}' is [", NOT_READABLE)
    yield at_line_2("half a surrogate pair", value(b'"\\ud83d"', key), "half a surrogate pair", NOT_READABLE)
    yield at_line_2("null for a text", value(b"null", key), f"key '{key}' is null: it must be a valid string", NOT_READABLE)
    yield case("a key is missing", record(path, 2, **{key: LACKING}), f"key '{key}' is missing", NOT_READABLE)
    yield case("an unknown key", record(path, 2, golden=1), "key 'golden' is unknown", NOT_READABLE)
    if path != NO_IDENTITY:
        twice = changed(path, lambda c: c.splitlines(True)[0] + c)
        yield case("a record twice", twice, "stands on line 1 already", NOT_READABLE)
    yield case("the file cut short", changed(path, lambda c: b"".join(c.splitlines(True)[:2])[:-9]), "not JSON", REPAIR)
    yield case("a byte order mark", changed(path, lambda c: b"\xef\xbb\xbf" + c), "save it as UTF-8 without one", REPAIR, 1)
    yield case("UTF-16", changed(path, lambda c: c.decode().encode("utf-16")), "not UTF-8: byte 1", REPAIR, 1)
    yield case("UTF-16 without a mark", changed(path, lambda c: c.decode().encode("utf-16-be")), "not JSON", REPAIR, 1)
    yield case("gzip", changed(path, gzip.compress), "not UTF-8: byte 2 is 0x8b", REPAIR, 1)
    yield case("a pickle", overwritten(path, pickle.dumps([1])), "not UTF-8", REPAIR, 1)
    yield case("one array", changed(path, lambda c: b"[" + c.replace(b"\n", b",\n") + b"{}]"), "not JSON", REPAIR, 1)
    yield case("white space alone", overwritten(path, b"  \n\n"), "the line is blank", REPAIR, 1)
    yield case("a folder", folder_instead(path), "is a folder, not a file", RUN, None)
    yield case("a pipe", pipe_instead(path), "is no regular file", RUN, None)
    yield case("a link to nothing", link_instead(path, "nowhere"), "a link to nowhere, which leads to no file", RUN, None)
    yield case("a link to itself", link_instead(path, Path(path).name), "which leads to no file", RUN, None)
    yield case("a disk that fails", link_instead(path, "/proc/self/mem"), "Input/output error", "the disk fails", None)
    yield case("no such file", without(path), "does not exist", RUN, None)
    yield Case(
        f"{path}: another stage's records",
        lines.stage,
        both(
            lambda folder: (folder / path).write_bytes((folder / lines.other_kind).read_bytes()) and None,
            setting(PROFILE, "base.source", "sandbox"),
        ),
        f"{path}:1",
        lines.of_other_kind,
        NOT_READABLE,
    )
    if path != NO_IDENTITY:  # no pair at all may be what a base gives
        yield case("an empty file", overwritten(path, b""), "is empty", "run the stage that writes it again", None)


# --- single values of records ---


def value_cases() -> Iterator[Case]:
    def case(stage: str, path: str, key: str, wrong: Any, cause: str) -> Case:
        return Case(f"{path}: {key} = {wrong!r:.40}", stage, record(path, 2, **{key: wrong}), f"{path}:2", cause, NOT_READABLE)

    train, test, trajectories = "data/train.jsonl", "data/test.jsonl", "data/trajectories.jsonl"
    rollouts, pairs = "data/regime_w_rollouts.jsonl", "data/training_pairs.jsonl"
    answers, evaluation = "outputs/coherence_answers.jsonl", "outputs/coherence_eval.jsonl"
    integer, number, text, boolean = (f"it must be a valid {kind}" for kind in ("integer", "number", "string", "boolean"))
    pattern, not_less_0, ends = "it must match pattern", "it must be greater than or equal to 0", "it must be 'stop' or 'length'"
    yield case("sample", train, "id", "", "key 'id' is '': it must not be blank")
    yield case("sample", train, "id", 7, f"key 'id' is 7: {text}")
    yield case("sample", train, "question", " \n", "key 'question' is ' \\n': it must not be blank")
    yield case("rollouts", train, "gold", "many", f"key 'gold' is 'many': {pattern}")
    yield case("rollouts", train, "gold", "1/0", f"key 'gold' is '1/0': {pattern}")
    yield case("rollouts", train, "gold", 12, f"key 'gold' is 12: {text}")
    yield case("rollouts", train, "in_platinum", True, "of the keys gsm8k_gold, in_platinum it has in_platinum")
    yield case("answer baseline", test, "gold", "", f"key 'gold' is '': {pattern}")
    yield case("answer baseline", test, "gsm8k_gold", "12", "of the keys gsm8k_gold, in_platinum it has gsm8k_gold")
    yield case("eval baseline", test, "gold", "", f"key 'gold' is '': {pattern}")
    yield case("eval baseline", test, "gsm8k_gold", "12", "of the keys gsm8k_gold, in_platinum it has gsm8k_gold")
    yield case("eval coherence", answers, "id", " ", "key 'id' is ' ': it must not be blank")
    yield case("eval coherence", answers, "text", 18, f"key 'text' is 18: {text}")
    yield case("eval coherence", answers, "n_tokens", -1, f"key 'n_tokens' is -1: {not_less_0}")
    yield case("eval coherence", answers, "n_tokens", 2**63, "key 'n_tokens' is 9223372036854775808: it must be less than")
    yield case("eval coherence", answers, "finish_reason", "eos", f"key 'finish_reason' is 'eos': {ends}")
    yield case("rollouts", trajectories, "arm_name", "wolfram_4", "key 'arm_name' is 'wolfram_4': it must be 'wolfram_0'")
    yield case("rollouts", trajectories, "arm_name", ["wolfram_1"], "key 'arm_name' is ['wolfram_1']: it must be")
    yield case("rollouts", trajectories, "seed", 42.5, f"key 'seed' is 42.5: {integer}")
    yield case("rollouts", trajectories, "seed", True, f"key 'seed' is True: {integer}")
    yield case("rollouts", trajectories, "seed", 10**400, "it must be less than 9223372036854775808")
    yield case("rollouts", trajectories, "temperature", -0.2, f"key 'temperature' is -0.2: {not_less_0}")
    yield case("rollouts", trajectories, "temperature", "0.2", f"key 'temperature' is '0.2': {number}")
    yield case("rollouts", trajectories, "temperature", 10**400, "it must be a finite number")
    yield case("rollouts", trajectories, "n_tokens", -1, f"key 'n_tokens' is -1: {not_less_0}")
    yield case("rollouts", trajectories, "n_tokens", 4.0, f"key 'n_tokens' is 4.0: {integer}")
    yield case("rollouts", trajectories, "finish_reason", "eos", f"key 'finish_reason' is 'eos': {ends}")
    yield case("prefs", rollouts, "s_end", 1.5, "key 's_end' is 1.5: it must be less than or equal to 1")
    yield case("prefs", rollouts, "s_path", None, f"key 's_path' is null: {number}")
    yield case("prefs", rollouts, "s_cf", -0.5, f"key 's_cf' is -0.5: {not_less_0}")
    yield case("prefs", rollouts, "consensus", 5, f"key 'consensus' is 5: {text}")
    yield case("prefs", rollouts, "trajectories", {}, "key 'trajectories' is {}: it must be a valid array")
    yield case("prefs", rollouts, "trajectories", [], "has 0 trajectories, by none")
    yield case("train", pairs, "prompt", "", "key 'prompt' is '': it must not be blank")
    yield case("train", pairs, "rejected", 3, f"key 'rejected' is 3: {text}")
    yield case("train", pairs, "chosen_reward", 1.0, "key 'chosen_reward' is unknown")
    yield case("compare", evaluation, "finish_reason", "other", f"key 'finish_reason' is 'other': {ends}")
    yield case("compare", evaluation, "correct", 1, f"key 'correct' is 1: {boolean}")
    yield case("compare", evaluation, "correct", None, f"key 'correct' is null: {boolean}")
    yield case("compare", evaluation, "answer", 18, f"key 'answer' is 18: {text}")
    yield case("compare", evaluation, "n_tokens", "4", f"key 'n_tokens' is '4': {integer}")
    yield case("compare", evaluation, "kind", " ", "key 'kind' is ' ': it must not be blank")
    yield case("compare", evaluation, "gsm8k_correct", True, "it has gsm8k_correct, but all records")


def arms_of(number: int, change: Callable[[list], list]) -> Break:
    """The rollouts record on that line with its trajectories changed."""

    def change_line(text: bytes) -> bytes:
        kept = json.loads(text)
        return json.dumps(kept | {"trajectories": change(kept["trajectories"])}).encode()

    return line("data/regime_w_rollouts.jsonl", number, change_line)


def swapped(items: list) -> list:
    return [items[1], items[0], *items[2:]]


def files_that_do_not_fit() -> Iterator[Case]:
    rollouts, trajectories = "data/regime_w_rollouts.jsonl", "data/trajectories.jsonl"
    one, other = "outputs/baseline_eval.jsonl", "outputs/coherence_eval.jsonl"
    rerun = "run `dvc repro` for both"
    order = "it must be the 11 arms in this order: wolfram_0"

    def shortened(path: str) -> Break:
        return changed(path, lambda content: b"".join(content.splitlines(True)[:-1]))

    yield Case("an arm is missing", "prefs", arms_of(2, lambda arms: arms[:-1]), f"{rollouts}:2", "has 10 trajectories", order)
    yield Case("arms out of order", "prefs", arms_of(2, swapped), f"{rollouts}:2", "by wolfram_1, wolfram_0", order)
    yield Case("eight arms, as of old", "prefs", arms_of(2, lambda arms: arms[:8]), f"{rollouts}:2", "has 8 trajectories", order)
    yield Case("an arm twice", "prefs", arms_of(2, lambda a: [*a[:-1], a[0]]), f"{rollouts}:2", "maudlin_3", order)
    yield Case(
        "an arm without its reward",
        "prefs",
        arms_of(1, lambda arms: [{k: v for k, v in arms[0].items() if k != "reward"}, *arms[1:]]),
        f"{rollouts}:1",
        "key 'trajectories[0].reward' is missing",
        NOT_READABLE,
    )
    for key, wrong in (("arm_name", "nobody"), ("reward", "1.0")):
        yield Case(
            f"an arm with {key} = {wrong!r}",
            "prefs",
            arms_of(1, lambda arms, key=key, wrong=wrong: [arms[0] | {key: wrong}, *arms[1:]]),
            f"{rollouts}:1",
            f"key 'trajectories[0].{key}' is {wrong!r}: it must be",
            NOT_READABLE,
        )
    yield Case(
        "an arm that is a text",
        "prefs",
        arms_of(1, lambda arms: ["x", *arms[1:]]),
        f"{rollouts}:1",
        "key 'trajectories[0]' is 'x': it must be an object with the keys arm_name",
        NOT_READABLE,
    )
    yield Case(
        "a trajectory is missing",
        "rollouts",
        shortened(trajectories),
        trajectories,
        "missing ['maudlin_cf1']",
        "dvc repro sample",
    )
    yield Case(
        "a trajectory of no question",
        "rollouts",
        changed(trajectories, lambda c: c.replace(b'"question_id": "sandbox-train-00001"', b'"question_id": "gone"')),
        trajectories,
        "question gone is not in data/train.jsonl",
        "dvc repro sample",
    )
    yield Case(
        "a question that has been sampled is gone",
        "rollouts",
        changed("data/train.jsonl", lambda content: b"".join(content.splitlines(True)[1:])),
        trajectories,
        "is not in data/train.jsonl",
        "dvc repro sample",
    )
    yield Case(
        "a question that was another when it was sampled",
        "rollouts",
        record("data/train.jsonl", 1, question="Ann has 2 pens. How many has she?"),
        trajectories,
        "question sandbox-train-00000 was asked in other words than data/train.jsonl has",
        "dvc repro sample",
    )
    yield Case("fewer questions in one evaluation", "compare", shortened(other), other, "only in baseline", rerun)
    yield Case("another question in one", "compare", record(other, 2, id="x"), other, "1 only in coherence: x", rerun)
    yield Case("another gold in one", "compare", record(other, 2, gold="-5"), one, "has another gold in each", rerun)
    yield Case("another text in one", "compare", record(other, 2, question="Why?"), one, "has another text in each", rerun)
    yield Case("another kind in one", "compare", record(other, 2, kind="riddle"), one, "has another kind in each", rerun)
    some_without = both(*(changed(path, partial(json_lines, kind=LACKING)) for path in (one, other)))
    some_without = both(some_without, *(record(path, 1, kind="riddle") for path in (one, other)))
    yield Case("a kind for one question alone", "compare", some_without, one, "has no kind, though 1 of the", rerun)
    on_both_sets = partial(json_lines, gsm8k_correct=True, in_platinum=True)
    yield Case("one evaluation on two sets", "compare", changed(other, on_both_sets), one, "has another gold in each", rerun)
    yield Case(
        "no question of the deciding set",
        "compare",
        both(*(changed(path, partial(json_lines, gsm8k_correct=True, in_platinum=False)) for path in (one, other))),
        one,
        "no questions to compare",
        rerun,
    )
    for stage in ("answer baseline", "eval baseline"):
        yield Case(
            f"{stage}: a test of no question of the deciding set",
            stage,
            changed("data/test.jsonl", partial(json_lines, gsm8k_gold="1", in_platinum=False)),
            "data/test.jsonl",
            "no question is in GSM8K-Platinum",
            "dvc repro data",
        )
    answers, test = "outputs/coherence_answers.jsonl", "data/test.jsonl"
    ask_again = "run `dvc repro"
    yield Case("an answer is missing", "eval coherence", shortened(answers), answers, "sandbox-test-00002", ask_again)
    yield Case("an answer to no question", "eval coherence", record(answers, 2, id="x"), answers, "x", ask_again)
    yield Case("a question more than was answered", "eval coherence", record(test, 2, id="new"), answers, "new", ask_again)
    yield Case(
        "a base of problems without their retellings",
        "base",
        both(
            changed("data/train.jsonl", partial(json_lines, restated=LACKING, altered=LACKING, altered_answer=LACKING)),
            setting(PROFILE, "base.source", "sandbox"),
        ),
        "data/train.jsonl",
        "lacks restated",
        "data.source",
    )
    yield Case(
        "one problem without its retelling",
        "base",
        both(record("data/train.jsonl", 3, altered=LACKING), setting(PROFILE, "base.source", "sandbox")),
        "data/train.jsonl",
        "lacks altered",
        "data.source",
    )
    pairs = "data/training_pairs.jsonl"
    yield Case(
        "no pairs",
        "train",
        overwritten(pairs, b""),
        pairs,
        "0 preference pairs, fewer than train.min_pairs = 1",
        "sample.questions",
    )
    same = changed(pairs, lambda content: b"".join(json_lines_with(content, lambda r: r | {"rejected": r["chosen"]})))
    yield Case("a pair of one text", "train", same, pairs, "chosen and rejected are the same text", "dvc repro prefs")
    begin = changed(pairs, lambda content: b"".join(json_lines_with(content, lambda r: r | {"prompt": "<s>" + r["prompt"]})))
    yield Case("a prompt with its begin token", "train", begin, pairs, "begin token '<s>' twice", "engine.template")


def json_lines_with(content: bytes, change: Callable[[dict], dict]) -> list[bytes]:
    return [json.dumps(change(json.loads(text))).encode() + b"\n" for text in content.splitlines()]


def json_lines(content: bytes, **changes: Any) -> bytes:
    """All records with other values; LACKING takes a key away."""

    def change(kept: dict) -> dict:
        return {key: value for key, value in (kept | changes).items() if value is not LACKING}

    return b"".join(json_lines_with(content, change))


# --- metrics ---

METRIC_FILES = {
    "evidence/evidence": ("wanted", "is 'x': it must be a valid integer"),
    "metrics/baseline": ("accuracy", "is 'x': it must be a valid number"),
    "metrics/coherence": ("mean_tokens", "is 'x': it must be a valid number"),
    "metrics/rollouts": ("s_cf", "is 'x': it must be an object with the keys mean, std, min, max"),
    "metrics/prefs": ("pairs", "is 'x': it must be a valid integer"),
    "metrics/base": ("parameters", "is 'x': it must be a valid integer"),
    "metrics/train": ("gradient_norm", "is 'x': it must be an object with the keys min, mean, max"),
    "metrics/verdict": ("p_value", "is 'x': it must be a valid number"),
}


def metric_cases() -> Iterator[Case]:
    again = "run the stage that writes it again"
    for name, (key, cause) in METRIC_FILES.items():
        path = f"{name}.json"

        def case(title: str, breaks: Break, cause: str, cure: str = again, path=path) -> Case:
            return Case(f"{path}: {title}", "report", breaks, path, cause, cure)

        yield case("cut short", changed(path, lambda content: content[: len(content) // 2]), "not JSON")
        yield case("empty", overwritten(path, b""), "not JSON: Expecting value")
        yield case("a list", overwritten(path, b"[]"), "holds [], not a JSON object")
        yield case("null", overwritten(path, b"null"), "holds None, not a JSON object")
        yield case("no such file", without(path), "does not exist", RUN)
        yield case("a pipe", pipe_instead(path), "is no regular file", RUN)
        yield case("not UTF-8", changed(path, lambda content: content + b"\xff"), "not UTF-8")
        yield case("deep brackets", overwritten(path, b"[" * 9000), "nested too deep")
        yield case("a key twice", replaced(path, b"{", f'{{"{key}": 1,'.encode()), f"key '{key}' stands twice")
        yield case(f"{key} is missing", metric(path, key), f"key '{key}' is missing")
        yield case(f"{key} is a text", metric(path, key, value="x"), f"key '{key}' {cause}")
        yield case(f"{key} is NaN", metric(path, key, value=float("nan")), "NaN is not a number that JSON knows")

    def at(name: str, keys: tuple[str | int, ...], cause: str, value: Any = LACKING) -> Case:
        path = f"metrics/{name}.json"
        return Case(
            f"{path}: {'.'.join(map(str, keys))} = {value!r:.20}", "report", metric(path, *keys, value=value), path, cause, again
        )

    yield at("baseline", ("accuracy",), "key 'accuracy' is 1.5: it must be less than or equal to 1", 1.5)
    yield at("rollouts", ("s_end", "std"), "key 's_end.std' is missing")
    yield at("rollouts", ("arms",), "key 'arms' is []: it must have at least 1", [])
    yield at("rollouts", ("arms", 0, "accuracy"), "key 'arms[0].accuracy' is null: it must be a valid number", None)
    yield at("rollouts", ("signals",), "key 'signals' is missing")
    yield at("rollouts", ("signals", 0, "name"), "key 'signals[0].name' is 's_ende': it must be 's_end', 's_path'", "s_ende")
    yield at("rollouts", ("signals", 0, "couples"), "key 'signals[0].couples' is -1: it must be greater than or equal to 0", -1)
    worth = {
        "name": "cf",
        "over": "within a question",
        "questions": 2,
        "couples": 9,
        "auc": 0.6,
        "ci_low": 0.5,
        "undefined": None,
    }
    refused = "key 'signals[0]' is refused: auc, ci_low and ci_high must all be numbers, or all be null"
    yield at("rollouts", ("signals", 0), refused, {"ci_high": None} | worth)
    yield at("rollouts", ("signals", 0), "is refused: ci_low 0.5 is above ci_high 0.4", {"ci_high": 0.4} | worth)
    yield at("prefs", ("coherence_share",), "key 'coherence_share' is 'half': it must be a valid number", "half")
    yield at("train", ("trained",), "key 'trained' is 1: it must be a valid boolean", 1)
    yield at("train", ("trained",), "key 'reason' is missing", False)
    yield at("train", ("epochs",), "key 'epochs' is []: it must have at least 1", [])
    losses = {"first_loss": 1, "last_loss": 1, "mean_loss": 1}
    yield at("train", ("epochs",), "key 'epochs' is {'first': ", {"first": losses})
    yield at("train", ("epochs", 0, "mean_loss"), "key 'epochs[0].mean_loss' is missing")
    yield at("train", ("epochs", 0), "key 'epochs[0]' is 3: it must be an object with the keys first_loss", 3)
    better = "key 'verdict' is 'better': it must be 'improved', 'worse' or 'no evidence'"
    yield at("verdict", ("verdict",), better, "better")
    yield at("verdict", ("fixed",), "key 'fixed' is -1: it must be greater than or equal to 0", -1)
    yield at("verdict", ("families",), "key 'families' is 0: it must be greater than or equal to 1", 0)
    for families, wrong in ((9, "'family_ci_low' is missing"), (1, "'family_ci_low' is there")):
        lone = metric("metrics/verdict.json", "families", value=families)
        bound = metric("metrics/verdict.json", "family_ci_low", value=None if families > 1 else 0.5)
        high = metric("metrics/verdict.json", "family_ci_high", value=0.5)
        yield Case(f"{families} families", "report", both(lone, bound, high), "metrics/verdict.json", wrong, again)
    yield at("verdict", ("design_effect",), "key 'design_effect' is -1: it must be greater than or equal to 0", -1)
    yield at("verdict", ("gsm8k",), "key 'gsm8k.verdict' is missing", {})
    yield at("verdict", ("sampled",), "key 'sampled.samples' is missing", {})
    yield at("verdict", ("sampled", "mean", "p_value"), "key 'sampled.mean.p_value' is 2: it must be less than or equal to 1", 2)
    yield at("verdict", ("sampled", "mean", "family_ci_low"), "key 'sampled' is refused: `mean` and `majority` are of the", None)
    yield at("baseline", ("sampled", "majority", "correct"), "key 'sampled.majority.correct' is missing")
    yield at("coherence", ("sampled", "temperature"), "key 'sampled.temperature' is 0: it must be greater than 0", 0)
    for name, keys, wrong in (("verdict", ("sampled",), LACKING), ("coherence", ("sampled", "samples"), 9)):
        path = f"metrics/{name}.json"
        told, cure = "are not of as many samples a question (", "run `dvc repro compare`"
        yield Case(f"{path}: samples of another run", "report", metric(path, *keys, value=wrong), path, told, cure)


def plot_cases() -> Iterator[Case]:
    """What the page's curves of training are drawn from."""
    path, again = "plots/train.csv", "dvc repro train"

    def case(title: str, change: Callable[[list[bytes]], list[bytes]], cause: str) -> Case:
        return Case(
            f"{path}: {title}",
            "report",
            changed(path, lambda content: b"".join(change(content.splitlines(True)))),
            path,
            cause,
            again,
        )

    yield case("a row less", lambda rows: rows[:-1], "steps and plots/train.csv has")
    yield case("a text for a number", lambda rows: [*rows[:1], b"one" + rows[1][rows[1].index(b",") :], *rows[2:]], "'one'")
    yield case("a column less", lambda rows: [row.rpartition(b",")[0] + b"\n" for row in rows], "logp_rejected")
    path, again = "plots/base.csv", "dvc repro base"  # of a base that was fetched: it has no rows
    yield case("a row more", lambda rows: [*rows, b"1,2,3,4\n"], "steps and plots/base.csv has")
    yield case("a text for a number", lambda rows: [*rows, b"one,2,3,4\n"], "'one'")
    yield case("a column less", lambda rows: [row.rpartition(b",")[0] + b"\n" for row in rows], "in the place of step, loss,")
    yield case("no columns", lambda rows: [], "it has the columns none")
