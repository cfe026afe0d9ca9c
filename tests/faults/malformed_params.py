"""Malformed params.yaml and profiles, and every setting out of its range."""

import gzip
from collections.abc import Iterator

from src.core.errors import shown
from src.core.params import parse_yaml
from src.stages.all_settings import PARAMS_SECTIONS, PROFILE_SECTIONS
from tests.faults.breaking import (
    PROFILE,
    Break,
    Case,
    both,
    changed,
    folder_instead,
    overwritten,
    pipe_instead,
    setting,
    without,
)

# --- params.yaml and the profile ---


def bomb(depth: int) -> bytes:
    """Aliases of aliases: a file of some lines that stands for 9**depth values."""
    levels = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, depth)]
    return f"a0: &a0 [x]\n{''.join(levels)}".encode()


def merging_bomb(depth: int) -> bytes:
    levels = [f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, depth)]
    return f"a0: &a0 {{k: 1}}\n{''.join(levels)}".encode()


STAGE_OF = {"params.yaml": "rollouts", PROFILE: "base"}
KEYS = {"params.yaml": "the keys credit, weights, path, quality", PROFILE: "the keys source, adapter, dtype, sandbox"}


def yaml_cases() -> Iterator[Case]:
    for path, stage in STAGE_OF.items():
        section = "scoring" if path == "params.yaml" else "base"

        def case(name: str, breaks: Break, cause: str, cure: str, at: str = "", path=path, stage=stage) -> Case:
            return Case(f"{path}: {name}", stage, breaks, path + at, cause, cure)

        def after(text: bytes, path=path) -> Break:
            return changed(path, lambda content: content.rstrip(b"\n") + b"\n" + text)

        line = "repair the line"
        yield case("empty", overwritten(path, b""), "is empty", "restore it from Git")
        yield case("comments alone", overwritten(path, b"# nothing\n"), "is empty", "restore it from Git")
        yield case("a list", overwritten(path, b"- 1\n"), "holds list, not sections by name", "restore it from Git")
        yield case("a text", overwritten(path, b"hello\n"), "holds str, not sections by name", "restore it from Git")
        yield case("a tab", after(b"x:\n\ty: 1\n"), "broken YAML: found character '\\t'", line, ":")
        yield case("a bracket left open", after(b"x: [1\ny: 2\n"), "broken YAML: expected ',' or ']'", line, ":")
        yield case("a quote left open", after(b'x: "1\n'), "broken YAML: found unexpected end", line, ":")
        yield case("a section twice", after(section.encode() + b": {}\n"), f'found duplicate key "{section}"', line, ":")
        yield case(
            "a Python object", after(b'x: !!python/object/apply:os.system ["true"]\n'), "could not determine a constr", line, ":"
        )
        yield case(
            "an unknown tag", after(b"x: !secret 1\n"), "could not determine a constructor for the tag '!secret'", line, ":"
        )
        yield case("an alias of nothing", after(b"x: *nothing\n"), "found undefined alias", line, ":")
        yield case("two documents", after(b"---\nx: 1\n"), "but found another document", line, ":")
        yield case("YAML 9", changed(path, lambda c: b"%YAML 9.1\n---\n" + c), "found incompatible YAML document", line, ":1")
        yield case("NUL", after(b"x: \0\n"), "unacceptable character #x0000", "repair that place")
        yield case("not UTF-8", after(b"x: \xff\n"), "not UTF-8 at byte", "save it as UTF-8")
        yield case("UTF-16", changed(path, lambda c: c.decode().encode("utf-16")), "not UTF-8 at byte 1", "save it as UTF-8")
        yield case("gzip", changed(path, gzip.compress), "not UTF-8", "save it as UTF-8")
        yield case("deep brackets", after(b"x: " + b"[" * 5000 + b"]" * 5000 + b"\n"), "nested too deep", "repair the file")
        yield case("a bomb of aliases", after(bomb(12)), "stand for more than 100,000 values", "write them out")
        yield case("a bomb of merges", after(merging_bomb(12)), "stand for more than 100,000 values", "write them out")
        yield case("5,000 digits", after(b"x: " + b"9" * 5000 + b"\n"), "a value that cannot be read", "repair it")
        yield case("month 13", after(b"x: 2020-13-01\n"), "a value that cannot be read", "repair it")
        yield case("!!bool maybe", after(b"x: !!bool maybe\n"), "a value that cannot be read", "repair it")
        yield case("!!int x", after(b"x: !!int x\n"), "a value that cannot be read", "repair it")
        yield case("the section is gone", setting(path, section, None), f"'{section}' is missing", "add it")
        yield case("the section is empty", setting(path, section, ""), f"{section} is null", KEYS[path])
        yield case("the section is a list", setting(path, section, "[1]"), f"{section} is [1]", KEYS[path])
        yield case("an unknown key", setting(path, f"{section}.sorce", "1"), f"{section}.sorce is unknown", "(known: ")
        yield case("a key that is a list", setting(path, section, "{? [1] : 2}"), "found unhashable key", line, ":")
        yield case("a key that is a number", setting(path, section, "{1: 2}"), f"{section}.1 is unknown", "(known: ")
        yield case("a folder", folder_instead(path), "is no regular file", "restore the file")
        yield case("a pipe", pipe_instead(path), "is no regular file", "restore the file")

    yield Case("params.yaml: gone", "rollouts", without("params.yaml"), "params.yaml", "does not exist", "repository's root")
    yield Case("the profile: gone", "base", without(PROFILE), "params.yaml: profile", "has no small.yaml", "name one of them")

    def profile(name: str, text: str | None, cause: str, cure: str) -> Case:
        return Case(f"profile: {name}", "base", setting("params.yaml", "profile", text), "params.yaml", cause, cure)

    names = "(there are: other, small); name one of them"
    yield profile("unknown", "smal", "did you mean 'small'?", names)
    yield profile("above the folder", "../params", "has no ../params.yaml", names)
    yield profile("with a slash", "a/small", "has no a/small.yaml", names)
    yield profile("of this machine", "/etc/passwd", "has no /etc/passwd.yaml", names)
    yield profile("with its ending", "small.yaml", "has no small.yaml.yaml", names)
    yield profile("blank", '""', "profile is ''", names)
    yield profile("null", "null", "profile is null", TEXT)
    yield profile("a number", "3", "profile is 3", TEXT)
    yield profile("missing", None, "'profile' is missing", "add it")


