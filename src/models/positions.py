"""How long a text a model can read, by its config alone.

Beyond its positions a model does not fail but writes noise, or reads memory that is not its own; so what is too long must be
found before it is asked.
"""

from transformers import AutoConfig, PreTrainedConfig

from src.models.checkpoints import Checkpoint, check_files, told_as_one_error

# Rotary positions that are stretched `factor` times beyond what config.json counts. Of the other kinds (llama3, longrope),
# `max_position_embeddings` is what the stretched model can read.
STRETCHED = ("linear", "dynamic", "yarn")


def read_positions(checkpoint: Checkpoint) -> int | None:
    """Tokens of the longest text that the model of a folder can read, None for no limit; InputError for a broken config."""
    check_files(checkpoint)
    with told_as_one_error(checkpoint, "its config"):
        return positions_of(AutoConfig.from_pretrained(checkpoint.folder))


def positions_of(config: PreTrainedConfig) -> int | None:
    """Tokens of the longest text that a model of this config can read; None for one that counts no positions.

    GPT-2's `n_positions` and its like go by the same name here. Models without positions (Bloom, MPT, Mamba) have no such
    value, and XLNet says -1.
    """
    text_config = config.get_text_config()  # of a model that reads pictures too
    positions = getattr(text_config, "max_position_embeddings", None)
    if not isinstance(positions, int) or positions < 1:
        return None
    rotary = getattr(text_config, "rope_parameters", None) or {}
    factor = rotary.get("factor")
    if rotary.get("rope_type") not in STRETCHED or not isinstance(factor, int | float):
        return positions
    # Some configs count the stretched positions already, and name the others beside.
    return max(positions, int(factor * (rotary.get("original_max_position_embeddings") or positions)))
