# The two commands a newcomer needs are `make test` and `make search`. Each first sets up .venv
# with exactly the packages of requirements.lock, which takes a few minutes once.
#
#   make lint                                  format, common mistakes, types
#   make test PYTEST_ARGS="tests/layers -x"     some tests only
#   make search RUN_DIR=runs/mine               another run directory
#   make search-detection                       the same for a detector
#   make test PYTHON=/path/to/python3.11        another Python for .venv, when it is made

# Candidates for .venv: the first one that runs and fits is taken.
PYTHON ?= python3.12 python3.11 python3.10 python3
PYTEST_ARGS ?=
# Most of the time of most tests is one thread that traces.
TEST_PROCESSES ?= 2
RUN_DIR ?= $(if $(filter search-detection,$(MAKECMDGOALS)),runs/quickstart_detection,runs/quickstart)

VENV := .venv
RUN := $(VENV)/bin/python

.PHONY: help lint test search search-detection clean

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

lint: $(VENV)/.ready
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy

test: $(VENV)/.ready
	$(RUN) -m pytest --numprocesses=$(TEST_PROCESSES) --dist=loadfile \
	    --no-loadscope-reorder $(PYTEST_ARGS)

search: $(VENV)/.ready
	$(RUN) -m tunas_tf.search --flagfile=flags/quickstart.flags \
	    --checkpoint_dir=$(RUN_DIR)/search
	$(RUN) -m tunas_tf.analyze_search --checkpoint_dir=$(RUN_DIR)/search
	$(RUN) -m tunas_tf.train_eval --flagfile=flags/quickstart_train.flags \
	    --architecture=$(RUN_DIR)/search/architecture.json --checkpoint_dir=$(RUN_DIR)/found
	$(RUN) -m tunas_tf.sample_architectures --like=$(RUN_DIR)/search/architecture.json \
	    --num_samples=1 --seed=1 --output_dir=$(RUN_DIR)/random
	$(RUN) -m tunas_tf.train_eval --flagfile=flags/quickstart_train.flags \
	    --architecture=$(RUN_DIR)/random/architecture_0.json \
	    --checkpoint_dir=$(RUN_DIR)/random/trained
	@echo "The found network:" && cat $(RUN_DIR)/found/evaluation.json
	@echo "A random network of the same cost:" && cat $(RUN_DIR)/random/trained/evaluation.json

search-detection: $(VENV)/.ready
	$(RUN) -m object_detection.search --flagfile=flags/quickstart_detection.flags \
	    --checkpoint_dir=$(RUN_DIR)/search
	$(RUN) -m tunas_tf.analyze_search --checkpoint_dir=$(RUN_DIR)/search
	$(RUN) -m object_detection.train_eval --flagfile=flags/quickstart_detection_train.flags \
	    --architecture=$(RUN_DIR)/search/architecture.json --checkpoint_dir=$(RUN_DIR)/found
	@echo "The detector on the found backbone: $(RUN_DIR)/found/evaluation.json;" \
	    "what it detects: $(RUN_DIR)/found/detections.png"

clean:
	rm -rf $(VENV)

# Stamps are written last, so a set-up that was interrupted starts over, from an empty .venv.
# pip takes the pins as constraints too: they hold for what it builds packages with.
# BASE prints the interpreter itself, as the python of an active .venv is about to be deleted.
BASE := import ensurepip, sys, venv; (3, 10) <= sys.version_info[:2] <= (3, 12) or sys.exit(1); \
    print(sys._base_executable)

$(VENV)/.packages: requirements.lock $(RUN)
	@for candidate in $(PYTHON); do \
	    python=$$($$candidate -c '$(BASE)' 2>/dev/null) && break; \
	done; \
	if [ -z "$$python" ]; then \
	    echo "error: no Python 3.10, 3.11 or 3.12 with the venv module among $(PYTHON);" \
	        "install one, or name one with make PYTHON=/path/to/python3.11." >&2; \
	    exit 1; \
	fi; \
	echo "Setting up $(VENV) with $$("$$python" --version): a few minutes, once."; \
	"$$python" -m venv --clear $(VENV)
	@PIP_CONSTRAINT=requirements.lock $(RUN) -m pip install --quiet \
	    --disable-pip-version-check --no-deps --use-pep517 --requirement requirements.lock
	@$(RUN) -m pip check
	@touch $@

# The package itself, in place: the sources are not copied, the console scripts are made.
$(VENV)/.ready: $(VENV)/.packages setup.py pyproject.toml $(wildcard */__init__.py)
	@$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	    --editable .
	@touch $@

# No recipe: a .venv whose interpreter has gone counts as changed and is made anew.
$(RUN):
