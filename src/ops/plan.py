"""What a profile asks of a machine and what its run costs: a function of the profile's section `machine` alone."""

from dataclasses import dataclass

from src.core.shapes import Count, NonNegative


@dataclass(frozen=True)
class Hours:
    """Hours of the whole machine, by what it does in them.

    install  packages, and at the end the push
    base     download and conversion, or training
    answer   both policies
    """

    install: NonNegative
    base: NonNegative
    sample: NonNegative
    train: NonNegative
    answer: NonNegative


@dataclass(frozen=True)
class MachineSettings:
    """The section `machine` of a profile.

    gpus              0 for a run on the CPU
    gpu_memory        GB that each GPU must have at least
    gpu_capability    compute capability that each GPU must have at least
    memory            GB
    disk              GB free on the file system of the checkout
    dollars_per_hour  of the whole machine
    """

    gpus: Count
    gpu_memory: NonNegative
    gpu_capability: NonNegative
    memory: NonNegative
    disk: NonNegative
    hours: Hours
    dollars_per_hour: NonNegative


@dataclass(frozen=True)
class Plan:
    """metrics/plan.json: what the profile needs (GB) and costs; GPU hours are those in which the GPUs work."""

    gpus: Count
    gpu_memory: NonNegative
    memory: NonNegative
    disk: NonNegative
    gpu_hours: NonNegative
    machine_hours: NonNegative
    dollars: NonNegative


def make_plan(settings: MachineSettings) -> Plan:
    """What the profile needs and costs."""
    hours = settings.hours
    machine_hours = hours.install + hours.base + hours.sample + hours.train + hours.answer
    return Plan(
        gpus=settings.gpus,
        gpu_memory=settings.gpu_memory,
        memory=settings.memory,
        disk=settings.disk,
        gpu_hours=round(settings.gpus * (hours.sample + hours.train + hours.answer), 2),
        machine_hours=round(machine_hours, 2),
        dollars=round(machine_hours * settings.dollars_per_hour, 2),
    )


@dataclass(frozen=True)
class Cost:
    """Hours of the whole machine, and dollars."""

    hours: NonNegative
    dollars: NonNegative


def cost_of_study(settings: MachineSettings, seeds: int, runs: int) -> Cost:
    """What runs of recipes cost, a number of them over so many seeds, packages and push left out.

    A seed makes base, samples and the baseline's answers once; a run trains, and asks the policy that it made.
    """
    hours = settings.hours
    taken = seeds * (hours.base + hours.sample + hours.answer / 2) + runs * (hours.train + hours.answer / 2)
    return Cost(round(taken, 2), round(taken * settings.dollars_per_hour, 2))


def cost_text(cost: Cost) -> str:
    return f"{cost.hours:,g} hours, {cost.dollars:,.2f} dollars"


def plan_lines(plan: Plan, settings: MachineSettings) -> str:
    """The plan in three lines to read."""
    a_seed, a_recipe = cost_text(cost_of_study(settings, 1, 0)), cost_text(cost_of_study(settings, 0, 1))
    gpus = f"{plan.gpus} GPUs of {plan.gpu_memory:g} GB" if plan.gpus else "no GPU"
    return (
        f"needs: {gpus}, {plan.memory:g} GB of memory, {plan.disk:g} GB of free disk\n"
        f"costs about: {plan.machine_hours:g} hours of the machine, {plan.gpu_hours:g} GPU hours, {plan.dollars:,.2f} "
        "dollars (estimates; the profile says from what)\n"
        f"make evidence: {a_seed} for each seed, and {a_recipe} for each recipe on it"
    )
