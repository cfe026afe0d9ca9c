"""The least difference that a study of so many questions and seeds would find four times of five, before anything is run.

    python -m src.ops.power [--questions N] [--discordant SHARE]

For a single seed it is that of the exact McNemar test, for several that of Student's test over seeds, at a level of 5 %.
Several seeds differ by more than the questions' chance where the recipe does more on one seed than on another; how much is
not known before, so the table has several columns.
"""

from src.core.command import command_line, run_command
from src.core.errors import InputError
from src.regime_w.power import difference_over_seeds
from src.regime_w.statistics import difference_at_power

PLATINUM = 1209  # questions of GSM8K-Platinum
SEEDS = (3, 5, 10, 20)
BETWEEN_SEEDS = (0.0, 0.005, 0.01, 0.02)


def table_lines(questions: int, discordant: float) -> list[str]:
    """The table as Markdown, in points of accuracy."""
    head = " | ".join(f"{100 * between:g}" for between in BETWEEN_SEEDS)
    lines = [f"| seeds | {head} |", f"|{' --- |' * (1 + len(BETWEEN_SEEDS))}"]
    alone = difference_at_power(round(discordant * questions), questions)
    lines.append(f"| 1 | {'none' if alone is None else f'{100 * alone:.1f}'} |{' |' * (len(BETWEEN_SEEDS) - 1)}")
    for seeds in SEEDS:
        found = (difference_over_seeds(questions, seeds, discordant, between) for between in BETWEEN_SEEDS)
        lines.append(f"| {seeds} | {' | '.join(f'{100 * difference:.1f}' for difference in found)} |")
    return lines


def main() -> None:
    parser = command_line("python -m src.ops.power", __doc__)
    parser.add_argument("--questions", type=int, default=PLATINUM, metavar="N", help="of the test set (default: 1209)")
    parser.add_argument(
        "--discordant",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="of the questions, answered rightly by one of the two policies alone (default: 0.1)",
    )
    given = parser.parse_args()
    if given.questions < 1:
        raise InputError(f"--questions is {given.questions}; give 1 or more")
    if not 0 < given.discordant <= 1:
        raise InputError(f"--discordant is {given.discordant}; it is a share, above 0 and at most 1")
    print(
        f"{given.questions} questions, {100 * given.discordant:g} % of them answered rightly by one policy alone: the least\n"
        "true difference, in points, that is found with probability 0.8, by the standard deviation of the true difference\n"
        "between seeds, in points:\n"
    )
    print("\n".join(table_lines(given.questions, given.discordant)))


if __name__ == "__main__":
    run_command(main)
