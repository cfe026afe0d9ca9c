"""The eleven arms, their four prompts and the seeds of their requests."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from src.core.params import from_value
from src.core.records import to_json
from src.regime_w.arms import (
    ANSWER_REQUEST,
    ARM_NAMES,
    GUIDE_SETTINGS,
    INSTRUCTIONS,
    PERSONA_OF,
    PROBE_A,
    PROBE_A_PRIME,
    PROBE_CF1,
    VARIANCE_ARMS,
    ArmSeeds,
    ArmSettings,
    build_all_arms,
    build_prompt,
    canonical_prompt,
    request_seed,
)

QUESTION = "Tom has 3 apples and buys 4 more. How many has he?"


def settings_of(**values: object) -> ArmSettings:
    """The guide's settings with other values, read as a section of params.yaml is."""
    return from_value(ArmSettings, to_json(GUIDE_SETTINGS) | values, "params.yaml: arms")


def prompts_by_arm() -> dict[str, str]:
    return {arm.name: build_prompt(arm, QUESTION) for arm in build_all_arms()}


def test_the_eleven_arms_as_the_guide_numbers_them():
    assert [(a.name, a.persona, a.role, a.temperature, a.seed) for a in build_all_arms()] == [
        ("wolfram_0", "wolfram", "variance", 0.2, 42),
        ("wolfram_1", "wolfram", "variance", 0.3, 43),
        ("wolfram_2", "wolfram", "variance", 0.4, 44),
        ("wolfram_3", "wolfram", "variance", 0.5, 45),
        ("maudlin_0", "maudlin", "variance", 0.2, 100),
        ("maudlin_1", "maudlin", "variance", 0.3, 101),
        ("maudlin_2", "maudlin", "variance", 0.4, 102),
        ("maudlin_3", "maudlin", "variance", 0.5, 103),
        ("wolfram_standard", "wolfram", "A", 0.2, 1000),
        ("wolfram_rephrase", "wolfram", "A'", 0.2, 1001),
        ("maudlin_cf1", "maudlin", "CF1", 0.2, 2000),
    ]


def test_names_agree_with_the_arms():
    arms = build_all_arms()
    assert ARM_NAMES == tuple(arm.name for arm in arms)
    assert VARIANCE_ARMS == tuple(arm.name for arm in arms if arm.role == "variance")
    assert {PROBE_A: "A", PROBE_A_PRIME: "A'", PROBE_CF1: "CF1"} == {arm.name: arm.role for arm in arms if arm.role != "variance"}
    assert PERSONA_OF == {arm.name: arm.persona for arm in arms}


def test_settings_reach_the_arms():
    settings = ArmSettings(
        variance_temperatures=(0.0, 1.0, 2.0, 3.0),
        probe_temperature=0.7,
        seeds=ArmSeeds(wolfram=1, maudlin=11, wolfram_standard=21, wolfram_rephrase=22, maudlin_cf1=23),
    )
    assert [(arm.temperature, arm.seed) for arm in build_all_arms(settings)] == [
        *[(0.0, 1), (1.0, 2), (2.0, 3), (3.0, 4)],
        *[(0.0, 11), (1.0, 12), (2.0, 13), (3.0, 14)],
        *[(0.7, 21), (0.7, 22), (0.7, 23)],
    ]


def test_the_run_seed_moves_every_arm_seed_and_nothing_else():
    for arm, moved in zip(build_all_arms(), build_all_arms(run_seed=3), strict=True):
        assert moved == replace(arm, seed=arm.seed + 300_000)


def test_runs_share_no_arm_seed():
    seeds = [arm.seed for run in range(20) for arm in build_all_arms(run_seed=run)]
    assert len(set(seeds)) == 20 * 11


def test_a_negative_run_seed_is_refused():
    with pytest.raises(ValueError, match="-1"):
        build_all_arms(run_seed=-1)


@pytest.mark.parametrize(
    ("temperatures", "words"),
    [
        ([], "it must have at least 4 items, not 0"),
        ([0.2, 0.3, 0.4], "it must have at least 4 items, not 3"),
        ([0.2, 0.3, 0.4, 0.5, 0.6], "it must have at most 4 items, not 5"),
    ],
)
def test_other_than_four_temperatures_are_refused(temperatures, words):
    with pytest.raises(ValueError, match=rf"params.yaml: arms.variance_temperatures is .*: {words}"):
        settings_of(variance_temperatures=temperatures)


