# Two commands do everything: `make repro` runs the pipeline, `make test` runs the tests. Both install what they need.
PYTHON ?= python3
VENV := .venv
# DVC runs each stage by `python`, so the environment's own comes first.
ENVIRONMENT := PATH="$(CURDIR)/$(VENV)/bin:$$PATH"

.PHONY: help repro test
help:  ## what there is to make
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/'

repro: $(VENV)/.installed  ## install, and run the pipeline of the profile that params.yaml names
	$(ENVIRONMENT) dvc repro

test: $(VENV)/.installed-dev  ## install, and run all tests
	$(ENVIRONMENT) ruff check .
	$(ENVIRONMENT) python -m pytest

$(VENV)/.installed: requirements.txt constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r requirements.txt -c constraints.txt
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r requirements-dev.txt -c constraints.txt
	touch $@
