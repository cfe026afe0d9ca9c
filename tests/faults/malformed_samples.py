"""Malformed sampled texts, and what was found of them: keys within the records of answers and of evaluations."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from tests.faults.breaking import LACKING, NOT_READABLE, Case, at, changed, line
from tests.faults.malformed_records import json_lines

ANSWERS, BASELINE, COHERENCE = (f"outputs/{name}.jsonl" for name in ("coherence_answers", "baseline_eval", "coherence_eval"))


def sampled_text_cases() -> Iterator[Case]:
    """Of the second question's texts, of which there are two."""

    def case(cause: str, wrong: Any, *keys: str | int) -> Case:
        name, breaks = f"sampled, {keys} = {wrong!r:.40}", line(ANSWERS, 2, at("sampled", *keys, value=wrong))
        return Case(name, "eval coherence", breaks, f"{ANSWERS}:2", cause, NOT_READABLE)

    yield case("key 'sampled' is []: it must have at least 1 item", [])
    yield case("key 'sampled' is 2: it must be a valid array", 2)
    yield case("key 'sampled[0]' is 'x': it must be an object with the keys sample, ", ["x"])
    yield case("key 'sampled[1].sample' is -1: it must be greater than or equal to 0", -1, 1, "sample")
    yield case("key 'sampled[1].sample' is 1.0: it must be a valid integer", 1.0, 1, "sample")
    yield case("it is refused: sampled text 1 has the number 5; they must be numbered from 0 on", 5, 1, "sample")
    yield case("key 'sampled[1].temperature' is 0: it must be greater than 0", 0, 1, "temperature")
    yield case("key 'sampled[1].temperature' is '0.35': it must be a valid number", "0.35", 1, "temperature")
    yield case("it is refused: sampled text 1 is of temperature 0.5, and the first of 0.35", 0.5, 1, "temperature")
    yield case("key 'sampled[1].text' is missing", LACKING, 1, "text")
    yield case("key 'sampled[1].text' is '\\ud83d': half a surrogate pair", "\ud83d", 1, "text")
    yield case("key 'sampled[1].finish_reason' is 'eos': it must be 'stop' or 'length'", "eos", 1, "finish_reason")
    yield case("key 'sampled[1].golden' is unknown", 1, 1, "golden")


def sampled_evaluation_cases() -> Iterator[Case]:
    def case(cause: str, wrong: Any, *keys: str) -> Case:
        name, breaks = f"sampled, {keys} = {wrong!r:.40}", line(COHERENCE, 2, at("sampled", *keys, value=wrong))
        return Case(name, "compare", breaks, f"{COHERENCE}:2", cause, NOT_READABLE)

    yield case("key 'sampled' is []: it must be an object with the keys samples, ", [])
    yield case("key 'sampled.samples' is 0: it must be greater than or equal to 1", 0, "samples")
    yield case("key 'sampled.samples' is missing", LACKING, "samples")
    yield case("key 'sampled' is refused: 2 samples, ", 9, "right")
    yield case("key 'sampled' is refused: 2 samples, 9 of them unparsed, cannot give", 9, "unparsed")
    yield case("key 'sampled' is refused: majority not a number", "not a number that has votes", "majority")
    yield case("key 'sampled' is refused: the majority has 0 votes and is correct", True, "correct")
    yield case("key 'sampled.correct' is 'no': it must be a valid boolean", "no", "correct")


def samples_that_do_not_fit() -> Iterator[Case]:
    """Questions, or policies, of which one was sampled otherwise than another."""

    def hotter(content: bytes) -> bytes:
        return content.replace(b'"temperature": 0.35', b'"temperature": 0.5')

    place, again = f"{ANSWERS}: question", "run `dvc repro answer@coherence`"
    without = line(ANSWERS, 2, at("sampled"))
    yield Case("a question without samples", "eval coherence", without, place, "has no samples, and question", again)
    shorter = line(ANSWERS, 2, at("sampled", 1))
    yield Case("a sample is missing", "eval coherence", shorter, place, "has 1 samples at temperature 0.35, and", again)
    hot = line(ANSWERS, 2, hotter)
    yield Case("a question of hotter samples", "eval coherence", hot, place, "has 2 samples at temperature 0.5, and", again)
    rerun = "run `dvc repro` for both"
    fewer = line(COHERENCE, 2, at("sampled"))
    yield Case("samples of fewer questions", "compare", fewer, COHERENCE, "1 of 6 evaluations have no samples, the first", rerun)
    none = changed(COHERENCE, partial(json_lines, sampled=LACKING))
    yield Case("one policy without samples", "compare", none, COHERENCE, "3 of 6 evaluations have no samples", rerun)
    hot = changed(BASELINE, hotter)
    yield Case("policies sampled at two temperatures", "compare", hot, BASELINE, "2 at temperature 0.35 and 2 at temp", rerun)
