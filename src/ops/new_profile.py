"""Write a profile for a model and questions of your own, and say what comes next (docs/your-own.md).

    python -m src.ops.new_profile NAME --model MODEL --data DATA     (make profile NAME=… MODEL=… DATA=…)

NAME becomes profiles/NAME.yaml, which must not be there. MODEL is a folder's path, or hub:<owner>/<name>@<commit>. DATA is the
path of a JSON Lines or Parquet file of `question` and `answer`, or of a folder with train.jsonl and test.jsonl. All questions are
read, and of a model in a folder tokenizer and config, so that what a run would refuse is told now. params.yaml stays as it is.
"""

import json
import re
from pathlib import Path
from typing import get_args

from src.core.command import command_line, run_command
from src.core.errors import InputError, shown
from src.core.files import write_text
from src.core.params import parse_yaml
from src.models.templates import Template
from src.ops.own_model import OwnModel, describe_model, find_model
from src.ops.own_questions import OwnQuestions, read_own_questions
from src.regime_w.statistics import difference_at_power

PROFILES = Path("profiles")
TEMPLATES = Path(__file__).parent / "templates"
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,59}")
MAX_CHARACTERS = 4000  # of a question and of its solution; the longest of GSM8K have 985 and 1,228
CHANGED = 0.1  # of the test questions: the share whose answers training makes right or wrong, for an estimate


def profile_file(name: str) -> Path:
    """The file of a new profile; InputError for a name that no profile can have, and for one that there is."""
    if not PROFILES.is_dir():
        raise InputError(f"{PROFILES} is not here (looked in {Path.cwd()}); run this from the repository's root")
    # `true` and `null` are no texts where params.yaml names the profile.
    if not NAME.fullmatch(name) or parse_yaml(name) != name:
        raise InputError(
            f"NAME is {shown(name)}, and becomes the name of a file and a word of commands: give a letter and then up to 59 "
            "letters, digits, - and _ (and neither true, false nor null)"
        )
    file = PROFILES / f"{name}.yaml"
    if file.exists():
        raise InputError(f"{file} is there already, and is not overwritten; give another NAME, or remove it")
    return file


def profile_text(model: OwnModel, data: OwnQuestions) -> str:
    """The profile, each key with its unit and reason above it."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # a tenth of a second, which `--help` need not wait

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,  # YAML, in which `quoted` writes free text
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Of what JSON writes, YAML reads the same.
    environment.filters |= {"quoted": lambda text: json.dumps(text, ensure_ascii=False), "count": lambda number: f"{number:,}"}
    return environment.get_template("profile.yaml.j2").render(model=model, data=data)


def notes(model: OwnModel, data: OwnQuestions) -> list[str]:
    """What was chosen and what could not be known, a line each."""
    tested = len(data.test)
    least = difference_at_power(round(CHANGED * tested), tested)
    finds = "no gain at all would be found" if least is None else f"a gain of {100 * least:.1f} points or more is found"
    lines = [
        f"{len(data.train):,} questions to train on, of which {data.sampled:,} are asked in eleven ways, {tested:,} to test on",
        f"where training changes a tenth of {tested:,} answers, {finds} with probability 0.8 "
        f"(python -m src.ops.power --questions {tested})",
    ]
    if model.parameters is None:
        lines.append(
            f"the model's files are not here to be looked at: look at engine.template ({model.template}), sample.max_tokens, "
            "train.max_length, machine.memory and machine.disk"
        )
    else:
        lines.append(
            f"{model.parameters:,} parameters, template {model.template}, {model.max_tokens:,} tokens for an answer: see that "
            "they suffice"
        )
    return lines


def main() -> None:
    parser = command_line("python -m src.ops.new_profile", __doc__)
    parser.add_argument("name", metavar="NAME", help="of the profile: letters, digits, - and _")
    parser.add_argument("--model", required=True, metavar="MODEL", help="a folder's path, or hub:<owner>/<name>@<commit>")
    parser.add_argument("--data", required=True, metavar="DATA", help="the path of a file or folder of questions")
    parser.add_argument("--template", choices=get_args(Template), help="in place of what the tokenizer says (engine.template)")
    parser.add_argument(
        "--max-characters",
        type=int,
        default=MAX_CHARACTERS,
        metavar="N",
        help=f"of a question and of its solution; longer ones are refused (default: {MAX_CHARACTERS})",
    )
    given = parser.parse_args()
    if given.max_characters < 1:
        raise InputError(f"--max-characters is {given.max_characters}; give 1 or more")

    file = profile_file(given.name)
    source = find_model(given.model)
    data = read_own_questions(given.data, given.max_characters)
    model = describe_model(source, given.template, (*data.train, *data.test))
    write_text(file, profile_text(model, data))
    print("\n".join([f"wrote {file}", *(f"note: {line}" for line in notes(model, data))]))
    print(
        "next, in the environment (. .venv/bin/activate):\n"
        f"  sed -i 's/^profile: .*/profile: {given.name}/' params.yaml\n"
        "  make doctor\n"
        "  dvc repro"
    )


if __name__ == "__main__":
    run_command(main)
