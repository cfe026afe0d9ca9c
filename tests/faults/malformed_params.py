"""Malformed params.yaml and profiles, and every setting out of its range."""

import gzip
from collections.abc import Iterator

from tests.faults.breaking import (
    PROFILE,
    Break,
    Case,
    both,
    changed,
    folder_instead,
    pipe_instead,
    setting,
    whole,
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


def yaml_cases() -> Iterator[Case]:
    for path, stage in STAGE_OF.items():
        section = "scoring" if path == "params.yaml" else "base"

        def case(name: str, breaks: Break, cause: str, cure: str, at: str = "", path=path, stage=stage) -> Case:
            return Case(f"{path}: {name}", stage, breaks, path + at, cause, cure)

        def after(text: bytes, path=path) -> Break:
            return changed(path, lambda content: content.rstrip(b"\n") + b"\n" + text)

        yield case("empty", whole(path, b""), "is empty", "restore it from Git")
        yield case("comments alone", whole(path, b"# nothing\n"), "is empty", "restore it from Git")
        yield case("a list", whole(path, b"- 1\n"), "holds list, not sections by name", "restore it from Git")
        yield case("a text", whole(path, b"hello\n"), "holds str, not sections by name", "restore it from Git")
        yield case("a tab", after(b"x:\n\ty: 1\n"), "broken YAML: found character '\\t'", "mend the line", ":")
        yield case("a bracket left open", after(b"x: [1\ny: 2\n"), "broken YAML", "mend the line", ":")
        yield case("a quote left open", after(b'x: "1\n'), "broken YAML", "mend the line", ":")
        yield case("a section twice", after(section.encode() + b": {}\n"), "found duplicate key", "mend the line", ":")
        yield case(
            "a Python object", after(b'x: !!python/object/apply:os.system ["true"]\n'), "broken YAML", "mend the line", ":"
        )
        yield case("an unknown tag", after(b"x: !secret 1\n"), "broken YAML", "mend the line", ":")
        yield case("an alias of nothing", after(b"x: *nothing\n"), "found undefined alias", "mend the line", ":")
        yield case("two documents", after(b"---\nx: 1\n"), "found another document", "mend the line", ":")
        yield case("YAML 9", changed(path, lambda c: b"%YAML 9.1\n---\n" + c), "version 1.* is required", "mend the line", ":1")
        yield case("NUL", after(b"x: \0\n"), "unacceptable character #x0000", "mend that place")
        yield case("not UTF-8", after(b"x: \xff\n"), "not UTF-8 at byte", "save it as UTF-8")
        yield case("UTF-16", changed(path, lambda c: c.decode().encode("utf-16")), "not UTF-8 at byte 1", "save it as UTF-8")
        yield case("gzip", changed(path, gzip.compress), "not UTF-8", "save it as UTF-8")
        yield case("deep brackets", after(b"x: " + b"[" * 5000 + b"]" * 5000 + b"\n"), "nested too deep", "mend the file")
        yield case("a bomb of aliases", after(bomb(12)), "stand for more than 100,000 values", "write them out")
        yield case("a bomb of merges", after(merging_bomb(12)), "stand for more than 100,000 values", "write them out")
        yield case("5,000 digits", after(b"x: " + b"9" * 5000 + b"\n"), "a value that cannot be read", "mend it")
        yield case("month 13", after(b"x: 2020-13-01\n"), "a value that cannot be read", "mend it")
        yield case("!!bool maybe", after(b"x: !!bool maybe\n"), "a value that cannot be read", "mend it")
        yield case("!!int x", after(b"x: !!int x\n"), "a value that cannot be read", "mend it")
        yield case("the section is gone", setting(path, section, None), f"'{section}' is missing", "add it")
        yield case("the section is empty", setting(path, section, ""), f"{section} is empty (null)", "a section with the keys")
        yield case("the section is a list", setting(path, section, "[1]"), f"{section} is [1]", "a section with the keys")
        yield case("an unknown key", setting(path, f"{section}.sorce", "1"), f"{section}.sorce is unknown", "(known: ")
        yield case("a key that is a list", setting(path, section, "{? [1] : 2}"), f"{section}.(1,) is unknown", "(known: ")
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
    yield profile("null", "null", "profile is empty (null)", "it must be a text")
    yield profile("a number", "3", "profile is 3, of type int", "it must be a text")
    yield profile("missing", None, "'profile' is missing", "add it")


# --- single settings ---

WHOLE, NUMBER, TEXT = "it must be a whole number", "it must be a finite number", "it must be a text"
NOT_LESS_0, NOT_LESS_1, MORE_0 = "give 0 or more", "give 1 or more", "give more than 0"
WITHIN, BETWEEN = "give 0 to 1", "give more than 0 and less than 1"
LEVEL = "give more than 0 and at most 0.999999"
SEED = "give a whole number from 0 to 2**32 - 1"

# stage, file, key, values that it must refuse, and the cure
SETTINGS: list[tuple[str, str, str, list[str], str]] = [
    ("sample", "params.yaml", "seed", ["-1", "4294967296", "9" * 400], SEED),
    ("base", "params.yaml", "seed", ["-1", "4294967296"], SEED),
    ("train", "params.yaml", "seed", ["-1", "4294967296"], SEED),
    ("report", "params.yaml", "seed", ["-1", "4294967296"], SEED),
    ("sample", "params.yaml", "seed", ["1.5", "true", '"0"', "null", "[0]", ".nan", "0x", "2020-01-02"], WHOLE),
    ("report", "params.yaml", "policy", ["basline", "true", "null", "[baseline]"], "one of 'baseline', 'coherence'"),
    ("sample", "params.yaml", "arms.variance_temperatures", ["[]", "[0.2]", "[1, 2, 3]", "[1, 2, 3, 4, 5]"], "give exactly 4"),
    ("sample", "params.yaml", "arms.variance_temperatures", ["[0.2, 0.3, 0.4, -1]"], "a finite number, 0 or more"),
    ("sample", "params.yaml", "arms.variance_temperatures", ["[1, 2, 3, .nan]", "[1, 2, 3, x]", "[1, 2, 3, 1e999]"], NUMBER),
    ("sample", "params.yaml", "arms.variance_temperatures", ["0.2", "{a: 1}", "null"], "it must be a list"),
    ("sample", "params.yaml", "arms.probe_temperature", ["-0.1"], "a finite number, 0 or more"),
    ("sample", "params.yaml", "arms.probe_temperature", [".inf", "warm", "true", "[0.2]"], NUMBER),
    ("sample", "params.yaml", "arms.seeds.wolfram", ["102", "100"], "move them apart"),
    ("sample", "params.yaml", "arms.seeds.maudlin_cf1", ["1000"], "move them apart"),
    ("sample", "params.yaml", "arms.seeds.wolfram_standard", ["-1", "9" * 400], "give a whole number from 0 to 2**32 - 1"),
    ("sample", "params.yaml", "arms.seeds.wolfram_standard", ["1.0", "x"], WHOLE),
    ("rollouts", "params.yaml", "scoring.weights.cf", ["-0.2"], "give a finite number, 0 or more"),
    (
        "rollouts",
        "params.yaml",
        "scoring.weights.cf",
        [".nan", ".inf", "1e999", "much", "true", '"0.2"', "[0.2]", "null"],
        NUMBER,
    ),
    ("rollouts", "params.yaml", "scoring.weights", ["{end: 0, path: 0, cf: 0, quality: 0}"], "more than 0 to one"),
    ("rollouts", "params.yaml", "scoring.path", ["{length: 0, overlap: 0}"], "more than 0 to one"),
    ("rollouts", "params.yaml", "scoring.quality", ["{conciseness: 0, alignment: 0}"], "more than 0 to one"),
    (
        "rollouts",
        "params.yaml",
        "scoring.weights",
        ["0.4", "[0.4, 0.2]", "null"],
        "a section with the keys end, path, cf, quality",
    ),
    ("prefs", "params.yaml", "prefs.prompt", ["canonic", "null", "1"], "one of 'canonical', 'own'"),
    ("prefs", "params.yaml", "prefs.max_correctness_pairs", ["-1"], "0 or more"),
    ("prefs", "params.yaml", "prefs.max_correctness_pairs", ["1.5", "true", "many", "null"], WHOLE),
    ("prefs", "params.yaml", "prefs.max_coherence_pairs", ["-4"], "0 or more"),
    ("prefs", "params.yaml", "prefs.min_reward_gap", ["-0.01"], "0 or more"),
    ("prefs", "params.yaml", "prefs.min_reward_gap", [".nan", ".inf", "small"], NUMBER),
    ("compare", "params.yaml", "compare.alpha", ["0", "1", "2", "-0.05"], BETWEEN),
    ("compare", "params.yaml", "compare.alpha", [".nan", '"0.05"', "true", "null"], NUMBER),
    ("compare", "params.yaml", "compare.confidence", ["0", "1", "1.5", "-1", "0.99999999999999989"], LEVEL),
    ("compare", "params.yaml", "compare.confidence", [".inf", "95%", "null"], NUMBER),
    ("report", "params.yaml", "criteria.least_pairs", ["-1"], NOT_LESS_0),
    ("report", "params.yaml", "criteria.least_pairs", ["6000"], "least_pairs is 6000, more than most_pairs"),
    ("report", "params.yaml", "criteria.most_pairs", ["1.5", "null"], WHOLE),
    ("report", "params.yaml", "criteria.correctness_share", ["-0.1", "1.1", "70"], WITHIN),
    ("report", "params.yaml", "criteria.share_tolerance", ["-0.1", "2"], WITHIN),
    ("report", "params.yaml", "criteria.least_gain", ["-2", "2"], "give -1 to 1"),
    ("data", PROFILE, "data.train_questions", ["1.5", "true", "all", "[1]"], WHOLE),
    ("base", PROFILE, "base.source", ["null", "3", "[model]", "true"], TEXT),
    ("base", PROFILE, "base.adapter", ["3", "[sft]"], TEXT),
    ("sample", PROFILE, "sample.questions", ["0", "-3"], NOT_LESS_1),
    ("sample", PROFILE, "sample.questions", ["1.5", "true", "all", "null"], WHOLE),
    ("sample", PROFILE, "sample.max_tokens", ["0", "-1"], NOT_LESS_1),
    ("sample", PROFILE, "sample.max_tokens", ["4.0", "null"], WHOLE),
    ("sample", PROFILE, "engine.name", ["transformer", "null"], "one of 'transformers', 'vllm'"),
    ("sample", PROFILE, "engine.template", ["chatt", "3"], "one of 'plain', 'chat', 'abel'"),
    ("sample", PROFILE, "engine.dtype", ["float16", "int8", "torch.float32", "null"], "one of 'float32', 'bfloat16'"),
    ("sample", PROFILE, "engine.batch_size", ["0", "-1"], NOT_LESS_1),
    ("sample", PROFILE, "engine.batch_size", ["1.5", "true"], WHOLE),
    ("sample", PROFILE, "engine.workers", ["0", "-1"], NOT_LESS_1),
    ("sample", PROFILE, "engine.workers", ["1.5", "two"], WHOLE),
    ("eval baseline", PROFILE, "engine.batch_size", ["0"], NOT_LESS_1),
    ("eval coherence", PROFILE, "engine.workers", ["-1"], NOT_LESS_1),
    ("eval baseline", PROFILE, "eval.max_tokens", ["0", "-1"], NOT_LESS_1),
    ("eval baseline", PROFILE, "eval.max_tokens", ["1.5", '"8"'], WHOLE),
    ("eval baseline", PROFILE, "eval.confidence", ["0", "1", "95", "-0.5"], LEVEL),
    ("eval baseline", PROFILE, "eval.confidence", [".nan", "null"], NUMBER),
    ("train", PROFILE, "train.learning_rate", ["0", "-5e-5"], MORE_0),
    ("train", PROFILE, "train.learning_rate", [".nan", ".inf", '"5e-5"', "null", "true"], NUMBER),
    ("train", PROFILE, "train.epochs", ["0", "-1"], NOT_LESS_1),
    ("train", PROFILE, "train.epochs", ["1.5", "null"], WHOLE),
    ("train", PROFILE, "train.beta", ["0", "-0.1"], MORE_0),
    ("train", PROFILE, "train.beta", [".nan"], NUMBER),
    ("train", PROFILE, "train.batch_size", ["0", "-4"], NOT_LESS_1),
    ("train", PROFILE, "train.global_batch_size", ["0", "-4"], NOT_LESS_1),
    ("train", PROFILE, "train.max_length", ["0", "-1", "1"], "give 2 or more"),
    ("train", PROFILE, "train.max_truncated_share", ["-0.1", "1.5", "50"], WITHIN),
    ("train", PROFILE, "train.precision", ["float16", "null"], "one of 'float32', 'bfloat16'"),
    ("train", PROFILE, "train.weights", ["int4"], "one of 'float32', 'bfloat16'"),
    ("train", PROFILE, "train.attention", ["flash"], "one of 'eager', 'sdpa'"),
    ("train", PROFILE, "train.gradient_checkpointing", ["1", "yes", '"true"'], "it must be true or false"),
    ("train", PROFILE, "train.processes", ["0", "-2"], NOT_LESS_1),
    ("train", PROFILE, "train.sharding", ["zero3"], "one of 'none', 'fsdp'"),
    ("train", PROFILE, "train.min_pairs", ["-1", "0"], NOT_LESS_1),
    ("train", PROFILE, "train.too_few_pairs", ["ignore"], "one of 'stop', 'report'"),
    ("train", PROFILE, "train.lora.r", ["0", "-8"], NOT_LESS_1),
    ("train", PROFILE, "train.lora.r", ["1.5"], WHOLE),
    ("train", PROFILE, "train.lora.alpha", ["0", "-8"], NOT_LESS_1),
    ("train", PROFILE, "train.lora.dropout", ["1.5", "-0.1", "1"], "give 0 or more and less than 1"),
    ("train", PROFILE, "train.lora", ["null", "16"], "a section with the keys r, alpha, dropout"),
    ("doctor", PROFILE, "machine.gpus", ["-1"], NOT_LESS_0),
    ("doctor", PROFILE, "machine.gpus", ["0.5", "eight"], WHOLE),
    ("doctor", PROFILE, "machine.memory", ["-1"], NOT_LESS_0),
    ("doctor", PROFILE, "machine.memory", [".inf", "64GB", "null"], NUMBER),
    ("doctor", PROFILE, "machine.hours.train", ["-1"], NOT_LESS_0),
    ("doctor", PROFILE, "machine.hours", ["3", "null"], "a section with the keys install, base, sample, train, eval"),
    ("doctor", PROFILE, "data.source", ["null", "3"], TEXT),
    ("doctor", PROFILE, "base.source", ["[x]"], TEXT),
]
# Values that are good in themselves, but not with the rest: stage, key, value, the words of cause and cure.
UNFITTING: list[tuple[str, str, str, str, str]] = [
    ("sample", "sample.questions", "1000", "but data/train.jsonl has 24", "lower it, or raise data.train_questions"),
    ("sample", "engine.name", "vllm", "has no `vllm` settings", "give it"),
    ("sample", "engine.template", "chat", "checkpoints/base has no chat template", "set engine.template to 'plain'"),
    ("eval baseline", "engine.template", "chat", "checkpoints/base has no chat template", "set engine.template to 'plain'"),
    ("train", "train.global_batch_size", "5", "no multiple of train.batch_size x processes", "change train.batch_size"),
    ("train", "train.max_length", "8", "are longer than train.max_length = 8 tokens", "raise max_length"),
    ("train", "train.sharding", "fsdp", "which shares the base out over several GPUs", "give 'none'"),
    ("train", "train.min_pairs", "100000", "fewer than train.min_pairs = 100000", "sample.questions"),
    ("doctor", "machine.memory", "1.0e9", "memory: wanted 1e+09 GB", "take a machine with more"),
    ("doctor", "machine.disk", "1.0e9", "free disk: wanted 1e+09 GB", "lower machine.disk"),
    ("doctor", "machine.gpus", "64", "GPUs: wanted 64", "name a profile for this one"),
    ("base", "base.sandbox.first_question", "1000", "data/train.jsonl has 24", "lower base.sandbox.first_question"),
]
SANDBOX_SETTINGS: list[tuple[str, list[str], str]] = [
    ("first_question", ["-1"], NOT_LESS_0),
    ("rounds", ["0", "-1"], NOT_LESS_1),
    ("batch_size", ["0", "-1"], NOT_LESS_1),
    ("learning_rate", ["0", "-1"], MORE_0),
    ("hidden_size", ["0", "-64"], NOT_LESS_1),
    ("hidden_size", ["63"], "hidden_size / heads must be an even whole number"),
    ("layers", ["0", "-1"], NOT_LESS_1),
    ("heads", ["0", "-1"], NOT_LESS_1),
    ("heads", ["3"], "hidden_size / heads must be an even whole number"),
    ("feed_forward_size", ["0"], NOT_LESS_1),
    ("vocabulary", ["0", "10", "-5"], "give 300 or more"),
    ("first_weights", ["0", "-0.1"], MORE_0),
    ("first_weights", [".nan"], NUMBER),
    ("terse_wolfram", ["-0.1", "1.1"], WITHIN),
    ("terse_maudlin", ["-0.1", "2"], WITHIN),
]
VLLM_SETTINGS: list[tuple[str, list[str], str]] = [
    ("tensor_parallel", ["0", "-1"], NOT_LESS_1),
    ("memory_share", ["0", "1.5", "-0.5"], "give more than 0 and at most 1"),
    ("max_length", ["0", "-1"], NOT_LESS_1),
    ("batch_invariant", ["1", "null"], "it must be true or false"),
]
VLLM = "{tensor_parallel: 1, memory_share: 0.9, max_length: 512, batch_invariant: false}"


def setting_cases() -> Iterator[Case]:
    for stage, path, key, texts, cure in SETTINGS:
        section, _, last = key.rpartition(".")
        for text in texts:
            place = f"{path}: {section.partition('.')[0] or key}"
            yield Case(f"{stage}: {key} = {text[:40]}", stage, setting(path, key, text), place, last, cure)
    sandbox = setting(PROFILE, "base.source", "sandbox")
    for key, texts, cure in SANDBOX_SETTINGS:
        for text in texts:
            breaks = both(sandbox, setting(PROFILE, f"base.sandbox.{key}", text))
            yield Case(f"base: base.sandbox.{key} = {text}", "base", breaks, f"{PROFILE}: base.sandbox", key, cure)
    for key, texts, cure in VLLM_SETTINGS:
        for text in texts:
            breaks = both(setting(PROFILE, "engine.vllm", VLLM), setting(PROFILE, f"engine.vllm.{key}", text))
            yield Case(f"sample: engine.vllm.{key} = {text}", "sample", breaks, f"{PROFILE}: engine.vllm", key, cure)
    for stage, key, text, cause, cure in UNFITTING:
        breaks = setting(PROFILE, key, text)
        place = key if stage != "doctor" else "the run of its profile"
        yield Case(
            f"{stage}: {key} = {text} here", stage, both(sandbox, breaks) if stage == "base" else breaks, place, cause, cure
        )
    lacking = both(sandbox, setting(PROFILE, "base.sandbox", None))
    yield Case("base: no base.sandbox", "base", lacking, "base.source", "has no `sandbox` settings", "give it")
    merged = both(sandbox, setting(PROFILE, "base.adapter", "sft"))
    yield Case("base: base.adapter on the sandbox", "base", merged, "base.adapter", "is no pretrained model", "remove it")