# --- single settings ---

WHOLE, NUMBER, FINITE = "it must be a valid integer", "it must be a valid number", "it must be a finite number"
TEXT, BOOL, LIST = "it must be a valid string", "it must be a valid boolean", "it must be a valid array"
NOT_LESS_0, NOT_LESS_1 = "it must be greater than or equal to 0", "it must be greater than or equal to 1"
MORE_0, LESS_1, NOT_MORE_1 = "it must be greater than 0", "it must be less than 1", "it must be less than or equal to 1"
CONFIDENCE, SEED = "it must be less than or equal to 0.999999", "it must be less than 4294967296"
NO_JSON = "it must be a text, a number or a list"
LORA = "an object with the keys r, lora_alpha, lora_dropout"

# stage, file, key, values that it must refuse, and the cure; the cause is the key's value
SETTINGS: list[tuple[str, str, str, list[str], str]] = [
    ("sample", "params.yaml", "seed", ["-1"], NOT_LESS_0),
    ("sample", "params.yaml", "seed", ["4294967296", "9" * 400], SEED),
    ("base", "params.yaml", "seed", ["-1"], NOT_LESS_0),
    ("base", "params.yaml", "seed", ["4294967296"], SEED),
    ("train", "params.yaml", "seed", ["-1"], NOT_LESS_0),
    ("train", "params.yaml", "seed", ["4294967296"], SEED),
    ("report", "params.yaml", "seed", ["-1"], NOT_LESS_0),
    ("report", "params.yaml", "seed", ["4294967296"], SEED),
    ("sample", "params.yaml", "seed", ["1.5", "true", '"0"', "null", "[0]", ".nan", "0x"], WHOLE),
    ("sample", "params.yaml", "seed", ["2020-01-02"], NO_JSON),
    ("report", "params.yaml", "policy", ["basline", "true", "null", "[baseline]"], "it must be 'baseline' or 'coherence'"),
    ("sample", "params.yaml", "arms.variance_temperatures", ["[]", "[0.2]", "[1, 2, 3]"], "at least 4 items"),
    ("sample", "params.yaml", "arms.variance_temperatures", ["[1, 2, 3, 4, 5]"], "at most 4 items"),
    ("sample", "params.yaml", "arms.variance_temperatures", ["0.2", "{a: 1}", "null"], LIST),
    ("sample", "params.yaml", "arms.probe_temperature", ["-0.1"], NOT_LESS_0),
    ("sample", "params.yaml", "arms.probe_temperature", [".inf"], FINITE),
    ("sample", "params.yaml", "arms.probe_temperature", ["warm", "true", "[0.2]"], NUMBER),
    ("sample", "params.yaml", "arms.seeds.wolfram_standard", ["-1"], NOT_LESS_0),
    ("sample", "params.yaml", "arms.seeds.wolfram_standard", ["9" * 400], SEED),
    ("sample", "params.yaml", "arms.seeds.wolfram_standard", ["1.0", "x"], WHOLE),
    ("rollouts", "params.yaml", "scoring.weights.cf", ["-0.2"], NOT_LESS_0),
    ("rollouts", "params.yaml", "scoring.weights.cf", [".nan", ".inf", "1e999"], FINITE),
    ("rollouts", "params.yaml", "scoring.weights.cf", ["much", "true", '"0.2"', "[0.2]", "null"], NUMBER),
    (
        "rollouts",
        "params.yaml",
        "scoring.weights",
        ["0.4", "[0.4, 0.2]", "null"],
        "an object with the keys end, path, cf, quality",
    ),
    ("rollouts", "params.yaml", "scoring.credit", ["trajectories", "null"], "it must be 'trajectory' or 'question'"),
    ("rollouts", "params.yaml", "rollouts.processes", ["0", "-2"], NOT_LESS_1),
    ("rollouts", "params.yaml", "rollouts.processes", ["1.5", "all", "true"], WHOLE),
    ("prefs", "params.yaml", "prefs.labels", ["silver", "null"], "it must be 'gold', 'none', 'random' or 'steps'"),
    ("prefs", "params.yaml", "prefs.coherence_by", ["length", "1"], "it must be 'reward', 'shorter' or 'longer'"),
    ("prefs", "params.yaml", "prefs.correctness_by", ["gap"], "it must be 'hash' or 'margin'"),
    ("prefs", "params.yaml", "prefs.prompt", ["canonic", "null", "1"], "it must be 'canonical' or 'own'"),
    ("prefs", "params.yaml", "prefs.max_correctness_pairs", ["-1"], NOT_LESS_0),
    ("prefs", "params.yaml", "prefs.max_correctness_pairs", ["1.5", "true", "many", "null"], WHOLE),
    ("prefs", "params.yaml", "prefs.max_coherence_pairs", ["-4"], NOT_LESS_0),
    ("prefs", "params.yaml", "prefs.min_reward_gap", ["-0.01"], NOT_LESS_0),
    ("prefs", "params.yaml", "prefs.min_reward_gap", [".nan", ".inf"], FINITE),
    ("prefs", "params.yaml", "prefs.min_reward_gap", ["small"], NUMBER),
    ("compare", "params.yaml", "compare.alpha", ["0", "-0.05"], MORE_0),
    ("compare", "params.yaml", "compare.alpha", ["1", "2"], LESS_1),
    ("compare", "params.yaml", "compare.alpha", [".nan"], FINITE),
    ("compare", "params.yaml", "compare.alpha", ['"0.05"', "true", "null"], NUMBER),
    ("compare", "params.yaml", "compare.confidence", ["0", "-1"], MORE_0),
    ("compare", "params.yaml", "compare.confidence", ["1", "1.5", "0.99999999999999989"], CONFIDENCE),
    ("compare", "params.yaml", "compare.confidence", [".inf"], FINITE),
    ("compare", "params.yaml", "compare.confidence", ["95%", "null"], NUMBER),
    ("rollouts", "params.yaml", "compare.confidence", ["0"], MORE_0),
    ("rollouts", "params.yaml", "compare.confidence", ["1"], CONFIDENCE),
    ("eval baseline", "params.yaml", "compare.confidence", ["0", "-0.5"], MORE_0),
    ("eval baseline", "params.yaml", "compare.confidence", ["1", "95"], CONFIDENCE),
    ("eval baseline", "params.yaml", "compare.confidence", [".nan"], FINITE),
    ("eval baseline", "params.yaml", "compare.confidence", ["null"], NUMBER),
    ("eval coherence", "params.yaml", "compare.alpha", ["0"], MORE_0),
    ("report", "params.yaml", "compare.confidence", ["0"], MORE_0),
    ("report", "params.yaml", "criteria.min_pairs", ["-1"], NOT_LESS_0),
    ("report", "params.yaml", "criteria.max_pairs", ["1.5", "null"], WHOLE),
    ("report", "params.yaml", "criteria.correctness_share", ["-0.1"], NOT_LESS_0),
    ("report", "params.yaml", "criteria.correctness_share", ["1.1", "70"], NOT_MORE_1),
    ("report", "params.yaml", "criteria.share_tolerance", ["-0.1"], NOT_LESS_0),
    ("report", "params.yaml", "criteria.share_tolerance", ["2"], NOT_MORE_1),
    ("report", "params.yaml", "criteria.min_gain", ["-2"], "it must be greater than or equal to -1"),
    ("report", "params.yaml", "criteria.min_gain", ["2"], NOT_MORE_1),
    ("data", PROFILE, "data.train_questions", ["1.5", "true", "all", "[1]"], WHOLE),
    ("data", PROFILE, "data.max_question_characters", ["0", "-1"], NOT_LESS_1),
    ("data", PROFILE, "data.max_question_characters", ["1.5", "4k", "null"], WHOLE),
    ("data", PROFILE, "data.held_out", ["-1"], NOT_LESS_0),
    ("data", PROFILE, "data.held_out", ["1.5", "true", "all"], WHOLE),
    ("base", PROFILE, "base.dtype", ["float16", "null", "32"], "it must be 'bfloat16' or 'float32'"),
    ("base", PROFILE, "base.source", ["null", "3", "[model]", "true"], TEXT),
    ("base", PROFILE, "base.adapter", ["3", "[sft]"], TEXT),
    ("sample", PROFILE, "sample.first_question", ["-1"], NOT_LESS_0),
    ("sample", PROFILE, "sample.first_question", ["1.5", "true", "null"], WHOLE),
    ("sample", PROFILE, "sample.questions", ["0", "-3"], NOT_LESS_1),
    ("sample", PROFILE, "sample.questions", ["1.5", "true", "all", "null"], WHOLE),
    ("sample", PROFILE, "sample.max_tokens", ["0", "-1"], NOT_LESS_1),
    ("sample", PROFILE, "sample.max_tokens", ["4.0", "null"], WHOLE),
    ("sample", PROFILE, "engine.name", ["transformer", "null"], "it must be 'transformers' or 'vllm'"),
    ("sample", PROFILE, "engine.template", ["chatt", "3"], "it must be 'plain', 'chat' or 'abel'"),
    ("sample", PROFILE, "engine.dtype", ["float16", "int8", "torch.float32", "null"], "it must be 'float32' or 'bfloat16'"),
    ("sample", PROFILE, "engine.batch_size", ["0", "-1"], NOT_LESS_1),
    ("sample", PROFILE, "engine.batch_size", ["1.5", "true"], WHOLE),
    ("sample", PROFILE, "engine.workers", ["0", "-1"], NOT_LESS_1),
    ("sample", PROFILE, "engine.workers", ["1.5", "two"], WHOLE),
    ("answer baseline", PROFILE, "engine.batch_size", ["0"], NOT_LESS_1),
    ("answer coherence", PROFILE, "engine.workers", ["-1"], NOT_LESS_1),
    ("answer baseline", PROFILE, "answer.max_tokens", ["0", "-1"], NOT_LESS_1),
    ("answer baseline", PROFILE, "answer.max_tokens", ["1.5", '"8"'], WHOLE),
    ("answer baseline", PROFILE, "answer.samples", ["-1"], NOT_LESS_0),
    ("answer coherence", PROFILE, "answer.samples", ["101", "10000"], "it must be less than or equal to 100"),
    ("answer baseline", PROFILE, "answer.samples", ["1.5", "true", "null", "some"], WHOLE),
    ("answer baseline", PROFILE, "answer.temperature", ["-0.1"], NOT_LESS_0),
    ("answer baseline", PROFILE, "answer.temperature", [".nan", ".inf"], FINITE),
    ("answer baseline", PROFILE, "answer.temperature", ["hot", "null"], NUMBER),
    ("train", PROFILE, "train.per_device_train_batch_size", ["0", "-4"], NOT_LESS_1),
    ("train", PROFILE, "train.max_length", ["0", "-1", "1"], "it must be greater than or equal to 2"),
    ("train", PROFILE, "train.max_truncated_share", ["-0.1"], NOT_LESS_0),
    ("train", PROFILE, "train.max_truncated_share", ["1.5", "50"], NOT_MORE_1),
    ("train", PROFILE, "train.group_by", ["size", "null"], "it must be 'length' or 'prompt'"),
    ("train", PROFILE, "train.bf16", ["float16", "1"], BOOL),
    ("train", PROFILE, "train.base_dtype", ["int4"], "it must be 'float32' or 'bfloat16'"),
    ("train", PROFILE, "train.attn_implementation", ["flash"], "it must be 'eager' or 'sdpa'"),
    ("train", PROFILE, "train.gradient_checkpointing", ["1", "yes", '"true"'], BOOL),
    ("train", PROFILE, "train.processes", ["0", "-2"], NOT_LESS_1),
    ("train", PROFILE, "train.sharding", ["zero3"], "it must be 'none' or 'fsdp'"),
    ("train", PROFILE, "train.min_pairs", ["-1", "0"], NOT_LESS_1),
    ("train", PROFILE, "train.too_few_pairs", ["ignore"], "it must be 'stop' or 'report'"),
    ("train", PROFILE, "train.dpo", ["null", "16", "[1]"], "an object with the keys learning_rate, num_train_epochs, beta"),
    ("doctor", PROFILE, "machine.gpus", ["-1"], NOT_LESS_0),
    ("doctor", PROFILE, "machine.gpus", ["0.5", "eight"], WHOLE),
    ("doctor", PROFILE, "machine.memory", ["-1"], NOT_LESS_0),
    ("doctor", PROFILE, "machine.memory", [".inf"], FINITE),
    ("doctor", PROFILE, "machine.memory", ["64GB", "null"], NUMBER),
    ("doctor", PROFILE, "machine.hours.train", ["-1"], NOT_LESS_0),
    ("doctor", PROFILE, "machine.hours", ["3", "null"], "an object with the keys install, base, sample, train, answer"),
    ("doctor", PROFILE, "data.source", ["null", "3"], TEXT),
    ("doctor", PROFILE, "base.source", ["[x]"], TEXT),
]
# Likewise of the section `dpo`, which params.yaml has and a profile may override in its `train.dpo`.
DPO_SETTINGS: list[tuple[str, list[str], str]] = [
    ("learning_rate", ["0", "-5e-5"], MORE_0),
    ("learning_rate", [".nan", ".inf"], FINITE),
    ("learning_rate", ['"5e-5"', "null", "true"], NUMBER),
    ("num_train_epochs", ["0", "-1"], NOT_LESS_1),
    ("num_train_epochs", ["1.5", "null"], WHOLE),
    ("beta", ["0", "-0.1"], MORE_0),
    ("beta", [".nan"], FINITE),
    ("label_smoothing", ["-0.1"], NOT_LESS_0),
    ("label_smoothing", ["0.5"], "it must be less than 0.5"),
    ("ld_alpha", ["-0.1"], NOT_LESS_0),
    ("ld_alpha", ["1.5"], NOT_MORE_1),
    ("global_batch_size", ["0", "-4"], NOT_LESS_1),
    ("lora.r", ["0", "-8"], NOT_LESS_1),
    ("lora.r", ["1.5"], WHOLE),
    ("lora.lora_alpha", ["0", "-8"], NOT_LESS_1),
    ("lora.lora_dropout", ["1.5", "1"], LESS_1),
    ("lora.lora_dropout", ["-0.1"], NOT_LESS_0),
    ("lora", ["null", "16"], LORA),
]
# Values whose message speaks of a part of them, or of others: stage, file, key, value, the words of place, cause and cure.
REFUSED: list[tuple[str, str, str, str, str, str, str]] = [
    ("train", "params.yaml", "dpo.loss_type", "sigmod", "dpo.loss_type[0]", "is 'sigmod'", "it must be 'sigmoid', 'hinge'"),
    ("train", "params.yaml", "dpo.loss_type", "[sigmod]", "dpo.loss_type[0]", "is 'sigmod'", "it must be 'sigmoid', 'hinge'"),
    ("train", "params.yaml", "dpo.loss_type", "[]", "dpo.loss_type", "is []", "at least 1"),
    ("train", "params.yaml", "dpo.loss_weights", "[-1]", "dpo.loss_weights[0]", "is -1", NOT_LESS_0),
    ("train", "params.yaml", "dpo.loss_weights", "[1, 2]", "dpo", "2 weights for the 1 losses", "give one for each"),
    ("train", PROFILE, "train.report_to", "[tensorbord]", "train.report_to[0]", "is 'tensorbord'", "it must be 'tensorboard'"),
    ("train", "params.yaml", "dpo.label_smoothing", "0.1", "dpo", "changes no loss of ['sigmoid']", "give 0"),
    *(
        ("sample", "params.yaml", "arms.variance_temperatures", text, "arms.variance_temperatures[3]", f"is {last}", cure)
        for text, last, cure in (
            ("[0.2, 0.3, 0.4, -1]", "-1", NOT_LESS_0),
            ("[1, 2, 3, .nan]", "nan", FINITE),
            ("[1, 2, 3, x]", "'x'", NUMBER),
            ("[1, 2, 3, 1e999]", "inf", FINITE),
        )
    ),
    (
        "sample",
        "params.yaml",
        "arms.seeds.wolfram",
        "102",
        "arms is refused",
        "seeds give arm maudlin_2 the seed 102",
        "move them apart",
    ),
    (
        "sample",
        "params.yaml",
        "arms.seeds.wolfram",
        "100",
        "arms is refused",
        "seeds give arm maudlin_0 the seed 100",
        "move them apart",
    ),
    (
        "sample",
        "params.yaml",
        "arms.seeds.maudlin_cf1",
        "1000",
        "arms is refused",
        "seeds give arm maudlin_cf1 the seed",
        "move them",
    ),
    *(
        ("rollouts", "params.yaml", key, text, f"{key} is refused", f"the weights {weights} are all 0", "more than 0 to one")
        for key, weights, text in (
            ("scoring.weights", "end, path, cf, quality", "{end: 0, path: 0, cf: 0, quality: 0}"),
            ("scoring.path", "length, overlap", "{length: 0, overlap: 0}"),
            ("scoring.quality", "conciseness, alignment", "{conciseness: 0, alignment: 0}"),
        )
    ),
    (
        "report",
        "params.yaml",
        "criteria.min_pairs",
        "6000",
        "criteria is refused",
        "min_pairs is 6000, more than max_pairs",
        "lower it",
    ),
    (
        "answer baseline",
        PROFILE,
        "answer.temperature",
        "0",
        "answer is refused",
        "answer.samples is 2, but answer.temperature is 0",
        "give 0 for answer.samples",
    ),
    (
        "train",
        PROFILE,
        "train.dpo.learning_rat",
        "1.0e-4",
        "train.dpo.learning_rat",
        "is unknown; did you mean 'learning_rate'?",
        "(known: learning_rate, ",
    ),
]
# A key that is deleted has no default to fall back on: stage, file, key.
DELETED: list[tuple[str, str, str]] = [
    ("sample", "params.yaml", "arms.seeds.wolfram"),
    ("rollouts", "params.yaml", "scoring.weights.cf"),
    ("rollouts", "params.yaml", "rollouts.processes"),
    ("prefs", "params.yaml", "prefs.min_reward_gap"),
    ("train", "params.yaml", "dpo.beta"),
    # Though the profile overrides it.
    ("train", "params.yaml", "dpo.learning_rate"),
    ("train", "params.yaml", "dpo.lora.r"),
    ("train", PROFILE, "train.processes"),
    ("eval baseline", "params.yaml", "compare.confidence"),
    ("compare", "params.yaml", "compare.alpha"),
    ("report", "params.yaml", "criteria.min_gain"),
    ("data", PROFILE, "data.test_set"),
    ("data", PROFILE, "data.max_question_characters"),
    ("data", PROFILE, "data.held_out"),
    ("base", PROFILE, "base.adapter"),
    ("base", PROFILE, "base.dtype"),
    ("sample", PROFILE, "sample.first_question"),
    ("sample", PROFILE, "engine.vllm"),
    ("answer baseline", PROFILE, "answer.max_tokens"),
    ("answer baseline", PROFILE, "answer.samples"),
    ("answer coherence", PROFILE, "answer.temperature"),
    ("doctor", PROFILE, "machine.hours.answer"),
]
# Values that are good in themselves, but not with the rest: stage, key, value, the words of cause and cure.
UNFITTING: list[tuple[str, str, str, str, str]] = [
    ("sample", "sample.questions", "1000", "but data/train.jsonl has 24", "lower it, or raise data.train_questions"),
    ("sample", "sample.first_question", "22", "ask for 25 questions, but data/train.jsonl has 24", "lower one of them"),
    ("data", "data.held_out", "22", "hold out questions 22 to 24, but sandbox has 24", "lower one of them"),
    ("sample", "engine.name", "vllm", "has no `vllm` settings", "give it"),
    ("sample", "engine.template", "chat", "checkpoints/base has no chat template", "set engine.template to 'plain'"),
    ("answer baseline", "engine.template", "chat", "checkpoints/base has no chat template", "set engine.template to 'plain'"),
    ("sample", "sample.max_tokens", "500", "more than the model's positions (max_position_embeddings in", "lower sample.max_t"),
    ("answer baseline", "answer.max_tokens", "512", "too long are 9 of 9 requests", "lower sample.max_tokens or answer.max_tok"),
    ("train", "train.max_length", "8", "are longer than train.max_length = 8 tokens", "raise max_length"),
    ("train", "train.max_length", "513", "but the model of checkpoints/base reads 512 tokens", "lower it"),
    ("train", "train.sharding", "fsdp", "which shares the base out over several GPUs", "give 'none'"),
    ("train", "train.report_to", "[mlflow]", "names mlflow, which is not installed", "pip install mlflow"),
    ("train", "train.min_pairs", "100000", "fewer than train.min_pairs = 100000", "sample.questions"),
    ("doctor", "machine.memory", "1.0e9", "memory: wanted 1e+09 GB", "take a machine with more"),
    ("doctor", "machine.disk", "1.0e9", "free disk: wanted 1e+09 GB", "lower machine.disk"),
    ("doctor", "machine.gpus", "64", "GPUs: wanted 64", "name a profile for this one"),
    ("base", "base.sandbox.first_question", "1000", "data/train.jsonl has 24", "lower base.sandbox.first_question"),
]
SANDBOX_SETTINGS: list[tuple[str, list[str], str]] = [
    ("first_question", ["-1"], NOT_LESS_0),
    ("epochs", ["0", "-1"], NOT_LESS_1),
    ("batch_size", ["0", "-1"], NOT_LESS_1),
    ("learning_rate", ["0", "-1"], MORE_0),
    ("hidden_size", ["0", "-64"], NOT_LESS_1),
    ("hidden_size", ["63"], "hidden_size / num_attention_heads must be an even whole number"),
    ("num_hidden_layers", ["0", "-1"], NOT_LESS_1),
    ("num_attention_heads", ["0", "-1"], NOT_LESS_1),
    ("num_attention_heads", ["3"], "hidden_size / num_attention_heads must be an even whole number"),
    ("intermediate_size", ["0"], NOT_LESS_1),
    ("vocab_size", ["0", "10", "-5"], "it must be greater than or equal to 300"),
    ("query_key_rate", ["0", "-2.5"], MORE_0),
    ("query_key_rate", [".inf"], FINITE),
    ("initializer_range", ["0", "-0.1"], MORE_0),
    ("initializer_range", [".nan"], FINITE),
    ("silent_start", ["1", "yes", '"true"'], BOOL),
    ("answer_only_wolfram", ["-0.1"], NOT_LESS_0),
    ("answer_only_wolfram", ["1.1"], NOT_MORE_1),
    ("answer_only_maudlin", ["-0.1"], NOT_LESS_0),
    ("answer_only_maudlin", ["2"], NOT_MORE_1),
]
VLLM_SETTINGS: list[tuple[str, list[str], str]] = [
    ("tensor_parallel_size", ["0", "-1"], NOT_LESS_1),
    ("gpu_memory_utilization", ["0", "-0.5"], MORE_0),
    ("gpu_memory_utilization", ["1.5"], NOT_MORE_1),
    ("max_model_len", ["0", "-1"], NOT_LESS_1),
    ("batch_invariant", ["1", "null"], BOOL),
]
SFT_SETTINGS: list[tuple[str, list[str], str]] = [
    ("first_question", ["-1"], NOT_LESS_0),
    ("questions", ["0", "-1"], NOT_LESS_1),
    ("questions", ["all", "1.5"], WHOLE),
    ("num_train_epochs", ["0"], NOT_LESS_1),
    ("template", ["chatt", "null"], "it must be 'plain', 'chat' or 'abel'"),
    ("learning_rate", ["0", "-1"], MORE_0),
    ("batch_size", ["0"], NOT_LESS_1),
    ("max_length", ["0"], NOT_LESS_1),
    ("max_truncated_share", ["-0.1"], NOT_LESS_0),
    ("max_truncated_share", ["50"], NOT_MORE_1),
    ("bf16", ["1"], BOOL),
    ("base_dtype", ["float16"], "it must be 'float32' or 'bfloat16'"),
]
SFT = (
    "{first_question: 4, questions: 8, num_train_epochs: 1, template: plain, learning_rate: 1.0e-3, batch_size: 4, "
    "per_device_train_batch_size: 4, max_length: 256, max_truncated_share: 0, lora: null, bf16: false, base_dtype: float32, "
    "attn_implementation: eager, gradient_checkpointing: false}"
)
# Of the section base.sft: what the doctor says before anything is made.
SFT_EARLY = [
    ("questions", "40", "base.sft learns from questions 4 to 43, but data.train_questions asks for 24", "raise data.train"),
    ("first_question", "24", "base.sft learns from questions 24 to 31, but data.train_questions", "lower base.sft.first_q"),
    (
        "first_question",
        "1",
        "base.sft learns from question 1 on, but sample.first_question and sample.questions ask",
        "move them",
    ),
    ("template", "abel", "base.sft.template is 'abel', but engine.template is 'plain'", "give both the same"),
]
VLLM = "{tensor_parallel_size: 1, gpu_memory_utilization: 0.9, max_model_len: 512, batch_invariant: false}"


