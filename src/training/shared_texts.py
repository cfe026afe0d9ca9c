"""Each prompt and each text of a batch of pairs goes through the model once, however many pairs hold it.

Both texts of a pair begin with one prompt, and the pairs of a question share prompts and texts; as pairs of like length stand in
one batch, and those are often of one question, six in ten of the sandbox's tokens are repeats, and more where a batch is of few
questions (train.group_by). So a batch is packed:

    prompt  text a  text b | prompt  text c  text d  text e
    prompt  text f  text g  text h | (padding)

Of all widths of such a batch the one is taken that costs the least, among few (src/training/few_shapes.py).
A token reads its own prompt and its own text, at the positions that it would have alone: its log-probability is what it would be
alone, but for rounding. TRL sees nothing of it, as it gets the log-probabilities of the batch that it gave.
"""

import functools
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel

from src.training.few_shapes import SCORED_STEP, rounded_up

IGNORED = -100  # the label of a token that is not scored
WIDTH_STEP = 64  # tokens; the width of a packed batch is a multiple of it
# Tokens. At this width the scores of attention, which each token has with its whole row, cost as much as all the rest: the
# sandbox's model took 139 ms for 2,560 tokens in rows of 80, and 171 ms in rows of 512.
WIDTH_OF_EQUAL_COST = 1_800
NOWHERE = -1  # the tree of padding


@dataclass(frozen=True)
class Tree:
    """A prompt, and the texts that follow it in the batch, each with its number among the different texts."""

    prompt: tuple[int, ...]
    texts: tuple[tuple[int, tuple[int, ...]], ...]

    @property
    def length(self) -> int:
        return len(self.prompt) + sum(len(text) for _, text in self.texts)


@dataclass(frozen=True)
class PackedBatch:
    """A batch as the model reads it, and the way back.

    input_ids   (rows, width) of prompts, each followed by its texts; 0 where nothing stands
    positions   (rows, width) of a token from the begin of its prompt
    may_read    (rows, 1, width, width) whether the token of the third place reads that of the fourth
    predictors  (scored,) flat places in input_ids whose outputs predict the tokens of the different texts, in turn; at the end
                some places 0, which make `scored` a multiple of SCORED_STEP
    targets     (scored,) those tokens; IGNORED at the end
    back        (texts, longest - 1) which of the scored is the token after each place of the batch; `scored` where none is
    """

    input_ids: torch.Tensor
    positions: torch.Tensor
    may_read: torch.Tensor
    predictors: torch.Tensor
    targets: torch.Tensor
    back: torch.Tensor


def pack(input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor) -> PackedBatch:
    """Pack a batch of texts, each a prompt of at least one token and a completion.

    input_ids       (texts, longest), padded on the right
    attention_mask  of the same shape, 1 over text
    labels          of the same shape, IGNORED over prompt and padding
    """
    parts = [
        (tuple(row[: length - scored]), tuple(row[length - scored : length]))
        for row, length, scored in zip(
            input_ids.tolist(), attention_mask.sum(dim=1).tolist(), (labels != IGNORED).sum(dim=1).tolist(), strict=True
        )
    ]
    different = {part: number for number, part in enumerate(dict.fromkeys(parts))}
    of_prompt: dict[tuple[int, ...], list[tuple[int, tuple[int, ...]]]] = {}
    for (prompt, text), number in different.items():
        of_prompt.setdefault(prompt, []).append((number, text))
    layout = _Layout([Tree(prompt, tuple(texts)) for prompt, texts in of_prompt.items()])
    starts = [0]
    for _, text in different:
        starts.append(starts[-1] + len(text))
    scored = rounded_up(starts[-1], SCORED_STEP)
    back = torch.full((len(parts), input_ids.shape[1] - 1), scored)
    for row, (prompt, text) in enumerate(parts):
        start, before = starts[different[prompt, text]], len(prompt) - 1
        back[row, before : before + len(text)] = torch.arange(start, start + len(text))
    spare = scored - starts[-1]
    predictors = [place for number in range(len(different)) for place in layout.predictors[number]] + [0] * spare
    targets = [token for _, text in different for token in text] + [IGNORED] * spare
    ids, positions, may_read = layout.tensors()
    on_device = (ids, positions, may_read, torch.tensor(predictors), torch.tensor(targets), back)
    return PackedBatch(*(tensor.to(input_ids.device) for tensor in on_device))


def best_width(trees: Sequence[Tree]) -> int:
    """The width of rows in which the trees cost the least; at most twice what the longest of them needs."""
    least = rounded_up(max(tree.length for tree in trees), WIDTH_STEP)

    def cost(width: int) -> float:
        return len(fill_rows(trees, width)) * width * (1 + width / WIDTH_OF_EQUAL_COST)

    return min(range(least, 2 * least + 1, WIDTH_STEP), key=cost)


