"""How far rounding moves logits when only the batch around a row changes, against the margins of a near-tie.

    python -m bench.near_ties [checkpoint] [data/test.jsonl]

Prints the largest difference of a logit, and of the log-odds of a cumulative probability at temperature 0.2, between rows
decoded alone and the same rows in padded batches; both must lie well below the margins of the engine.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from src.core.command import command_line, run_command
from src.core.records import read_records
from src.models.encoding import PLAIN_ENDING, encode_prompt
from src.regime_w.arms import canonical_prompt
from src.regime_w.questions import Question

if TYPE_CHECKING:  # seconds to import, and `--help` needs none of it
    import torch

    from src.engines.transformers_engine import TransformersEngine

ROWS = 64
TEMPERATURE = 0.2


def logits_together(engine: "TransformersEngine", prompts: Sequence[list[int]]) -> "torch.Tensor":
    """(rows, vocabulary) of the last position, all prompts in one batch with padding before them."""
    import torch

    width = max(map(len, prompts)) + 40
    padding = [width - len(prompt) for prompt in prompts]
    tokens = torch.tensor([[engine.tokenizer.pad_token_id] * pad + p for pad, p in zip(padding, prompts, strict=True)])
    mask = torch.tensor([[0] * pad + [1] * len(p) for pad, p in zip(padding, prompts, strict=True)])
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    return engine.model(input_ids=tokens, attention_mask=mask, position_ids=positions).logits[:, -1]


def logits_alone(engine: "TransformersEngine", prompts: Sequence[list[int]]) -> "torch.Tensor":
    """Likewise, each prompt in a batch of its own."""
    import torch

    return torch.cat([engine.model(input_ids=torch.tensor([prompt])).logits[:, -1] for prompt in prompts])


def log_odds(logits: "torch.Tensor") -> "torch.Tensor":
    """Of the cumulative probabilities, (rows, vocabulary), 0 where the engine tells none apart: close to 0 and to 1."""
    from src.engines.choosing import NEAR_TIE_LEAST

    cumulative = (logits.double() / TEMPERATURE).softmax(dim=-1).cumsum(dim=-1)
    beside = (cumulative < NEAR_TIE_LEAST) | (cumulative > 1 - NEAR_TIE_LEAST)
    return cumulative.masked_fill(beside, 0.5).logit()


def compare(checkpoint: Path, questions: Sequence[Question]) -> None:
    """Print both differences beside their margins."""
    import torch

    from src.engines.choosing import NEAR_TIE_LOG_ODDS, NEAR_TIE_LOGIT
    from src.engines.transformers_engine import TransformersEngine

    engine = TransformersEngine(checkpoint, batch_size=ROWS)
    prompts = [encode_prompt(engine.tokenizer, canonical_prompt(q.question) + PLAIN_ENDING) for q in questions]
    with torch.inference_mode():
        together, alone = logits_together(engine, prompts), logits_alone(engine, prompts)
    logit = (together - alone).abs().max().item()
    odds = (log_odds(together) - log_odds(alone)).abs().max().item()
    for name, moved, margin in (("logit", logit, NEAR_TIE_LOGIT), ("log-odds", odds, NEAR_TIE_LOG_ODDS)):
        print(f"{name:<12} moved {moved:.1e}, margin {margin:.0e}: {margin / moved:,.0f} times")


def main() -> None:
    parser = command_line("python -m bench.near_ties", __doc__)
    parser.add_argument("checkpoint", type=Path, nargs="?", default=Path("checkpoints/base"))
    parser.add_argument("questions", type=Path, nargs="?", default=Path("data/test.jsonl"))
    arguments = parser.parse_args()
    compare(arguments.checkpoint, read_records(arguments.questions, Question)[:ROWS])


if __name__ == "__main__":
    run_command(main)
