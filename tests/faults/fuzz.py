"""Coverage-guided fuzzing of answers, records, params and profiles: python -m tests.faults.fuzz --seconds 60

Atheris mutates inputs towards code that none before has run, and checks of each what tests/faults/targets.py says.
Every target has a process of its own, as many at a time as there are cores. The folder keeps the corpus, from which
the next run goes on, and each failing input as a text with its error. Exit status 1 if any target failed.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from subprocess import PIPE, STDOUT

from tests.faults.memory import memory_folder

TARGETS = {name: f"tests.faults.targets:fuzz_{name}" for name in ("answers", "records", "params", "profiles")}
SECONDS_OF_ONE_INPUT = 20  # more is a hang: none here needs a tenth of a second
LONGEST_INPUT = 4096  # bytes; how time grows with longer ones is measured in test_properties.py
MEMORY = 4096  # MiB of one process, so that an input that fills the memory is found too

# What random bytes would seldom hit upon.
WORDS = (
    "Answer:", "####", "Final answer:", "Question:", "</s>", "<|im_end|>", "\\frac{", "\\boxed{", "\\text{", "\\times 10^",
    "1,000", "1/3", "e9", "½", "\u2212", "\u200b", "\u2028", "NaN", "1e999", '"id":', '"gold":', '"text":', "\\ud800", "null",
    "!!int ", "!!bool ", "!!timestamp ", "2001-01-01", "&a ", "*a", "<<: ", "%YAML 1.1\n---\n", "1e-5", "0x", "0o", ".inf", "- ",
)  # fmt: skip
# From INITED on, which tells what the corpus reached in the beginning.
STATUS = re.compile(r"^#(\d+)\s+(?!pulse)\w+\s+cov: (\d+) ft: \d+ corp: (\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    target: str
    executions: int
    coverage: tuple[int, int]  # edges of the code that the corpus reached in the beginning and in the end
    corpus: tuple[int, int]  # inputs, likewise
    failure: Path | None  # the failing input and its error, as text

    def __str__(self) -> str:
        return (
            f"{self.target:9}{self.executions:>10,} executions, coverage {self.coverage[0]:,} → {self.coverage[1]:,}, "
            f"corpus {self.corpus[0]:,} → {self.corpus[1]:,}, {f'FAILED: {self.failure}' if self.failure else 'no failure'}"
        )


def seeds(target: str) -> list[bytes]:
    """Inputs to begin with: good ones, as the pipeline meets them.

    Imports stand here, since `drive` must be the first to import what it watches.
    """
    if target == "answers":
        texts = [
            "so\nAnswer: 1,234.50",
            "a #### -7/3\n",
            "**Final answer:** \\(\\boxed{\\frac{7}{2}}\\)</s>",
            "Answer: 2 1/2 (or so)",
        ]
        return [text.encode() for text in texts]
    if target == "records":
        from src.core.records import to_json
        from tests.core.test_records import GOOD
        from tests.faults.targets import KINDS

        good = {kind: json.dumps(to_json(GOOD[kind])).encode() for kind in KINDS if kind in GOOD}
        return [bytes([KINDS.index(kind)]) + text for kind, text in good.items()]
    if target == "params":
        from tests.faults.targets import PARAMS, yaml_value

        (params,) = yaml_value(Path("params.yaml").read_text())
        return [bytes([number]) + json.dumps({name: params[name]}).encode() for number, name in enumerate(PARAMS)]
    return [bytes([place]) + value for place in range(0, 256, 4) for value in (b"1", b"0.5", b"text", b"null", b"[1, a]")]


def drive(check: str, folder: str, arguments: list[str]) -> None:
    """Fuzz `check` ("module:function" of bytes and a file to write) by libFuzzer's arguments. Never returns."""
    import atheris  # has a build for few machines, see requirements-dev.txt

    module, function = check.split(":")
    with atheris.instrument_imports(include=["src", "yaml", "pydantic", "tests"]):
        run_check = getattr(import_module(module), function)
    current, path = Path(folder) / "current", Path(folder) / "input"

    def run_one(data: bytes) -> None:
        current.write_bytes(data)  # first of all, so that it is known whatever ends the process
        run_check(data, path)

    atheris.Setup([sys.argv[0], *arguments], run_one)
    atheris.Fuzz()


def escaped(word: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word.encode())


def fuzz(target: str, check: str, beginning: list[bytes], seconds: int, folder: Path) -> Outcome:
    """Fuzz one target for so long, or until the first failure, in a process of its own."""
    corpus = folder / "corpus" / target
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(beginning):
        (corpus / f"seed-{number}").write_bytes(seed)
    words = folder / "words.txt"
    words.write_text("".join(f'"{escaped(word)}"\n' for word in WORDS))
    options = {
        "max_total_time": seconds,
        "timeout": SECONDS_OF_ONE_INPUT,
        "max_len": LONGEST_INPUT,
        "rss_limit_mb": MEMORY,
        "dict": words,
    }
    failure = folder / f"{target}-failure.txt"
    failure.unlink(missing_ok=True)
    with memory_folder() as work:
        arguments = [str(corpus), f"-artifact_prefix={work}/", *(f"-{key}={value}" for key, value in options.items())]
        command = f"from tests.faults.fuzz import drive; drive({check!r}, {str(work)!r}, {arguments!r})"
        ran = subprocess.run([sys.executable, "-c", command], stdout=PIPE, stderr=STDOUT, text=True, errors="backslashreplace")
        status = [[int(number) for number in line] for line in STATUS.findall(ran.stdout)]
        if not status:
            raise RuntimeError(f"the fuzzer of {target} did not start:\n{ran.stdout}")
        if ran.returncode:
            failing = (work / "current").read_bytes()
            failure.write_text(f"{check} of the input\n{failing!r}\n\n{ran.stdout[-10_000:]}")
    (_, coverage, inputs), (executions, coverage_then, inputs_then) = status[0], status[-1]
    return Outcome(target, executions, (coverage, coverage_then), (inputs, inputs_then), failure if ran.returncode else None)


def main() -> None:
    from src.core.command import command_line  # here, since `drive` must be the first to import what it watches

    parser = command_line("python -m tests.faults.fuzz", __doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default 60)")
    folder = Path(tempfile.gettempdir()) / "regime-w-fuzz"
    parser.add_argument("--folder", type=Path, default=folder, help=f"for corpus and failures (default {folder})")
    arguments = parser.parse_args()
    if find_spec("atheris") is None:
        sys.exit("error: atheris is not installed: pip install -r requirements-dev.txt (it is built for Linux on x86-64 only)")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = [
            pool.submit(fuzz, target, check, seeds(target), arguments.seconds, arguments.folder)
            for target, check in TARGETS.items()
        ]
        outcomes = []
        for run in runs:
            outcomes.append(run.result())
            print(outcomes[-1], flush=True)
    sys.exit(any(outcome.failure for outcome in outcomes))


if __name__ == "__main__":
    main()
