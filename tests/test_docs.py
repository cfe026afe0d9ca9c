"""The README and docs/ against the repository: commands exist, files are there, figures are the committed run's."""

import json
import re
from pathlib import Path

import pytest
import yaml

from src.core.params import load_profile_section
from src.ops.plan import MachineSettings, cost_of_study
from src.ops.power import PLATINUM, table_lines

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = {path.relative_to(ROOT).as_posix(): path.read_text() for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md")}
PAGES |= {f"docs/{path.name}": path.read_text() for path in sorted((ROOT / "docs").glob("*.md"))}
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
MAKEFILE = (ROOT / "Makefile").read_text()


def shell_lines(page: str) -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", PAGES[page], flags=re.S)
    return [line.split("#")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_that_it_names_exists(page):
    patterns = [target.replace("%", "[a-z-]+") for target in re.findall(r"^([a-z%-]+):", MAKEFILE, flags=re.M)]
    named = {line.split()[1] for line in shell_lines(page) if line.startswith("make ")}
    named |= set(re.findall(r"`make ([a-z-]+)[` ]", PAGES[page]))
    wrong = {name for name in named if not any(re.fullmatch(pattern, name) for pattern in patterns)}
    assert not wrong
    for name in named:
        if name.startswith("sweep-"):
            assert (ROOT / f"sweeps/{name.removeprefix('sweep-')}.yaml").exists()


@pytest.mark.parametrize("page", PAGES)
def test_every_parameter_that_a_command_sets_exists(page):
    for file, key in re.findall(r"-S '?(?:([\w/]+\.yaml):)?([a-z_.]+)=", "\n".join(shell_lines(page))):
        value = yaml.safe_load((ROOT / (file or "params.yaml")).read_text())
        for part in key.split("."):
            assert part in value, f"{file}:{key}"
            value = value[part]


@pytest.mark.parametrize("page", PAGES)
def test_every_path_of_ours_that_it_names_exists(page):
    for path in re.findall(r"`((?:src|profiles|tests|bench|scripts|sweeps|docs)/[\w./-]+)`", PAGES[page]):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file(page):
    for link in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", PAGES[page]):
        if not link.startswith("http"):
            assert ((ROOT / page).parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES)
def test_every_module_that_a_command_runs_exists(page):
    for module in re.findall(r"python -m ((?:src|bench|tests)(?:\.\w+)+)\b(?!\.<)", PAGES[page]):
        assert (ROOT / f"{module.replace('.', '/')}.py").exists(), module


def test_every_stage_stands_in_the_table_and_no_other():
    table = README.split("| stage | reads | writes |")[1].split("\n\n")[0]
    cells = [row.split("|")[1] for row in table.splitlines()[2:]]
    named = {name.partition("@")[0] for cell in cells for name in cell.replace(",", " ").split()}
    assert named == set(STAGES)


def test_every_file_that_a_stage_writes_stands_in_the_table():
    for name, stage in STAGES.items():
        stage = stage.get("do", stage)
        for kind in ("outs", "metrics", "plots"):
            for out in stage.get(kind, []):
                path = out if isinstance(out, str) else next(iter(out))
                assert re.sub(r"\$\{\w+\}", "<policy>", path) in README, f"{name}: {path}"


def test_the_change_that_it_shows_is_that_of_the_committed_run():
    shown = {row[1]: row[2:4] for line in README.splitlines() if (row := line.split()) and row[0] == "metrics/eval.json"}
    for index, policy in enumerate(("baseline", "coherence")):
        metrics = json.loads((ROOT / f"metrics/{policy}.json").read_text())
        for name in ("accuracy", "correct", "mean_tokens"):
            assert float(shown[name][index]) == round(metrics[name], 5), f"{policy}: {name}"


def test_the_verdict_that_it_shows_is_that_of_the_committed_run():
    verdict = json.loads((ROOT / "metrics/verdict.json").read_text())
    prefs = json.loads((ROOT / "metrics/prefs.json").read_text())
    assert f"**{verdict['verdict']}**" in README
    low, high = (f"{100 * verdict[bound]:+.2f}" for bound in ("ci_low", "ci_high"))
    assert (
        f"Difference {100 * verdict['difference']:+.2f} points ({low} to {high}), exact McNemar p = {verdict['p_value']:.2g}, "
        f"{verdict['fixed']} questions fixed and {verdict['broken']} broken." in README
    )
    assert f"{prefs['pairs']:,}, {prefs['correctness_share']:.1%}".replace("%", " %") in README
    for policy in ("baseline", "coherence"):
        metrics = json.loads((ROOT / f"metrics/{policy}.json").read_text())
        share, low, high = (f"{100 * metrics[key]:.2f}" for key in ("accuracy", "ci_low", "ci_high"))
        assert f"| {policy} | {metrics['correct']:,} of {metrics['questions']:,} | {share} % | {low} – {high} |" in README


def test_the_sweeps_are_of_a_run_that_the_readme_shows():
    """Each has a row a point, and its point of the profile's own settings ends as a run of the README's table did."""
    runs = [[cell.strip() for cell in line.split("|")[1:-1]] for line in README.splitlines() if line.count(" / ") == 1]
    shown = {(run[1].partition(" → ")[0], run[2], run[4]) for run in runs if "→" in run[1]}
    for name, own in (("learning-rate", "5e-5"), ("scoring-weights", "all"), ("losses", "sigmoid")):
        page = (ROOT / f"sweeps/{name}.md").read_text()
        rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("|")][2:]
        points = yaml.safe_load((ROOT / f"sweeps/{name}.yaml").read_text())["points"]
        assert [row[0] for row in rows] == [point["name"] for point in points]
        [row] = [row for row in rows if row[0] == own]
        [baseline] = re.findall(r"Baseline ([\d.]+)%", page)
        assert (baseline, row[4], row[1]) in shown
        assert f"sweeps/{name}.md" in PAGES["docs/experiments.md"] and (ROOT / f"sweeps/{name}.svg").exists()


def test_the_shares_of_bare_answers_that_the_sandbox_page_names_are_the_profile_s():
    sandbox = yaml.safe_load((ROOT / "profiles/sandbox.yaml").read_text())["base"]["sandbox"]
    shares = (sandbox["answer_only_wolfram"], sandbox["answer_only_maudlin"])
    assert f"({shares[0]:.0%} as wolfram, {shares[1]:.0%} as maudlin)".replace("%", " %") in PAGES["docs/sandbox.md"]


def test_the_page_of_abel_has_the_power_and_the_costs_that_the_code_computes():
    settings = load_profile_section("machine", MachineSettings, ROOT / "profiles/abel.yaml")
    assert "\n".join(table_lines(PLATINUM, 0.1)) in PAGES["docs/abel.md"]
    costs = re.findall(r"^\| [^|]+ 5 seeds \| ([\d.]+) \| ([\d.,]+) \|$", PAGES["docs/abel.md"], flags=re.M)
    computed = [cost_of_study(settings, 5, 5 * recipes) for recipes in (1, 3, 7, 17)]
    assert costs == [(f"{cost.hours:g}", f"{cost.dollars:,.2f}") for cost in computed]
    one_seed, one_recipe = cost_of_study(settings, 1, 0), cost_of_study(settings, 0, 1)
    assert f"{one_seed.hours:g} hours and {one_seed.dollars} dollars for each seed" in PAGES["docs/abel.md"]
    assert f"{one_recipe.hours:g} hours and {one_recipe.dollars} dollars for each recipe" in PAGES["docs/abel.md"]


def mean_and_interval(effect: dict) -> str:
    low, high = (f"{100 * effect[key]:+.2f}" for key in ("low", "high"))
    return f"{100 * effect['mean']:+.2f} ({low} to {high})"


def test_the_readme_s_tables_of_evidence_are_those_of_the_committed_cells():
    evidence = json.loads((ROOT / "evidence/evidence.json").read_text())
    worlds = evidence["worlds"]
    effects = {(item["recipe"], item["world"]): item["effect"] for item in evidence["effects"]}
    compared = {
        (f"{item['versus']['recipe']}` − `{item['versus']['other']}", item["world"]): item["effect"]
        for item in evidence["comparisons"]
    }
    figure = r" \| ([-+.\d]+ \([-+.\d]+ to [-+.\d]+\))"
    recipes = re.findall(r"^\| `([a-z-]+)` \| [^|]+" + len(worlds) * figure + r" \|$", README, flags=re.M)
    versus = re.findall(r"^\| `([a-z-]+` − `[a-z-]+)`" + (len(worlds) + 1) * figure + r" \|$", README, flags=re.M)
    assert len(recipes) == 8 and len(versus) == 6
    for known, rows, columns in ((effects, recipes, worlds), (compared, versus, [*worlds, "all worlds"])):
        for name, *figures in rows:
            assert figures == [mean_and_interval(known[name, world]) for world in columns], name
    seeds = {effects[row[0], world]["units"] for row in recipes for world in worlds}
    assert seeds == {5} and "over five seeds" in README


def test_the_page_of_rounds_has_the_committed_rounds():
    """Each with the accuracy on held-out questions, and its paired test against the round before."""
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d) \| ([\d.]+) % \|(.*)\|$", PAGES["docs/rounds.md"], flags=re.M)
    shown = []
    for recipe in ("guide", "label-free"):
        page = (ROOT / f"rounds/sandbox-{recipe}.md").read_text()
        for number, accuracy, fixed_broken, p_value in re.findall(
            r"^\| (\d) \| [^|]+ \| [^|]+ \| ([\d.]+) % \| [^|]+ \| ([^|]+) \| ([^|]+) \|", page, flags=re.M
        ):
            tested = [" ", " "] if number == "0" else [f" {fixed_broken} ", f" {p_value} "]
            shown.append((recipe, number, accuracy, "|".join(tested)))
    assert len(shown) == 7 and rows == shown