@pytest.mark.parametrize("bad", [-0.1, float("nan"), float("inf")])
def test_a_temperature_is_finite_and_not_negative(bad):
    with pytest.raises(ValueError, match=r"variance_temperatures\[2\]"):
        settings_of(variance_temperatures=[0.2, 0.3, bad, 0.5])
    with pytest.raises(ValueError, match="probe_temperature"):
        settings_of(probe_temperature=bad)


def test_two_arms_may_not_share_a_seed():
    seeds = to_json(GUIDE_SETTINGS.seeds) | {"maudlin": 45}
    with pytest.raises(ValueError, match="params.yaml: arms is refused: .* maudlin_0 the seed 45, which arm wolfram_3"):
        settings_of(seeds=seeds)
    with pytest.raises(ValueError, match="maudlin_0 the seed 45, which arm wolfram_3"):
        replace(GUIDE_SETTINGS, seeds=ArmSeeds(**seeds))


@pytest.mark.parametrize(
    ("key", "bad"), [("wolfram", -1), ("wolfram", 2**32 - 3), ("maudlin", 2**32), ("maudlin_cf1", 2**32), ("maudlin", 1.0)]
)
def test_the_seed_of_every_arm_is_a_whole_number_of_32_bits(key, bad):
    with pytest.raises(ValueError, match=rf"params.yaml: arms.seeds.{key} is "):
        settings_of(seeds=to_json(GUIDE_SETTINGS.seeds) | {key: bad})
    highest = settings_of(seeds=to_json(GUIDE_SETTINGS.seeds) | {"wolfram": 2**32 - 4})
    assert [arm.seed for arm in build_all_arms(highest)][3] == 2**32 - 1


def test_a_prompt_is_instruction_question_and_answer_request():
    prompt = prompts_by_arm()["wolfram_0"]
    assert prompt == f"{INSTRUCTIONS['wolfram', 'solve']}\n\n{QUESTION}\n\n{ANSWER_REQUEST}"


def test_every_prompt_ends_by_asking_for_the_answer_line():
    assert all(prompt.splitlines()[-1] == "Answer: <number>" for prompt in prompts_by_arm().values())


def test_arms_share_four_prompts():
    prompts = prompts_by_arm()
    sharing: dict[str, list[str]] = {}
    for name, prompt in prompts.items():
        sharing.setdefault(prompt, []).append(name)
    assert list(sharing.values()) == [
        ["wolfram_0", "wolfram_1", "wolfram_2", "wolfram_3", "wolfram_standard"],
        ["maudlin_0", "maudlin_1", "maudlin_2", "maudlin_3"],
        ["wolfram_rephrase"],
        ["maudlin_cf1"],
    ]


def test_the_canonical_prompt_is_that_of_wolfram_standard():
    assert canonical_prompt(QUESTION) == prompts_by_arm()[PROBE_A]


def test_settings_and_run_seed_do_not_change_a_prompt():
    hot = build_all_arms(replace(GUIDE_SETTINGS, variance_temperatures=(1.0, 1.1, 1.2, 1.3)), run_seed=9)
    assert {arm.name: build_prompt(arm, QUESTION) for arm in hot} == prompts_by_arm()


def test_a_question_is_inserted_as_it_is_without_outer_white_space():
    odd = "Cost:  $5 {x} %s\u2028\n\nof <<1+1=2>>?"
    assert canonical_prompt(f" \n{odd}\t\n") == canonical_prompt(odd)
    assert f"\n\n{odd}\n\n" in canonical_prompt(odd)


def test_a_blank_question_is_refused():
    with pytest.raises(ValueError, match="blank"):
        canonical_prompt(" \n")


def test_request_seeds_are_pinned():
    """These decide every sampled text: a change of the hash would change all trajectories."""
    assert request_seed(42, "train-0") == 2381871833422165582
    assert request_seed(42, "train-0") == request_seed(42, "train-0", 0)


def test_request_seed_is_the_same_in_another_process():
    code = "from src.regime_w.arms import request_seed; print(request_seed(1000, 'Frage ü', 2))"
    root = Path(__file__).parents[2]
    told = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert int(told.stdout) == request_seed(1000, "Frage ü", 2)


def test_request_seeds_differ_by_arm_question_and_round():
    seeds = {
        request_seed(arm, question, round_number)
        for arm in (1, 11, 42)
        for question in ("1", "11", "1:1", "q-1")
        for round_number in (0, 1, 11)
    }
    assert len(seeds) == 3 * 4 * 3
    assert all(0 <= seed < 2**63 for seed in seeds)