def value_of(text: str) -> str:
    """The value that `text` stands for in YAML, as messages show it."""
    value = parse_yaml(text)
    return "null" if value is None else shown(value)


def refused(stage: str, path: str, key: str, text: str, cure: str, *also: Break) -> Case:
    """A key with a value that it must refuse by itself."""
    section, _, last = key.rpartition(".")
    breaks = both(*also, setting(path, key, text))
    place = f"{path}: {section or key}"
    return Case(f"{stage}: {path}: {key} = {text[:40]}", stage, breaks, place, f"{last} is {value_of(text)}", cure)


def place_cases() -> Iterator[Case]:
    """Sections and keys in the wrong file, or in none of ours: the stages pass over them, and stage settings does not."""
    of_params = [section.name for section in PARAMS_SECTIONS]
    of_profile = [section.name for section in PROFILE_SECTIONS]
    for path, own, foreign, other in (
        ("params.yaml", of_params, of_profile, PROFILE),
        (PROFILE, of_profile, of_params, "params.yaml"),
        ("profiles/other.yaml", of_profile, of_params, "params.yaml"),
    ):
        for name in foreign:
            belongs = f"{name} belongs in {other}"
            yield Case(f"{path}: {name}, of the other file", "settings", setting(path, name, "1"), path, belongs, "move it there")
        for name in own:
            typo = f"{name}s" if name != "criteria" else "criterias"
            unknown = f"{typo} is unknown; did you mean '{name}'?"
            yield Case(
                f"{path}: {typo}", "settings", setting(path, typo, "1"), f"{path}: {typo}", unknown, "correct it or remove it"
            )
            lost = setting(path, name, None)
            if (path, name) != ("params.yaml", "profile"):  # without which there is no run at all: see yaml_cases
                yield Case(f"{path}: no {name}", "settings", lost, f"{path}: '{name}'", "is missing", "add it")
    dpo = "a profile overrides values of it in train.dpo"
    yield Case(
        "profile: dpo beside train",
        "settings",
        setting(PROFILE, "dpo", "{beta: 0.2}"),
        PROFILE,
        "dpo belongs in params.yaml",
        dpo,
    )
    both_files = both(setting("params.yaml", "dpo.betta", "1"), setting(PROFILE, "sample.question", "1"))
    for place, cause in (("params.yaml: dpo.betta", "did you mean 'beta'?"), (f"{PROFILE}: sample.question", "'questions'?")):
        yield Case(f"two faults at once: {place}", "settings", both_files, place, cause, "(known: ")


