"""The eleven arms: the ways in which every question is asked.

An arm is a persona, a task, a temperature and a seed. Eight *variance arms* (two personas at four
temperatures each) show how far the model agrees with itself. Three *probes* ask the question once
more in a fixed way: A is canonical reasoning, A' restates the problem before solving it, and CF1
retells it as another story with the same answer.

The arms share four prompts: a variance arm differs from its siblings in temperature and seed only,
and `wolfram_standard` asks in the words of the wolfram variance arms. That prompt is the canonical
one, which training and evaluation use.
"""

import hashlib
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from pydantic import Field

from src.core.shapes import NonNegative, Seed

Persona = Literal["wolfram", "maudlin"]
Role = Literal["variance", "A", "A'", "CF1"]
Task = Literal["solve", "rephrase", "counterfactual"]

PERSONAS: tuple[Persona, ...] = ("wolfram", "maudlin")
ARMS_PER_PERSONA = 4

ArmName = Literal[
    "wolfram_0",
    "wolfram_1",
    "wolfram_2",
    "wolfram_3",
    "maudlin_0",
    "maudlin_1",
    "maudlin_2",
    "maudlin_3",
    "wolfram_standard",
    "wolfram_rephrase",
    "maudlin_cf1",
]
ARM_NAMES: tuple[ArmName, ...] = get_args(ArmName)
VARIANCE_ARMS: tuple[ArmName, ...] = ARM_NAMES[: len(PERSONAS) * ARMS_PER_PERSONA]
PROBE_A: ArmName = "wolfram_standard"
PROBE_A_PRIME: ArmName = "wolfram_rephrase"
PROBE_CF1: ArmName = "maudlin_cf1"
PERSONA_OF: dict[ArmName, Persona] = {name: "wolfram" if name.startswith("wolfram") else "maudlin" for name in ARM_NAMES}

# A pipeline run with seed n asks with every arm's seed moved by n times this.
SEED_STEP = 100_000

TASK_OF_ROLE: dict[Role, Task] = {
    "variance": "solve",
    "A": "solve",
    "A'": "rephrase",
    "CF1": "counterfactual",
}

INSTRUCTIONS: dict[tuple[Persona, Task], str] = {
    ("wolfram", "solve"): (
        "Solve the problem as a computation. Write down the starting state, "
        "then apply one rule at a time and write the new value after each step."
    ),
    ("wolfram", "rephrase"): (
        "First restate the problem in your own words, with every number kept. "
        "Then solve it as a computation: write down the starting state, "
        "then apply one rule at a time and write the new value after each step."
    ),
    ("maudlin", "solve"): (
        "Solve the problem by asking what there is and what depends on what. "
        "Name each quantity, then derive each unknown one from the quantities it depends on."
    ),
    ("maudlin", "counterfactual"): (
        "First retell the problem with other names and other objects, "
        "and leave all numbers and relations as they are. "
        "Then solve the retold problem: name each quantity, "
        "and derive each unknown one from the quantities it depends on."
    ),
}
ANSWER_REQUEST = "Finish with the answer as a number, on a last line of this form:\nAnswer: <number>"


@dataclass(frozen=True)
class Arm:
    """One way of asking; `temperature` is that of sampling, `seed` serves every question."""

    name: ArmName
    persona: Persona
    role: Role
    temperature: float
    seed: int


# Its persona's last variance arm has a seed of 32 bits, too.
PersonaSeed = Annotated[int, Field(ge=0, le=2**32 - ARMS_PER_PERSONA)]


@dataclass(frozen=True)
class ArmSeeds:
    """Seeds of the arms; a persona's variance arms count up from its own (42, 43, 44, 45)."""

    wolfram: PersonaSeed
    maudlin: PersonaSeed
    wolfram_standard: Seed
    wolfram_rephrase: Seed
    maudlin_cf1: Seed


