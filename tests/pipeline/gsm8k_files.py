"""GSM8K and GSM8K-Platinum as files of their layout, with problems of our own."""

import json
from pathlib import Path

from src.sources.sandbox.problems import make_split


def write_gsm8k(folder: Path) -> None:
    """40 problems to train, 20 to test, 18 of them in Platinum."""
    folder.mkdir()
    train, test = make_split("train", 40), make_split("test", 20)
    for name, rows in (("gsm8k_train", train), ("gsm8k_test", test), ("gsm8k_platinum_test", test[:18])):
        status = {"cleaning_status": "consensus"} if name == "gsm8k_platinum_test" else {}
        lines = [json.dumps({"question": row.question, "answer": row.answer} | status) for row in rows]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
