"""Which floating-point type this machine is fast in."""

import torch


def computes_in_bfloat16() -> bool:
    """Whether the GPU, or the processor where there is none, has instructions for products of bfloat16 matrices.

    Without them a processor converts every number on its way: on one with AVX2 alone, products took seven to ten times as
    long as those of float32, and training twelve times.
    """
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    able = torch.cpu.get_capabilities()
    return any(able.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