def fill_rows(trees: Sequence[Tree], width: int) -> list[list[Tree]]:
    """Put trees into rows of `width` tokens, the longest first, each into the first row that has room."""
    rows: list[list[Tree]] = []
    room: list[int] = []
    for tree in sorted(trees, key=lambda tree: (-tree.length, tree.prompt)):
        row = next((row for row, free in enumerate(room) if free >= tree.length), len(rows))
        if row == len(rows):
            rows.append([])
            room.append(width)
        rows[row].append(tree)
        room[row] -= tree.length
    return rows


class _Layout:
    """Where each token of the trees stands.

    predictors  by the number of a text, the flat places whose outputs predict its tokens
    """

    def __init__(self, trees: Sequence[Tree]) -> None:
        self.width = best_width(trees)
        rows = fill_rows(trees, self.width)
        self.predictors: dict[int, list[int]] = {}
        self._tokens: list[int] = []  # these four are flat: rows one behind the other
        self._positions: list[int] = []
        self._trees: list[int] = []
        self._branches: list[int] = []  # of its tree; 0 is the prompt
        for number, row in enumerate(rows, start=1):
            for place, tree in enumerate(row):
                self._add_tree(place, tree)
            padding = number * self.width - len(self._tokens)
            self._add([0] * padding, 0, NOWHERE, 0)

    def _add_tree(self, place: int, tree: Tree) -> None:
        self._add(tree.prompt, 0, place, 0)
        last = len(self._tokens) - 1
        for branch, (number, text) in enumerate(tree.texts, start=1):
            begin = len(self._tokens)
            self.predictors[number] = [last, *range(begin, begin + len(text) - 1)][: len(text)]
            self._add(text, len(tree.prompt), place, branch)

    def _add(self, tokens: Sequence[int], first_position: int, tree: int, branch: int) -> None:
        self._tokens += tokens
        self._positions += range(first_position, first_position + len(tokens))
        self._trees += [tree] * len(tokens)
        self._branches += [branch] * len(tokens)

    def tensors(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """input_ids, positions and may_read of PackedBatch."""
        tokens, positions, trees, branches = (
            torch.tensor(flat).view(-1, self.width) for flat in (self._tokens, self._positions, self._trees, self._branches)
        )
        reader, read = (slice(None), None, slice(None), None), (slice(None), None, None, slice(None))
        own_text = (branches[read] == 0) | (branches[read] == branches[reader])
        may_read = (trees[read] == trees[reader]) & own_text & (positions[read] <= positions[reader])
        return tokens, positions, may_read


# --- the model ---


def share_texts(model: PreTrainedModel) -> None:
    """Have `model(…, labels=…, fused_lm_head=True)`, which TRL's add_fused_lm_head has made of its forward, pack its batch.

    What it returns is of the batch as given: (texts, longest - 1) for each token, 0 where none is scored.
    """
    scoring = model.forward

    @functools.wraps(scoring)
    def forward(
        self: PreTrainedModel,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        labels: torch.Tensor | None = None,
        fused_lm_head: bool = False,
        **kwargs: Any,
    ) -> Any:
        if not fused_lm_head or labels is None:
            return scoring(input_ids=input_ids, attention_mask=attention_mask, labels=labels, **kwargs)
        batch = pack(input_ids, attention_mask, labels)
        with _outputs_at(self.base_model, batch.predictors):
            output = scoring(
                input_ids=batch.input_ids,
                attention_mask=additive_mask(batch.may_read, self.dtype),
                position_ids=batch.positions,
                shift_labels=batch.targets[None],
                fused_lm_head=True,
                **kwargs,
            )
        for name in ("log_probs", "entropy", "mean_logits", "is_top1"):
            if output.get(name) is not None:  # SFTTrainer asks for fewer of them than DPOTrainer
                of_scored = output[name][0]
                output[name] = rows_at(torch.cat([of_scored, of_scored.new_zeros(1)])[:, None], batch.back).squeeze(-1)
        return output

    model.forward = types.MethodType(forward, model)


def additive_mask(may_read: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """What attention adds to its scores, in the type that these have: `dtype`, or that of autocast where it is on."""
    device = may_read.device.type
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
    return torch.zeros(may_read.shape, dtype=dtype, device=may_read.device).masked_fill(~may_read, torch.finfo(dtype).min)


def rows_at(table: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """The rows of a table at places that may repeat: (*places, columns).

    The gradients of one row are summed in the order of the places. Those of indexing are summed by several threads in any
    order, so that two runs end in other bytes.
    """
    return torch.nn.functional.embedding(places, table) if table.is_floating_point() else table[places]


@contextmanager
def _outputs_at(backbone: torch.nn.Module, places: torch.Tensor) -> Iterator[None]:
    """Within it, the backbone gives its outputs at these flat places alone, as a batch of one: (1, places, hidden)."""

    def select(_module: torch.nn.Module, _inputs: object, output: Any) -> Any:
        output.last_hidden_state = rows_at(output.last_hidden_state.flatten(0, 1), places)[None]
        return output

    hook = backbone.register_forward_hook(select)
    try:
        yield
    finally:
        hook.remove()
