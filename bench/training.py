"""What a step of the base's training and of DPO takes, against trainers with their defaults and against its matrix products.

    python -m bench.training [--steps N]

Trains some steps of each on the data and checkpoint of a finished run of profile `sandbox`, and keeps nothing. The floor is the
time of the products that a step cannot do without, alone and in bfloat16: forward and backward through every matrix for every
token that is there (no padding, nothing twice), and through the output matrix where a token is learned.
"""

from collections.abc import Sequence

from bench.comparison import Comparison, table
from src.core.command import command_line, run_command, share_cores
from src.core.progress import silence_library_bars

STEPS = 40


def compare(steps: int = STEPS) -> Sequence[Comparison]:
    """DPO first, then the base."""
    share_cores()
    silence_library_bars()
    from bench.trainers import compare_base, compare_dpo  # torch takes seconds to load, and reads both switches then

    return [*compare_dpo(steps), *compare_base(steps)]


def main() -> None:
    parser = command_line("python -m bench.training", __doc__)
    parser.add_argument("--steps", type=int, default=STEPS, help="of each kind")
    print(table(compare(parser.parse_args().steps)))


if __name__ == "__main__":
    run_command(main)
