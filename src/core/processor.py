"""Which processor this is: on its kind the last bits of a result depend."""

import platform
import re
from pathlib import Path


def processor_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name as Linux has it; elsewhere what Python knows, such as its architecture."""
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), flags=re.M) if cpuinfo.exists() else None
    return found[1].strip() if found else platform.processor() or platform.machine()
