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
import math
from dataclasses import dataclass, field
from typing import Literal

Persona = Literal["wolfram", "maudlin"]
Role = Literal["variance", "A", "A'", "CF1"]
Task = Literal["solve", "rephrase", "counterfactual"]

PERSONAS: tuple[Persona, ...] = ("wolfram", "maudlin")
ARMS_PER_PERSONA = 4

VARIANCE_ARMS: tuple[str, ...] = tuple(f"{persona}_{index}" for persona in PERSONAS for index in range(ARMS_PER_PERSONA))
PROBE_A = "wolfram_standard"
PROBE_A_PRIME = "wolfram_rephrase"
PROBE_CF1 = "maudlin_cf1"
ARM_NAMES: tuple[str, ...] = (*VARIANCE_ARMS, PROBE_A, PROBE_A_PRIME, PROBE_CF1)
PERSONA_OF: dict[str, str] = {name: name.split("_")[0] for name in ARM_NAMES}

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

    name: str
    persona: Persona
    role: Role
    temperature: float
    seed: int


@dataclass(frozen=True)
class ArmSeeds:
    """Seeds of the arms; a persona's variance arms count up from its own (42, 43, 44, 45)."""

    wolfram: int = 42
    maudlin: int = 100
    wolfram_standard: int = 1000
    wolfram_rephrase: int = 1001
    maudlin_cf1: int = 2000


@dataclass(frozen=True)
class ArmSettings:
    """What may be set of the arms. Raises ValueError for settings that cannot be asked with.

    variance_temperatures  four, each finite and >= 0 (0 is greedy); both personas use them in order
    probe_temperature      of all three probes, finite and >= 0
    seeds                  must give eleven different arm seeds: two arms of one prompt, temperature
                           and seed would write the same text and count it twice
    """

    variance_temperatures: tuple[float, ...] = (0.2, 0.3, 0.4, 0.5)
    probe_temperature: float = 0.2
    seeds: ArmSeeds = field(default_factory=ArmSeeds)

    def __post_init__(self) -> None:
        if len(self.variance_temperatures) != ARMS_PER_PERSONA:
            raise ValueError(
                f"variance_temperatures has {len(self.variance_temperatures)} values "
                f"({list(self.variance_temperatures)}); each persona has {ARMS_PER_PERSONA} variance arms, "
                f"so give exactly {ARMS_PER_PERSONA}"
            )
        for index, temperature in enumerate(self.variance_temperatures):
            _check_temperature(f"variance_temperatures[{index}]", temperature)
        _check_temperature("probe_temperature", self.probe_temperature)
        _check_seeds(arm_seeds(self.seeds))


def _check_temperature(name: str, temperature: float) -> None:
    if not (math.isfinite(temperature) and temperature >= 0):
        raise ValueError(f"{name} is {temperature!r}; a temperature is a finite number, 0 or more")


def _check_seeds(seed_of: dict[str, int]) -> None:
    holder: dict[int, str] = {}
    for name, seed in seed_of.items():
        if not 0 <= seed < 2**32:
            raise ValueError(
                f"the seed of arm {name} is less than 0 or longer than 32 bits; give a whole number from 0 to 2**32 - 1"
            )
        if seed in holder:
            raise ValueError(
                f"seeds give arm {name} the seed {seed}, which arm {holder[seed]} has already; "
                f"move them apart ({ARMS_PER_PERSONA} variance arms count up from each persona's seed)"
            )
        holder[seed] = name


def arm_seeds(seeds: ArmSeeds) -> dict[str, int]:
    """Seed of each of the eleven arms by name, in arm order."""
    first = {"wolfram": seeds.wolfram, "maudlin": seeds.maudlin}
    variance = {f"{p}_{index}": first[p] + index for p in PERSONAS for index in range(ARMS_PER_PERSONA)}
    return variance | {
        PROBE_A: seeds.wolfram_standard,
        PROBE_A_PRIME: seeds.wolfram_rephrase,
        PROBE_CF1: seeds.maudlin_cf1,
    }


def _role(name: str) -> Role:
    return {PROBE_A: "A", PROBE_A_PRIME: "A'", PROBE_CF1: "CF1"}.get(name, "variance")


def build_all_arms(settings: ArmSettings = ArmSettings(), run_seed: int = 0) -> list[Arm]:
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
            role=_role(name),
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