def test_what_the_readme_says_of_aucs_and_gains_is_so_in_the_committed_cells():
    forecasts = json.loads((ROOT / "evidence/evidence.json").read_text())["forecasts"]
    units = sorted((unit for item in forecasts for unit in item["units"]), key=lambda unit: unit["auc"])
    least, others = units[:13], units[13:]
    assert not any(unit["difference"] > 0 for unit in least) and sum(unit["difference"] > 0 for unit in others) == 31
    assert len(others) == 32 and {unit["world"] for unit in units if unit["difference"] < 0} == {"careful"}
    words = "the 13 of least AUC, {:.3f} to {:.3f}, all lost points, and of the\n  32 others, from {:.3f} on, all but one gained"
    assert words.format(least[0]["auc"], least[-1]["auc"], others[0]["auc"]) in README


def test_what_the_readme_says_of_runs_with_drawn_sides_is_so_in_the_committed_cells():
    cells = [json.loads(path.read_text()) for path in (ROOT / "evidence/cells").glob("*/*/random.json")]
    significant = [cell for cell in cells if cell["p_value"] < 0.05]
    assert (len(cells), len(significant), sum(cell["difference"] < 0 for cell in significant)) == (15, 5, 3)
    assert "five of the fifteen\n  `random` runs have p < 0.05 by McNemar's test, three of them for the worse" in README


