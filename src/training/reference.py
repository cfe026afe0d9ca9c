"""What the base makes of each text, which DPO measures the policy against: computed once, and kept by content.

The base never changes, and experiments that change the optimiser, or the pairs by a few, ask for the same texts again. Texts of
like length are read together, always in as many rows of as many tokens: in tensors of one shape a row does not depend on the
others, so that a text's log-probability depends on the base and itself alone, and is the same whoever asks for it.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object

from src.core.journal import Dependencies, Journal, work_folder
from src.core.progress import Progress, stage_name
from src.training.few_shapes import rounded_up

STAGE = "reference"
WIDTH_STEP = 32  # tokens; the width of a row is a multiple of it
TOKENS = 2_048  # of the rows that the base reads at once, if one row has no more


@dataclass(frozen=True)
class ScoredText:
    """The tokens of a prompt and of the completion behind it."""

    prompt: tuple[int, ...]
    completion: tuple[int, ...]

    def key(self) -> str:
        """Thirty-two hexadecimal digits that no other text has."""
        return hashlib.blake2b(json.dumps([self.prompt, self.completion]).encode(), digest_size=16).hexdigest()

    @property
    def width(self) -> int:
        """Tokens of the row in which the base reads it."""
        return rounded_up(len(self.prompt) + len(self.completion), WIDTH_STEP)


def rows_of(width: int) -> int:
    """How many rows of so many tokens the base reads at once, empty ones among them."""
    return max(1, TOKENS // width)


def reference_log_probs(
    texts: Sequence[ScoredText], log_probs: Callable[[Sequence[ScoredText]], Sequence[float]], depends_on: Dependencies
) -> list[float]:
    """The log-probability of each completion behind its prompt, by the base, in nats.

    log_probs   asks the base for those of up to `rows_of(width)` texts of one width
    depends_on  what decides it
    Processes that train together share the work: all of them must call this with the same texts.
    """
    state = PartialState()
    with _journal(state, depends_on) as journal:
        [known] = broadcast_object_list([dict(journal.pieces) if journal is not None else None])
        wanted = {text.key(): text for text in texts}
        missing = [text for key, text in wanted.items() if key not in known]
        batches = _batches(missing)
        with _progress(state, len(wanted), len(wanted) - len(missing)) as progress:
            for begin in range(0, len(batches), state.num_processes):
                part = batches[begin : begin + state.num_processes]
                mine = part[state.process_index : state.process_index + 1]
                found = [(text.key(), value) for batch in mine for text, value in zip(batch, log_probs(batch), strict=True)]
                for key, value in gather_object(found):
                    known[key] = [value]
                    if journal is not None:
                        journal.add(key, [value])
                if progress is not None:
                    progress.update(sum(map(len, part)))
    return [known[text.key()][0] for text in texts]


def _batches(texts: Sequence[ScoredText]) -> list[list[ScoredText]]:
    """The texts by their widths, as many together as the base reads at once."""
    of_width: dict[int, list[ScoredText]] = defaultdict(list)
    for text in texts:
        of_width[text.width].append(text)
    return [
        same[begin : begin + rows_of(width)] for width, same in of_width.items() for begin in range(0, len(same), rows_of(width))
    ]


@contextmanager
def _journal(state: PartialState, depends_on: Dependencies) -> Iterator[Journal | None]:
    """What is known so far, held against other runs by the first process of all; None in the others."""
    if not state.is_main_process:
        yield None
        return
    with work_folder(STAGE, depends_on) as folder, Journal(folder / "texts.jsonl") as journal:
        yield journal


@contextmanager
def _progress(state: PartialState, total: int, done: int) -> Iterator[Progress | None]:
    if not state.is_main_process:
        yield None
        return
    with Progress(f"{stage_name('training')}, reference", total, "texts", done=done) as progress:
        yield progress
