"""The table of malformed input: what is broken, the stage that meets it, and the words of place, cause and cure that it must say.

A case breaks one thing in a folder in which every stage has just passed (see good_folder in test_malformed.py).
"""

from tests.faults.breaking import Case
from tests.faults.malformed_models import checkpoint_cases
from tests.faults.malformed_params import early_cases, place_cases, setting_cases, yaml_cases
from tests.faults.malformed_records import LINES, files_that_do_not_fit, lines_cases, metric_cases, plot_cases, value_cases
from tests.faults.malformed_samples import sampled_evaluation_cases, sampled_text_cases, samples_that_do_not_fit
from tests.faults.malformed_sources import source_cases

CASES: list[Case] = [
    *(case for lines in LINES for case in lines_cases(lines)),
    *value_cases(),
    *sampled_text_cases(),
    *sampled_evaluation_cases(),
    *files_that_do_not_fit(),
    *samples_that_do_not_fit(),
    *source_cases(),
    *yaml_cases(),
    *setting_cases(),
    *place_cases(),
    *early_cases(),
    *metric_cases(),
    *plot_cases(),
    *checkpoint_cases(),
]
