"""A checkpoint's folder, checked as it is read: its files are intact and fit together, or one InputError says what is wrong.

Weights are read as data, never as code: safetensors, or `.bin` files by torch's weights-only reader, which refuses
any other object that a pickle may hold.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig, PreTrainedModel, PreTrainedTokenizerBase

from src.core.errors import CURES, InputError, shown
from src.core.limits import NO_MEMORY
from src.models.loading import loading

if TYPE_CHECKING:  # half a second to import, and a base needs none of it
    from peft import PeftModel

# Of these the libraries read objects.
OBJECTS = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "model.safetensors.index.json",
    "pytorch_model.bin.index.json",
    "adapter_config.json",
)
# What comes of files that say what cannot be, such as a model of 0 heads.
NONSENSE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    SafetensorError,
    StrictDataclassError,
)


@dataclass(frozen=True)
class Checkpoint:
    """A model's or an adapter's folder, and how messages speak of it.

    place      such as `base.source 'hub:…'`
    cure       such as `fetch its files again`
    gguf_file  the one file of a packed model, by its path in the folder
    """

    folder: Path
    place: str
    cure: str
    gguf_file: str | None = None

    def error(self, cause: str) -> InputError:
        """An error of these files, to raise."""
        return InputError(f"{self.place}: {cause}; {self.cure}")


def own_checkpoint(folder: Path, stage: str) -> Checkpoint:
    """A checkpoint that a stage of the pipeline writes; InputError if it is not there."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such checkpoint; run the stage that writes it (`dvc repro {stage}`)")
    return Checkpoint(folder, str(folder), f"run `dvc repro {stage}`")


def check_files(checkpoint: Checkpoint) -> None:
    """InputError for a broken file: the libraries take some broken files for files that are not there."""
    for file in sorted(checkpoint.folder.glob("*")):
        if file.suffix in (".json", ".safetensors") and not file.is_file():
            raise checkpoint.error(f"{file.name} is no regular file")
    for file in sorted(checkpoint.folder.glob("*.json")):
        if file.name not in OBJECTS:
            continue
        try:
            content = json.loads(file.read_bytes())
        except UnicodeDecodeError as error:
            raise checkpoint.error(f"{file.name} is not UTF-8: {error.reason} at byte {error.start + 1}") from error
        except (ValueError, RecursionError) as error:
            raise checkpoint.error(f"{file.name} is not JSON: {first_line(error)}") from error
        if not isinstance(content, dict):
            raise checkpoint.error(f"{file.name} holds {shown(content)}, not a JSON object")
    for file in sorted(checkpoint.folder.glob("*.safetensors")):
        try:
            with safe_open(file, framework="pt"):
                pass
        except SafetensorError as error:
            raise checkpoint.error(f"{file.name} is not whole: {first_line(error)}") from error


@contextmanager
def told_as_one_error(checkpoint: Checkpoint, what: str) -> Iterator[None]:
    """What a library raises while it reads files that say what cannot be, as an InputError.

    Config and tokenizer are believed by the libraries, so nonsense in them comes out as nearly any error, deep inside;
    `tokenizers` raises Exception itself.
    """
    try:
        yield
    except InputError:
        raise
    except UnpicklingError as error:
        raise InputError(
            f"{checkpoint.place}: a .bin file holds more than weights and was refused, for it could run code as it is read "
            f"({first_line(error)}); get the model as safetensors"
        ) from error
    except Exception as error:  # `tokenizers` raises that very class; any other error that is not of NONSENSE goes on as it is
        of_machine = NO_MEMORY.search(str(error)) or (isinstance(error, OSError) and error.errno in CURES)
        if of_machine or not (type(error) is Exception or isinstance(error, NONSENSE)):
            raise
        raise checkpoint.error(f"{what} cannot be read: {type(error).__name__}: {first_line(error)}") from error


def read_tokenizer(checkpoint: Checkpoint, **options: str) -> PreTrainedTokenizerBase:
    """The tokenizer; one without a pad token gets its unknown token for it, or else its end token.

    Padding is told from text by its place, never by its token, so that a pad token that is the end token masks none.
    """
    check_files(checkpoint)
    with told_as_one_error(checkpoint, "its tokenizer"):
        packed = {} if checkpoint.gguf_file is None else {"gguf_file": checkpoint.gguf_file}
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(str(checkpoint.folder), **packed, **options)
    if tokenizer.eos_token_id is None:
        raise checkpoint.error("its tokenizer has no end token (eos_token in tokenizer_config.json), so no text could end")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    return tokenizer


