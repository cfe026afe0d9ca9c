"""The deployment guide's one-liners, as docs/inspect.md has them, on the files of a run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from src.regime_w.arms import ARM_NAMES
from tests.ops.small_records import write_small_records

ROOT = Path(__file__).parents[1]


def test_the_one_liners_of_the_guide_work_on_our_files(tmp_path):
    """Each block of the page in one shell, on the files of a small run; its last lines are of the repository's code."""
    section = (ROOT / "docs/inspect.md").read_text().split("## The guide's one-liners")[1]
    blocks = re.findall(r"```sh\n(.*?)```", section, flags=re.S)
    write_small_records(tmp_path)
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "params.yaml", tmp_path)
    # `python3` is that of the tests, as in an activated environment.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    if shutil.which("jq", path=path) is None:
        blocks = [re.sub(r".*\| jq .*\n", "", block) for block in blocks]
    environment = os.environ | {"PATH": path}
    done = [
        subprocess.run(["bash", "-euc", block], cwd=tmp_path, env=environment, capture_output=True, text=True) for block in blocks
    ]
    assert [(one.returncode, one.stderr) for one in done] == [(0, "")] * 3
    rollouts, preferences, code = (one.stdout for one in done)
    assert rollouts.startswith("1 data/regime_w_rollouts.jsonl\n{\n") and f"per question: 11\nArms: {list(ARM_NAMES)}" in rollouts
    assert rollouts.endswith("Has arm_name field: True\n")
    assert preferences == "1 data/coherence_preferences.jsonl\nCorrectness pairs: 1\nCoherence pairs: 0\nTotal: 1\n"
    marks = "" if "jq" not in "".join(blocks) else "1\n2\n"
    assert code.startswith(f"{marks}11\n  learning_rate: ") and "def s_cf_for_question" in code
