"""All sections on one page: no id stands twice, nothing is fetched, and they are small."""

import re

import pytest

from src.report.training_section import training_section
from tests.report import test_evidence_section, test_foot_section
from tests.report.sections import filled, identifiers, metrics_of, sft_step, signals, training_step

STEPS = [training_step(step) for step in range(1, 31)]


@pytest.fixture(scope="module")
def together() -> str:
    sections = {
        "signals": signals(),
        "training": training_section(metrics_of(STEPS), STEPS, [sft_step(1)]),
        "evidence": test_evidence_section.section(),
        "foot": test_foot_section.made(),
    }
    return "<main>" + "".join(filled(name, section) for name, section in sections.items()) + "</main>"


def test_no_id_stands_twice_and_every_reference_is_to_one_of_them(together):
    found = identifiers(together)
    assert len(found) == len(set(found)) > 100
    asked = re.findall(r'href="#([^"]*)"', together) + re.findall(r"url\(#([^)]*)\)", together)
    asked += re.findall(r'aria-labelledby="([^"]*)"', together)
    assert asked and set(asked) <= set(found)


def test_nothing_is_fetched(together):
    assert not re.findall(r'(?:href|src)="(?!#)', together)
    assert not re.findall(r"url\((?!#)", together)


def test_every_section_has_its_heading(together):
    for name in ("signals", "training", "evidence", "foot"):
        assert f'<section id="{name}" aria-labelledby="{name}-title">\n<h2 id="{name}-title">' in together


def test_all_of_it_is_small(together):
    assert len(together.encode()) < 500_000