def read_model(checkpoint: Checkpoint, dtype: torch.dtype, **options: str) -> PreTrainedModel:
    """The model with every one of its weights from the files; InputError if any is missing, left over, of another shape,
    not finite or refused."""
    check_files(checkpoint)
    # A GGUF file is unpacked at once: packed weights can neither be saved nor trained.
    unpack = GgufConfig(dequantize=True)
    packed = {} if checkpoint.gguf_file is None else {"gguf_file": checkpoint.gguf_file, "quantization_config": unpack}
    with told_as_one_error(checkpoint, "its weights"):
        model, found = AutoModelForCausalLM.from_pretrained(
            str(checkpoint.folder),
            **packed,
            **options,
            dtype=dtype,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # reported below by name, where the library would only log them
        )
    if absent := sorted(found["missing_keys"]):
        raise checkpoint.error(f"{len(absent)} weights are in none of its files and would be random, the first {absent[0]}")
    if other := sorted(found["mismatched_keys"]):
        name, shape, wanted = other[0]
        raise checkpoint.error(
            f"{len(other)} weights have another shape than config.json says: {name} has {list(shape)} for {list(wanted)}"
        )
    if surplus := sorted(found["unexpected_keys"]):
        raise checkpoint.error(f"{len(surplus)} weights belong to no part of the model of config.json, the first {surplus[0]}")
    refuse_infinite(checkpoint, model.named_parameters())
    return model


def refuse_infinite(checkpoint: Checkpoint, weights: Iterable[tuple[str, torch.Tensor]]) -> None:
    """InputError, with the first name, for weights that hold NaN or infinity."""
    if infinite := [name for name, weight in weights if not torch.isfinite(weight).all()]:
        raise checkpoint.error(f"{len(infinite)} weights hold values that are not finite, the first {infinite[0]}")


def check_adapter_files(checkpoint: Checkpoint) -> None:
    """InputError unless both files of a LoRA adapter are there, and intact."""
    check_files(checkpoint)
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        if not (checkpoint.folder / name).is_file():
            raise checkpoint.error(f"without {name}; no pickle is read: convert it")


def add_adapter(model: PreTrainedModel, checkpoint: Checkpoint) -> "PeftModel":
    """The model with a LoRA adapter on it, every weight of it from the files; InputError if it does not fit the model."""
    with loading():
        from peft import PeftModel, get_peft_model_state_dict

    check_adapter_files(checkpoint)
    with told_as_one_error(checkpoint, "the adapter does not fit the model, or"):
        tuned = PeftModel.from_pretrained(model, str(checkpoint.folder))
        held = load_file(checkpoint.folder / "adapter_model.safetensors")
        wanted = get_peft_model_state_dict(tuned).keys()
    # The library only warns of a weight that is missing, and says nothing of one that has no place.
    if strange := sorted(held.keys() ^ wanted):
        raise checkpoint.error(f"{len(strange)} weights of the adapter are missing or have no place, the first {strange[0]}")
    refuse_infinite(checkpoint, held.items())
    return tuned


def check_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, checkpoint: Checkpoint) -> None:
    """InputError if the tokenizer writes tokens that the model does not know, or the two end a text by different ones."""
    rows = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > rows:
        raise checkpoint.error(f"its tokenizer has {len(tokenizer)} tokens, but the model only {rows}; they are not of one model")
    ends: set[int] = set()
    for configured in (model.config.eos_token_id, model.generation_config.eos_token_id):
        ends |= set(configured) if isinstance(configured, list) else {configured} - {None}
    if ends and tokenizer.eos_token_id not in ends:
        raise checkpoint.error(
            f"the tokenizer ends a text by token {tokenizer.eos_token_id} ({tokenizer.eos_token!r}, eos_token in "
            f"tokenizer_config.json), the model's config by {sorted(ends)}"
        )


def first_line(error: Exception) -> str:
    """The first line of a library's account, which may have dozens."""
    return str(error).strip().partition("\n")[0]
