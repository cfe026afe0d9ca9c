"""Text generation with transformers whose texts do not depend on batch size, order or company.

choosing.py has how a token is chosen, writing.py how a batch is kept full, slots.py where keys and values are, attention.py how
they are read.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from src.engines.attention import read_keys_in_place
from src.engines.choosing import Strand
from src.engines.interface import Completion, Request, refuse_doubled_keys
from src.engines.lengths import check_lengths, token_limit
from src.engines.slots import refuse_other_caches
from src.engines.writing import Writer
from src.models.checkpoints import add_adapter, check_tokens, own_checkpoint, read_model, read_tokenizer
from src.models.encoding import encode_prompt


class TransformersEngine:
    """A model folder (and optionally a LoRA adapter folder on top) that answers requests.

    batch_size   requests written together; moves speed and memory
    dtype        of weights and passes. In float32 the choice between near-ties is made exact, and a text depends on
                 its request alone; in bfloat16 rounding is a thousand times coarser than the near-ties that could be
                 found, and company may change a text.
    Runs on the GPU where there is one.
    """

    def __init__(
        self, model_folder: Path, batch_size: int, dtype: torch.dtype = torch.float32, adapter_folder: Path | None = None
    ) -> None:
        base = own_checkpoint(model_folder, "base")
        self.tokenizer = read_tokenizer(base)
        self.limit = token_limit(base, vllm=None)
        model = read_model(base, dtype)
        refuse_other_caches(model)
        check_tokens(model, self.tokenizer, base)
        if adapter_folder is not None:
            model = add_adapter(model, own_checkpoint(adapter_folder, "train")).merge_and_unload()
        read_keys_in_place(model)
        self.model = model.eval().to("cuda" if torch.cuda.is_available() else "cpu")
        self.batch_size = batch_size

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Yield a completion for each request as its text ends; raises InputError for a doubled key.

        Likewise, before any text is written, for prompt and completion that are longer than the model's positions.
        """
        refuse_doubled_keys(requests)
        asked: dict[str, list[Request]] = {}
        for request in requests:
            asked.setdefault(request.prompt, []).append(request)
        strands = [Strand(same, encode_prompt(self.tokenizer, prompt)) for prompt, same in asked.items()]
        tokens_of = {strand.requests[0].prompt: len(strand.prompt) for strand in strands}
        check_lengths(requests, [tokens_of[request.prompt] for request in requests], self.limit)
        # Prompts of like length are read together, so that little of a pass is padding. The longest come first: memory
        # that does not suffice shows at once, and the last rows, which leave the batch ever emptier, are short ones.
        strands.sort(key=lambda strand: (len(strand.prompt), strand.requests[0].key), reverse=True)
        yield from Writer(self.model, self.tokenizer, self.batch_size).write(strands)