@dataclass(frozen=True)
class ArmSettings:
    """What may be set of the arms, the section `arms` of params.yaml.

    variance_temperatures  four (0 is greedy); both personas use them in order
    probe_temperature      of all three probes
    seeds                  must give eleven different arm seeds, ValueError otherwise: two arms of one prompt, temperature and
                           seed would write the same text and count it twice
    """

    variance_temperatures: Annotated[tuple[NonNegative, ...], Field(min_length=ARMS_PER_PERSONA, max_length=ARMS_PER_PERSONA)]
    probe_temperature: NonNegative
    seeds: ArmSeeds

    def __post_init__(self) -> None:
        holder: dict[int, ArmName] = {}
        for name, seed in arm_seeds(self.seeds).items():
            if seed in holder:
                raise ValueError(
                    f"seeds give arm {name} the seed {seed}, which arm {holder[seed]} has already; "
                    f"move them apart ({ARMS_PER_PERSONA} variance arms count up from each persona's seed)"
                )
            holder[seed] = name


def arm_seeds(seeds: ArmSeeds) -> dict[ArmName, int]:
    """Seed of each of the eleven arms by name, in arm order."""
    first = {"wolfram": seeds.wolfram, "maudlin": seeds.maudlin}
    variance = {name: first[PERSONA_OF[name]] + place % ARMS_PER_PERSONA for place, name in enumerate(VARIANCE_ARMS)}
    return variance | {
        PROBE_A: seeds.wolfram_standard,
        PROBE_A_PRIME: seeds.wolfram_rephrase,
        PROBE_CF1: seeds.maudlin_cf1,
    }


# The guide's own values, which params.yaml repeats.
GUIDE_SETTINGS = ArmSettings(
    variance_temperatures=(0.2, 0.3, 0.4, 0.5),
    probe_temperature=0.2,
    seeds=ArmSeeds(wolfram=42, maudlin=100, wolfram_standard=1000, wolfram_rephrase=1001, maudlin_cf1=2000),
)
ROLE_OF: dict[ArmName, Role] = {PROBE_A: "A", PROBE_A_PRIME: "A'", PROBE_CF1: "CF1"}


def build_all_arms(settings: ArmSettings = GUIDE_SETTINGS, run_seed: int = 0) -> list[Arm]:
    """The eleven arms, in the order of `ARM_NAMES`.

    run_seed  the pipeline's one `seed`, >= 0. A request's seed depends on arm seed, question and
              round alone, so a run is moved through its arm seeds: each grows by 100_000 * run_seed.
              0 leaves the seeds as set. A negative one raises ValueError.
    """
    if run_seed < 0:
        raise ValueError(f"the run's seed is {run_seed}; give 0 or more (`seed` in params.yaml)")
    seeds = arm_seeds(settings.seeds)
    temperatures = dict(zip(VARIANCE_ARMS, settings.variance_temperatures * len(PERSONAS), strict=True))
    return [
        Arm(
            name=name,
            persona=PERSONA_OF[name],
            role=ROLE_OF.get(name, "variance"),
            temperature=temperatures.get(name, settings.probe_temperature),
            seed=seeds[name] + SEED_STEP * run_seed,
        )
        for name in ARM_NAMES
    ]


def _compose(persona: Persona, task: Task, question: str) -> str:
    question = question.strip()
    if not question:
        raise ValueError("the question is blank: a prompt needs a problem to ask for")
    return f"{INSTRUCTIONS[persona, task]}\n\n{question}\n\n{ANSWER_REQUEST}"


def build_prompt(arm: Arm, question: str) -> str:
    """The prompt by which `arm` asks `question`: instruction, question, request for an answer line.

    The question stands in it as it is, less outer white space; a blank one raises ValueError.
    Temperature and seed do not change the prompt.
    """
    return _compose(arm.persona, TASK_OF_ROLE[arm.role], question)


def canonical_prompt(question: str) -> str:
    """The prompt of training and evaluation: that of `wolfram_standard` and of wolfram_0 … wolfram_3."""
    return _compose("wolfram", "solve", question)


def request_seed(arm_seed: int, question_id: str, round_number: int = 0) -> int:
    """Seed of one request, 0 … 2**63 - 1, from these three and nothing else.

    Not batch, order, rank or process: asking twice gives the same text, and asking for more
    questions gives the earlier ones again. `hash()` would not do, as it differs by process.
    """
    # The numbers stand first and hold no colon, so no two triples share a text.
    digest = hashlib.sha256(f"{arm_seed}:{round_number}:{question_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
