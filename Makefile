# The plain commands behind these targets stand in CONTRIBUTING.md.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: demo test quality style clean

demo: $(VENV)/.standalone
	$(BIN)/python -m deblur restore examples/blurry.png -o restored.png --sharp examples/sharp.png --compare --overwrite

test: $(VENV)/.dev
	$(BIN)/python -m pytest -q

quality: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

style: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/.%: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(PIP_FLAGS) -c constraints.txt -e ".[$*]"
	touch $@

clean:
	rm -rf $(VENV) restored.png restored_comparison.png
