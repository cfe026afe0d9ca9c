"""Which type the machine is fast in."""

from pathlib import Path

import pytest
import torch

from src.models.precision import computes_in_bfloat16

CPU_INFO = Path("/proc/cpuinfo")


@pytest.mark.skipif(not CPU_INFO.exists() or torch.cuda.is_available(), reason="reads what Linux says of the processor")
def test_a_processor_computes_in_bfloat16_where_linux_lists_the_instructions():
    flags = set(CPU_INFO.read_text().split())
    assert computes_in_bfloat16() == bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})


@pytest.mark.parametrize(
    ("able", "fast"),
    [({"avx2": True}, False), ({"avx512_f": True, "avx512_bf16": False}, False), ({"avx512_bf16": True}, True),
     ({"amx_bf16": True}, True), ({"bf16": True, "neon": True}, True), ({}, False)],
)  # fmt: skip
def test_other_processors(monkeypatch, able: dict[str, bool], fast: bool):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert computes_in_bfloat16() is fast
