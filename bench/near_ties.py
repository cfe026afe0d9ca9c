"""How far rounding moves logits when only the batch around a row changes, against the margins of a near-tie.

    python -m bench.near_ties [checkpoint] [data/test.jsonl]

Prints the greatest difference of a logit, and of a cumulative probability at temperature 0.2, between rows decoded
alone and the same rows in padded batches; both must lie well below the margins of the engine.
"""

import sys
from pathlib import Path

import torch

from src.engines.templates import PLAIN_ENDING, encode_prompt
from src.engines.transformers_engine import NEAR_TIE_LOGIT, NEAR_TIE_PROBABILITY, TransformersEngine
from src.records import read_records
from src.regime_w.arms import canonical_prompt

ROWS = 64
TEMPERATURE = 0.2


@torch.inference_mode()
def main() -> None:
    checkpoint = Path(sys.argv[1] if len(sys.argv) > 1 else "checkpoints/base")
    questions = read_records(Path(sys.argv[2] if len(sys.argv) > 2 else "data/test.jsonl"), "question")[:ROWS]
    engine = TransformersEngine(checkpoint, batch_size=ROWS)
    prompts = [encode_prompt(engine.tokenizer, canonical_prompt(q["question"]) + PLAIN_ENDING) for q in questions]
    width = max(map(len, prompts)) + 40
    padding = [width - len(prompt) for prompt in prompts]
    tokens = torch.tensor([[engine.tokenizer.pad_token_id] * pad + p for pad, p in zip(padding, prompts, strict=True)])
    mask = torch.tensor([[0] * pad + [1] * len(p) for pad, p in zip(padding, prompts, strict=True)])
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    together = engine.model(input_ids=tokens, attention_mask=mask, position_ids=positions).logits[:, -1]
    alone = torch.cat([engine.model(input_ids=torch.tensor([prompt])).logits[:, -1] for prompt in prompts])
    logit = (together - alone).abs().max().item()
    cumulative = [(logits.double() / TEMPERATURE).softmax(-1).cumsum(-1) for logits in (together, alone)]
    probability = (cumulative[0] - cumulative[1]).abs().max().item()
    print(f"logit        moved {logit:.1e}, margin {NEAR_TIE_LOGIT:.0e}: {NEAR_TIE_LOGIT / logit:,.0f} times")
    times = NEAR_TIE_PROBABILITY / probability
    print(f"probability  moved {probability:.1e}, margin {NEAR_TIE_PROBABILITY:.0e}: {times:,.0f} times")


if __name__ == "__main__":
    main()
