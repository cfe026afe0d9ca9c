"""The one error that is the reader's to mend: a file, a parameter or a model that is not as it must be."""

import sys
from collections.abc import Callable


class InputError(ValueError):
    """Input is not as it must be. The message says the value, where it stands, the cause and the cure."""


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage's `main`; an InputError ends it with its message alone and exit status 1.

    Any other error keeps its traceback, which tells where the code is at fault.
    """
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
