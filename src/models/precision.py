"""Which floating-point type this machine is fast in."""

import torch

DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}  # by their names in a profile


def computes_in_bfloat16() -> bool:
    """Whether the GPU, or the processor where there is none, has instructions for products of bfloat16 matrices.

    Without them a processor converts every number on its way: on one with AVX2 alone, products took seven to ten times as
    long as those of float32, and training twelve times.
    """
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    able = torch.cpu.get_capabilities()
    return any(able.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def passes_in_bfloat16(wanted: bool | None) -> bool:
    """Whether the passes through a model are in bfloat16: as wanted, and as this machine is fast where that is None."""
    return computes_in_bfloat16() if wanted is None else wanted