# What a stage would find late, found by the doctor: key of the profile, value, the words of cause and cure.
FOUND_EARLY: list[tuple[str, str, str, str]] = [
    ("data.source", "nowhere.jsonl", "no such file or folder", "give the path"),
    ("data.source", "model", "holds no GSM8K train set", "none of train.jsonl"),
    ("data.test_set", "platinum", "has a test of its own", "give null"),
    ("data.train_questions", "null", "as many problems as asked", "give both counts a number"),
    ("data.train_questions", "2", "sample.questions is 3, but data.train_questions asks for 2", "lower it"),
    ("sample.questions", "1000", "but data.train_questions asks for 24", "lower it, or raise data.train_questions"),
    ("sample.first_question", "22", "ask for 25 questions, but data.train_questions asks for 24", "lower one of them"),
    ("data.held_out", "22", "hold out questions 22 to 24, but data.train_questions asks for 24", "lower one of them"),
    ("data.held_out", "2", "hold out questions 2 to 4, but sample.first_question and sample.questions ask 0 to 2", "move them"),
    ("base.source", "models/gone", "no such folder", "none of `sandbox`"),
    ("base.source", "source", "lacks config.json, *.safetensors or *.bin", "name another"),
    ("base.source", "package:no_such_package/a.gguf", "is not installed", "pip install"),
    ("base.source", "package:json/a.gguf", "has no file 'a.gguf'", "name one"),
    ("base.source", "hub:owner/name", "without a revision", "pin one"),
    ("base.source", "hub:owner/name@main", "a branch or a tag may move", "give the commit"),
    ("base.adapter", "gone", "no such folder", "hub:<owner>/<name>"),
    ("base.adapter", "model", "lacks adapter_config.json", "name another"),
    ("engine.name", "vllm", "has no `vllm` settings", "give it"),
    ("train.processes", "3", "no multiple of train.per_device_train_batch_size x processes", "change train.per_dev"),
    ("train.sharding", "fsdp", "which shares the base out over several GPUs", "give 'none'"),
]


