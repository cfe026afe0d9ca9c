"""Which processor this is: on its kind and on its caches the last bits of a result depend."""

import platform
import re
from pathlib import Path


def processor_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name as Linux has it; elsewhere what Python knows, such as its architecture."""
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), flags=re.M) if cpuinfo.exists() else None
    return found[1].strip() if found else platform.processor() or platform.machine()


def second_level_cache(size: Path = Path("/sys/devices/system/cpu/cpu0/cache/index2/size")) -> str | None:
    """The size of the second-level cache as Linux has it, such as `2048K`; None where it does not say.

    By it oneDNN cuts products of matrices into blocks, and so it decides in which order their terms are summed.
    """
    return size.read_text().strip() if size.exists() else None
