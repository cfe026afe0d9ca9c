"""How large a difference must be to be found: by one run, and by several seeds of a recipe.

SciPy is imported where it is called: that takes a second, which `--help` need not wait.
"""

from src.regime_w.statistics import check_level

MAX_EFFECT = 1e3  # standard deviations: above it nothing is left to look for


def difference_over_seeds(
    questions: int, seeds: int, discordant_share: float, between_seeds: float, power: float = 0.8, alpha: float = 0.05
) -> float:
    """Least true mean difference over seeds that Student's test over these seeds finds with this probability.

    To find it is to name the better side at the two-sided level alpha.

    questions         that each seed answers before and after training, 1 or more
    seeds             2 or more
    discordant_share  of the questions that one seed's two policies answer differently, 0 … 1
    between_seeds     standard deviation of the true difference from seed to seed, in the unit of the result: 0.01 is a point
    A seed's measured difference has the variance between_seeds² + discordant_share / questions: the second part is that of a
    sum of marks +1, 0, -1 with small mean. Power is that of the noncentral t distribution (Cohen 1988, chapter 2).
    ValueError for a number that is out of its range.
    """
    check_level("power", power)
    check_level("alpha", alpha)
    if questions < 1 or seeds < 2:
        raise ValueError(f"questions is {questions} and seeds is {seeds}; give 1 or more questions and 2 or more seeds")
    if not 0 <= discordant_share <= 1 or not 0 <= between_seeds <= 1:
        raise ValueError(f"discordant_share is {discordant_share} and between_seeds {between_seeds}; both are 0 … 1")
    from scipy.optimize import brentq
    from scipy.stats import nct, t

    bound = t.ppf(1 - alpha / 2, seeds - 1)

    def excess(effect: float) -> float:
        """The probability of finding a mean of so many standard deviations of one seed's difference, less `power`."""
        return float(nct(seeds - 1, effect * seeds**0.5).sf(bound)) - power

    deviation = (between_seeds**2 + discordant_share / questions) ** 0.5
    # In a test at a large alpha nothing at all is found so often.
    return 0.0 if excess(0.0) >= 0 else deviation * float(brentq(excess, 0.0, MAX_EFFECT))