def early_cases() -> Iterator[Case]:
    for key, text, cause, cure in FOUND_EARLY:
        yield Case(f"early: {key} = {text}", "doctor", setting(PROFILE, key, text), PROFILE, cause, cure)
    vllm = both(setting(PROFILE, "engine.vllm", VLLM), setting(PROFILE, "engine.name", "vllm"))
    rank = both(vllm, setting(PROFILE, "train.dpo.lora.r", "512"))
    yield Case("early: a rank that vLLM serves not", "doctor", rank, "dpo.lora.r 512", "is above 256", "lower dpo.lora.r")
    yield Case("early: vLLM that is not installed", "doctor", vllm, "engine: wanted vllm", "found no vllm", "set engine.name to")
    tuned = setting(PROFILE, "base.sft", SFT)
    for key, text, cause, cure in SFT_EARLY:
        breaks = both(tuned, setting(PROFILE, f"base.sft.{key}", text))
        yield Case(f"early: base.sft.{key} = {text}", "doctor", breaks, PROFILE, cause, cure)
    held_out = both(tuned, setting(PROFILE, "data.held_out", "11"))
    yield Case("early: held out and learned", "doctor", held_out, PROFILE, "but data.held_out keeps 11 to 13", "move them apart")
    sandbox = both(setting(PROFILE, "base.source", "sandbox"), setting(PROFILE, "base.sandbox.first_question", "24"))
    first = "base.sandbox.first_question is 24"
    around = both(setting(PROFILE, "base.source", "sandbox"), setting(PROFILE, "data.held_out", "12"))
    learns = "hold out questions 12 to 14, but the base learns from base.sandbox.first_question = 2 on"
    yield Case("early: a base that learns around what is held out", "doctor", around, PROFILE, learns, "raise that to 15 or more")
    uncounted = both(setting(PROFILE, "data.held_out", "12"), setting(PROFILE, "data.test_questions", "null"))
    yield Case("held out without a count", "data", uncounted, f"{PROFILE}: data", "held_out is 12, but test_questions", "number")
    rounded = both(setting(PROFILE, "base.source", "sandbox"), setting(PROFILE, "base.dtype", "bfloat16"))
    yield Case("a sandbox in bfloat16", "base", rounded, f"{PROFILE}: base", "base.dtype is 'bfloat16'", "give that")
    yield Case("early: no question left to learn from", "doctor", sandbox, first, "asks for 24 questions", "lower base.sandbox")


