"""Stage `eval@baseline` and `eval@coherence`: greedy answers to every test question, by the canonical prompt.

Reads   data/test.jsonl, checkpoints/base, and for coherence checkpoints/dpo_coherence_lora
Writes  outputs/<policy>_eval.jsonl   a question a line
        metrics/<policy>.json         accuracy with its Wilson interval, and how the texts ended
Params  profile: eval, engine
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from src.asking import EngineSettings, ask, load_tokenizer
from src.engines.interface import Completion, Request
from src.engines.templates import wrap_prompt
from src.errors import InputError, run_stage
from src.params import AT_LEAST_1, CONFIDENCE, load_profile_section, require
from src.records import read_records, write_json, write_records
from src.regime_w.answers import canonical, extract_answer, parse_number
from src.regime_w.arms import canonical_prompt
from src.regime_w.statistics import wilson_interval


@dataclass(frozen=True)
class EvalSettings:
    max_tokens: int  # the most tokens of one answer
    confidence: float  # of the Wilson interval, 0 ... 1

    def __post_init__(self) -> None:
        require(self, AT_LEAST_1, "max_tokens")
        require(self, CONFIDENCE, "confidence")


def grade(question: dict, completion: Completion) -> dict:
    """The evaluation record of one question: no answer is never correct."""
    answer = extract_answer(completion.text)
    record = {
        "id": question["id"],
        "question": question["question"],
        "gold": question["gold"],
        "text": completion.text,
        "answer": None if answer is None else canonical(answer),
        "correct": answer is not None and answer == parse_number(question["gold"]),
        "n_tokens": completion.n_tokens,
        "finish_reason": completion.finish_reason,
    }
    if "gsm8k_gold" not in question:
        return record
    right = answer is not None and answer == parse_number(question["gsm8k_gold"])
    return record | {"gsm8k_correct": right, "in_platinum": question["in_platinum"]}


def accuracy_of(marks: Sequence[bool], confidence: float) -> dict:
    low, high = wilson_interval(sum(marks), len(marks), confidence)
    return {
        "accuracy": sum(marks) / len(marks),
        "accuracy_low": low,
        "accuracy_high": high,
        "correct": sum(marks),
        "questions": len(marks),
    }


def evaluation_metrics(every: Sequence[dict], confidence: float) -> dict:
    """Counts and shares over the evaluation records; lengths in tokens.

    Where the questions are scored on two sets, the figures are Platinum's, and GSM8K's stand apart under `gsm8k`.
    """
    records = [record for record in every if record.get("in_platinum", True)]
    n = len(records)  # not 0: stage `data` sees to it
    metrics = accuracy_of([r["correct"] for r in records], confidence) | {
        "no_answer": sum(r["answer"] is None for r in records),
        "cut_off": sum(r["finish_reason"] == "length" for r in records),
        "mean_tokens": sum(r["n_tokens"] for r in records) / n,
    }
    if "gsm8k_correct" not in every[0]:
        return metrics
    return metrics | {"gsm8k": accuracy_of([r["gsm8k_correct"] for r in every], confidence)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("policy", choices=["baseline", "coherence"])
    policy = parser.parse_args().policy
    settings = load_profile_section("eval", EvalSettings)
    engine_settings = load_profile_section("engine", EngineSettings)
    questions = read_records(Path("data/test.jsonl"), "question")
    if not any(question.get("in_platinum", True) for question in questions):
        raise InputError("data/test.jsonl: no question is in GSM8K-Platinum, which decides; run `dvc repro data`")
    adapter = Path("checkpoints/dpo_coherence_lora") if policy == "coherence" else None
    base = Path("checkpoints/base")
    tokenizer = load_tokenizer(base)
    requests = [
        Request(
            key=question["id"],
            prompt=wrap_prompt(canonical_prompt(question["question"]), engine_settings.template, tokenizer),
            temperature=0.0,
            seed=0,  # greedy: nothing is drawn
            max_tokens=settings.max_tokens,
        )
        for question in questions
    ]
    completions = ask(f"eval-{policy}", engine_settings, requests, base, adapter)
    records = [grade(question, completions[question["id"]]) for question in questions]
    write_records(Path(f"outputs/{policy}_eval.jsonl"), "evaluation", records)
    write_json(Path(f"metrics/{policy}.json"), evaluation_metrics(records, settings.confidence))


if __name__ == "__main__":
    run_stage(main)
