# make demo: colour photographs and make a contact sheet. make test: all tests. Both set up what they need first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test test-processors lint bench evaluate ablation features setup fonts browser database clean

setup: $(STAMP)

# torch by itself first, at a version with a build without CUDA: the default is several gigabytes of it.
$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@fc-list 2>/dev/null | grep -q . || $(MAKE) --no-print-directory fonts
	@command -v chromium >/dev/null || $(MAKE) --no-print-directory browser
	@PATH="$$PATH:$$(echo /usr/lib/postgresql/*/bin | tr ' ' :)" command -v initdb >/dev/null || $(MAKE) --no-print-directory database
	touch $@

# The labels of the contact sheets need one.
fonts:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && apt-get install -qq -y fontconfig fonts-dejavu-core; \
	else echo "No font found: contact sheets will lack labels. On Debian: sudo apt-get install fonts-dejavu-core"; fi

# The tests of the study's page need one.
browser:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y chromium >/dev/null; \
	else echo "No chromium found: the tests in a browser will be skipped. On Debian: sudo apt-get install chromium"; fi

# One test of the study's database needs a PostgreSQL; it starts its own.
database:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y postgresql >/dev/null; \
	else echo "No PostgreSQL found: its test will be skipped. On Debian: sudo apt-get install postgresql"; fi

demo: $(STAMP)
	$(BIN)/python examples/demo.py -o demo

test: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist loadgroup

# The tests that compute, as on another processor: PyTorch without vector instructions, oneDNN's older ones, NumPy's
# baseline, one thread.
test-processors: $(STAMP)
	ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=AVX2 NPY_DISABLE_CPU_FEATURES="X86_V3 X86_V4" VIPS_NOVECTOR=1 \
		OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadgroup tests/training tests/nets tests/features \
		tests/evaluation tests/foreign tests/photo tests/test_ab_bins.py tests/test_color.py tests/test_merge.py \
		tests/test_contrast.py tests/test_plain_areas.py tests/test_colorizer.py

lint: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/mypy

# The figures of docs/benchmarks.md. Leave the machine alone meanwhile.
bench: $(STAMP)
	$(BIN)/python benchmarks/run_all.py

# DATA=folder of photographs with labels.csv; halves by even and odd position: chosen on even, reported on odd.
# MODELS="a.onnx b.onnx": others to stand beside the bundled one.
evaluate: $(STAMP)
	$(BIN)/photochrom evaluate --data $(DATA) --half odd --model lite $(addprefix --model ,$(MODELS)) --baseline grey \
		--baseline constant --baseline lightness-table --baseline random --baseline truth --judge -o docs/measured/val-odd

# The paper's systems at equal budget: DATA=training photographs VAL=folder to score on. Under an hour on two cores.
ablation: $(STAMP)
	THP_MEM_ALLOC_ENABLE=1 $(BIN)/python benchmarks/ablation.py --data $(DATA) --val $(VAL) \
		--json docs/measured/ablation.json --write docs/ablation.md

# What colouring teaches without labels, by linear probes: DATA=shards. Some two hours on two cores.
features: $(STAMP)
	THP_MEM_ALLOC_ENABLE=1 $(BIN)/python benchmarks/self_supervision.py --data $(DATA) --write docs/self-supervision.md

clean:
	rm -rf $(VENV) demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