def test_the_sandbox_page_has_what_the_old_settings_changed_in_the_committed_cells():
    for world in ("sandbox", "misconceptions", "careful"):
        cells = [json.loads((ROOT / f"evidence/cells/{world}/{seed}/old-settings.json").read_text()) for seed in range(5)]
        bases = ", ".join(f"{100 * cell['baseline_accuracy']:.0f}" for cell in cells)
        changed = ", ".join(f"{cell['fixed']} / {cell['broken']}" for cell in cells)
        p_values = ", ".join(f"{cell['p_value']:.2g}" for cell in cells)
        row = rf"^\| `{world}` \| {bases} \| [\d, ]+ \| {changed} \| {p_values} \|$"
        assert re.search(row, PAGES["docs/sandbox.md"], flags=re.M), row


def test_the_method_page_has_the_committed_cells_of_the_default_world():
    for seed in range(5):
        guide, old = (
            json.loads((ROOT / f"evidence/cells/sandbox/{seed}/{recipe}.json").read_text())
            for recipe in ("guide", "old-settings")
        )
        share = 100 * guide["correctness_pairs"] / guide["pairs"]
        before, after = (f"{100 * guide[f'{policy}_accuracy']:.2f}" for policy in ("baseline", "coherence"))
        assert (
            f"| {seed} | {guide['pairs']:,} ({share:.1f} %) | {before} → {after} | {guide['fixed']} / {guide['broken']} | "
            f"{guide['p_value']:.2g} | {old['fixed']} / {old['broken']}, {old['p_value']:.2g} |" in PAGES["docs/method.md"]
        )
