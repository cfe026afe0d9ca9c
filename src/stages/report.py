"""Stage `report`: the verdict, the five criteria and the figures behind them on one page.

Reads   metrics/*.json
Writes  metrics/eval.json      the figures of the policy that `policy` names, for `dvc metrics diff`
        metrics/criteria.json  the five criteria
        report.md
Params  policy, criteria, profile, seed
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from src.errors import run_stage
from src.params import Seed, load_section, load_value
from src.records import read_metrics, write_json, write_text
from src.regime_w.criteria import CriteriaSettings, Criterion, judge

POLICIES = ("baseline", "coherence")
MEANING = {
    "improved": "Coherence training made the model better on these questions.",
    "worse": "Coherence training made the model worse on these questions.",
    "no evidence": "These questions show no difference between the two policies. That is not proof that there is none.",
}


def points(share: float) -> str:
    return f"{100 * share:.2f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def verdict_part(verdict: Mapping, train: Mapping) -> str:
    least = verdict["smallest_detectable_difference"]
    changed = verdict["fixed"] + verdict["broken"]
    able = (
        f"With {changed} questions changed no difference, in either direction, could have been significant."
        if least is None
        else f"With {changed} questions changed, only a difference of {points(least)} points or more could have been significant."
    )
    if (at_power := verdict["difference_at_power"]) is not None:
        able += f" A true difference of {points(at_power)} points would be found by four of five such tests."
    untrained = "" if train["trained"] else f"\n\nThe adapter was not trained: {train['reason']}."
    return (
        f"**{verdict['verdict']}**: {points(verdict['difference'])} points of accuracy "
        f"(interval {points(verdict['difference_low'])} to {points(verdict['difference_high'])}, "
        f"exact McNemar p = {verdict['p_value']:.2g}) on {verdict['questions']:,} questions: "
        f"{verdict['fixed']} fixed, {verdict['broken']} broken. {MEANING[verdict['verdict']]} "
        f"{able}{other_set_part(verdict)}{untrained}"
    )


def other_set_part(verdict: Mapping) -> str:
    """The verdict on GSM8K's own test, where the run was scored on both sets; the two figures are never to be compared."""
    if "gsm8k" not in verdict:
        return ""
    other = verdict["gsm8k"]
    return (
        f"\n\nThat is on GSM8K-Platinum. On all {other['questions']:,} questions of GSM8K's own test, by its own answers: "
        f"**{other['verdict']}**, {points(other['baseline_accuracy'])} → {points(other['coherence_accuracy'])} %, "
        f"p = {other['p_value']:.2g}."
    )


def policies_part(metrics: Mapping[str, Mapping]) -> str:
    head = ["policy", "correct", "accuracy, %", "95 % interval", "no answer", "cut off", "mean tokens"]
    rows = [
        [
            policy,
            f"{m['correct']:,} of {m['questions']:,}",
            points(m["accuracy"]),
            f"{points(m['accuracy_low'])} – {points(m['accuracy_high'])}",
            str(m["no_answer"]),
            str(m["cut_off"]),
            f"{m['mean_tokens']:.1f}",
        ]
        for policy, m in metrics.items()
    ]
    return table(head, rows)


def criteria_part(criteria: Sequence[Criterion]) -> str:
    rows = [[c.name, "holds" if c.holds else "**fails**", c.wanted, c.seen] for c in criteria]
    return table(["criterion", "", "wanted", "seen"], rows)


def rollouts_part(rollouts: Mapping, prefs: Mapping) -> str:
    scores = table(
        ["score", "mean", "spread", "least", "greatest"],
        [[n, *(f"{rollouts[n][k]:.3f}" for k in ("mean", "spread", "least", "greatest"))] for n in ("s_end", "s_path", "s_cf")],
    )
    arms = table(["arm", "correct, %"], [[arm, points(a)] for arm, a in rollouts["accuracy_by_arm"].items()])
    pairs = table(
        ["pairs", ""],
        [[key.replace("_", " "), f"{value:,.4g}" if isinstance(value, float) else f"{value:,}"] for key, value in prefs.items()],
    )
    return f"{scores}\n\n{arms}\n\n{pairs}"


def training_part(train: Mapping) -> str:
    if not train["trained"]:
        return f"None: {train['reason']}."
    rows = [[e, *(f"{m[k]:.4f}" for k in ("first_loss", "last_loss", "mean_loss"))] for e, m in train["epochs"].items()]
    norm = train["gradient_norm"]
    return (
        table(["epoch", "first loss", "last loss", "mean loss"], rows)
        + f"\n\n{train['steps']} steps; gradient norm {norm['least']:.3g} to {norm['greatest']:.3g}; "
        f"log-probability of the chosen texts fell by {train['logp_chosen_fall']:.2f} nats."
    )


def main() -> None:
    policy = load_value("policy", Literal[POLICIES])
    profile, seed = load_value("profile", str), load_value("seed", Seed)
    settings = load_section("criteria", CriteriaSettings)
    metrics = {p: read_metrics(Path(f"metrics/{p}.json"), "policy") for p in POLICIES}
    rollouts, prefs, train, verdict = (
        read_metrics(Path(f"metrics/{name}.json"), name) for name in ("rollouts", "prefs", "train", "verdict")
    )
    criteria = judge(rollouts, prefs, train, verdict, settings)
    hold = sum(criterion.holds for criterion in criteria)
    write_json(Path("metrics/eval.json"), {"policy": policy} | metrics[policy])
    write_json(Path("metrics/criteria.json"), {c.name: asdict(c) for c in criteria} | {"hold": hold})
    write_text(
        Path("report.md"),
        f"# Regime W: profile {profile}, seed {seed}\n\n"
        f"## Verdict\n{verdict_part(verdict, train)}\n\n{policies_part(metrics)}\n\n"
        f"## Criteria: {hold} of {len(criteria)} hold\n{criteria_part(criteria)}\n\n"
        f"## Rollouts and pairs\n{rollouts_part(rollouts, prefs)}\n\n## Training\n{training_part(train)}\n",
    )
    print(f"report: {verdict['verdict']}, {points(verdict['difference'])} points, {hold} of {len(criteria)} criteria hold")


if __name__ == "__main__":
    run_stage(main)
