"""Print one question and all that the run made of it: texts, answers, scores and pairs.

    python -m src.inspect QUESTION [--rev REVISION]…        (make inspect QUESTION=…)

QUESTION is an id (sandbox-train-00001), a number (a line of data/train.jsonl, counted from 0; `test 7` is one of
data/test.jsonl), or words of the question. Several that match are listed.

A training question is shown with its eleven trajectories, the credit of each, and its pairs; a test question with the text,
the answer and the mark of both policies. `--rev` reads a commit, branch, tag or experiment instead of the workspace, out of
DVC's cache; given twice, both are shown, one after the other. Colour goes to a terminal alone, unless NO_COLOR is set.
"""

import sys

from src.core.command import command_line, run_command
from src.ops.look import asked_ids, find, look
from src.ops.question_view import lines_of, list_of
from src.ops.run_files import RunFiles, files_of_revisions
from src.ops.terminal import Ink, has_colour, plain, print_lines


def view(files: RunFiles, wanted: list[str], ink: Ink) -> list[str]:
    """The one question that matches, or a list of several."""
    found = find(files, wanted)
    return lines_of(look(files, found[0]), ink) if len(found) == 1 else list_of(found, asked_ids(files), ink)


def main() -> None:
    parser = command_line("python -m src.inspect", __doc__)
    parser.add_argument("question", nargs="+", metavar="QUESTION", help="an id, a number, or words")
    parser.add_argument("--rev", action="append", default=[], metavar="REVISION", help="a commit or experiment; may be repeated")
    given = parser.parse_args()
    ink = Ink(has_colour(sys.stdout))
    if not given.rev:
        print_lines(view(RunFiles(None), given.question, ink))
        return
    for files in files_of_revisions(given.rev):
        print_lines([ink(f"== {plain(files.revision or '')}", "bold"), *view(files, given.question, ink), ""])


if __name__ == "__main__":
    run_command(main)
