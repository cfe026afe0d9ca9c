"""What the base makes of each text, which DPO measures the policy against: computed once, and kept by content.

The base never changes, and experiments that change the optimiser, or the pairs by a few, ask for the same texts again. Each text
is read alone, so that its log-probability depends on nothing but the base and itself, and is the same whoever asks for it.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object

from src.core.journal import Dependencies, Journal, work_folder
from src.core.progress import Progress, stage_name

STAGE = "reference"
BETWEEN_GATHERS = 64  # texts of each process; what a kill costs at most


@dataclass(frozen=True)
class ScoredText:
    """The tokens of a prompt and of the completion behind it."""

    prompt: tuple[int, ...]
    completion: tuple[int, ...]

    def key(self) -> str:
        """Thirty-two hexadecimal digits that no other text has."""
        return hashlib.blake2b(json.dumps([self.prompt, self.completion]).encode(), digest_size=16).hexdigest()


def reference_log_probs(
    texts: Sequence[ScoredText], log_prob: Callable[[ScoredText], float], depends_on: Dependencies
) -> list[float]:
    """The log-probability of each completion behind its prompt, by the base, in nats.

    log_prob    asks the base for that of one text
    depends_on  what decides it
    Processes that train together share the work: all of them must call this with the same texts.
    """
    state = PartialState()
    with _journal(state, depends_on) as journal:
        [known] = broadcast_object_list([dict(journal.pieces) if journal is not None else None])
        wanted = {text.key(): text for text in texts}
        missing = [key for key in wanted if key not in known]
        chunk = BETWEEN_GATHERS * state.num_processes
        with _progress(state, len(wanted), len(wanted) - len(missing)) as progress:
            for begin in range(0, len(missing), chunk):
                part = missing[begin : begin + chunk]
                mine = part[state.process_index :: state.num_processes]
                for key, value in gather_object([(key, log_prob(wanted[key])) for key in mine]):
                    known[key] = [value]
                    if journal is not None:
                        journal.add(key, [value])
                if progress is not None:
                    progress.update(len(part))
    return [known[text.key()][0] for text in texts]


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
