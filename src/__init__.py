"""Regime W. What stands here happens before any stage imports torch."""

import os

# Threads of OpenMP that wait by spinning take the cores from any other busy process: beside one, training on two cores
# took five times as long. Asleep they cost nothing that could be measured, and no bit of any result.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
