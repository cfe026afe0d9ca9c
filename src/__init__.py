"""Regime W: does coherence make a maths model better?"""

import time

BEGAN = time.time()  # seconds since 1970, before any other code of ours is loaded: what is written later may be loaded in part