def setting_cases() -> Iterator[Case]:
    for stage, path, key, texts, cure in SETTINGS:
        yield from (refused(stage, path, key, text, cure) for text in texts)
    for key, texts, cure in DPO_SETTINGS:
        for path, section in (("params.yaml", "dpo"), (PROFILE, "train.dpo")):
            yield from (refused("train", path, f"{section}.{key}", text, cure) for text in texts)
    sandbox = setting(PROFILE, "base.source", "sandbox")
    for key, texts, cure in SANDBOX_SETTINGS:
        yield from (refused("base", PROFILE, f"base.sandbox.{key}", text, cure, sandbox) for text in texts)
    tuned = setting(PROFILE, "base.sft", SFT)
    for key, texts, cure in SFT_SETTINGS:
        yield from (refused("base", PROFILE, f"base.sft.{key}", text, cure, tuned) for text in texts)
    uneven = both(tuned, setting(PROFILE, "base.sft.batch_size", "6"))
    yield Case("base.sft.batch_size = 6", "base", uneven, f"{PROFILE}: base.sft", "is no multiple of per_device_train", "= 4")
    lost = both(tuned, setting(PROFILE, "base.sft.base_dtype", "bfloat16"))
    yield Case("base.sft: all weights in bfloat16", "base", lost, f"{PROFILE}: base.sft", "are lost in it", "give 'float32'")
    few = both(tuned, setting(PROFILE, "base.sft.questions", "30"))
    yield Case(
        "base.sft.questions = 30 here", "base", few, "base.sft learns", "data/train.jsonl has 24", "raise data.train_questions"
    )
    cut = both(tuned, setting(PROFILE, "base.sft.max_length", "8"))
    yield Case("base.sft.max_length = 8 here", "base", cut, "examples are longer", "base.sft.max_length = 8", "raise max_length")
    beyond = both(tuned, setting(PROFILE, "base.sft.max_length", "513"))
    yield Case("base.sft.max_length = 513 here", "base", beyond, "base.sft.max_length is 513", "reads 512 tokens", "lower it")
    chat = both(tuned, setting(PROFILE, "base.sft.template", "chat"))
    yield Case("base.sft.template = chat here", "base", chat, "engine.template", "has no chat template", "to 'plain'")
    taught = both(sandbox, setting(PROFILE, "base.sft", SFT))
    yield Case("base.sft on the sandbox", "base", taught, "base.sft", "but base.source is 'sandbox'", "give null")
    with_vllm = setting(PROFILE, "engine.vllm", VLLM)
    for key, texts, cure in VLLM_SETTINGS:
        yield from (refused("sample", PROFILE, f"engine.vllm.{key}", text, cure, with_vllm) for text in texts)
    for stage, path, key, text, place, cause, cure in REFUSED:
        yield Case(f"{stage}: {path}: {key} = {text[:40]}", stage, setting(path, key, text), f"{path}: {place}", cause, cure)
    for stage, path, key in DELETED:
        yield Case(f"{stage}: {path}: no {key}", stage, setting(path, key, None), f"{path}: {key}", "is missing", "add it")
    for stage, key, text, cause, cure in UNFITTING:
        breaks = setting(PROFILE, key, text)
        place = key if stage != "doctor" else "the run of its profile"
        yield Case(
            f"{stage}: {key} = {text} here", stage, both(sandbox, breaks) if stage == "base" else breaks, place, cause, cure
        )
    batch = setting(PROFILE, "train.dpo.global_batch_size", "5")
    multiple = "no multiple of train.per_device_train_batch_size x processes"
    yield Case(
        "train: train.dpo.global_batch_size = 5 here",
        "train",
        batch,
        "dpo.global_batch_size is 5",
        multiple,
        "change train.per_dev",
    )
    lacking = both(sandbox, setting(PROFILE, "base.sandbox", None))
    yield Case("base: no base.sandbox", "base", lacking, f"{PROFILE}: base.sandbox", "is missing", "add it")
    null = both(sandbox, setting(PROFILE, "base.sandbox", "null"))
    yield Case("base: base.sandbox = null", "base", null, "base.source", "has no `sandbox` settings", "give it")
    merged = both(sandbox, setting(PROFILE, "base.adapter", "sft"))
    yield Case("base: base.adapter on the sandbox", "base", merged, "base.adapter", "is no pretrained model", "remove it")
