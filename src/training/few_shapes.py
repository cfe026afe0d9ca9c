"""Sizes of tensors, rounded up so that few shapes come again and again.

On a CPU oneDNN makes a kernel for each new shape of a matrix product, in a millisecond, and keeps the last 1,024. They lie among
the tensors in the C library's memory, which falls into pieces around them: with new shapes in every step, a step of the sandbox's
base took 0.16 s at first and 0.28 s after 700 of them, and with few shapes 0.14 s throughout (docs/performance.md).
"""

SCORED_STEP = 64  # of the number of tokens in a batch that are projected onto the vocabulary


def rounded_up(size: int, step: int) -> int:
    """The least multiple of `step` that is no less than `size`."""
    return -(-size // step) * step
