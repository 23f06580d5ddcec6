# Every target sets up what it needs in .venv first; see tools/setup.sh for the variables it heeds.
# docs/develop/targets.md says what each needs, takes and last gave.
RUN := tools/env.sh
# -m takes the place of the one in pyproject.toml.
SHORT := not long and not soak
# pytest gives 5 where PYTEST="-k ..." chose no test of a part.
NONE_IS_FINE = $(if $(PYTEST), || test $$? -eq 5)

.PHONY: setup demo record test test-busy test-long soak soak-camera soak-targets soak-changes soak-action lint docs test-vllm test-edgellm test-sglang test-verl test-ray test-scores lint-containers proof-data clean

setup:
	@tools/setup.sh

# Camera, engine, grounding node and overlay as processes of their own; LIVE=1 renders its scenes now.
demo: setup
	@$(RUN) python -m egm_ros.demo --out out $(if $(LIVE),--live)

# What the demonstration's nodes publish, as an MCAP file of each world; LIVE=1 renders its scenes now, with depth.
record: setup
	@$(RUN) python -m egm_ros.demo.record --out out/record $(if $(LIVE),--live)

# The core's tests on every core, up to four; then those of ROS two at a time, those that watch the clock among themselves.
test: setup
	@$(RUN) python -m pytest --ignore tests/ros -n auto --maxprocesses 4 --dist loadfile $(PYTEST)$(NONE_IS_FINE)
	@tools/ros_tests.sh tests/ros -m "not clock and $(SHORT)" -n 2 --dist loadfile $(PYTEST)$(NONE_IS_FINE)
	@tools/ros_tests.sh tests/ros -m "clock and $(SHORT)" -n 2 --dist loadfile $(PYTEST)$(NONE_IS_FINE)

# The ROS tests RUNS times (5) beside a process that burns one core; the counts of each run.
test-busy: setup
	@tools/beside_busy_core.sh $(or $(RUNS),5) $(PYTEST)

# What takes more than a minute, and what takes more than 20 s where `test` has a cheaper test of the same thing.
test-long: setup
	@$(RUN) python -m pytest -m long $(PYTEST)

# The node under load, ten minutes a part, with a table for each; SOAK_MINUTES=1 SOAK_CHANGES=500 SOAK_CANCELS=50
# tries it.
soak: setup
	@$(RUN) python -m pytest -m soak -s tests/ros/soak $(PYTEST)

# A fast camera of 720p, then of 1080p, and a slow engine.
soak-camera: setup
	@$(RUN) python -m pytest -m soak -s tests/ros/soak/test_soak_camera.py $(PYTEST)

# Five targets before three cameras, with the embedded model.
soak-targets: setup
	@$(RUN) python -m pytest -m soak -s tests/ros/soak/test_soak_targets.py $(PYTEST)

# 10,000 instructions that change without waiting for an answer, with the embedded model.
soak-changes: setup
	@$(RUN) python -m pytest -m soak -s tests/ros/soak/test_soak_changes.py $(PYTEST)

# 1,000 goals of the action ~/ground that are cancelled at any moment, with the embedded model.
soak-action: setup
	@$(RUN) python -m pytest -m soak -s tests/ros/soak/test_soak_action.py $(PYTEST)

lint: setup
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) mypy

# Writes the reference pages from the code, and builds docs/ into out/docs.
docs: setup
	@tools/docs.sh

# Greedy tokens of vLLM against transformers', in an environment of their own.
test-vllm: setup
	@tools/test_vllm.sh

# TensorRT Edge-LLM's own server around a scripted model, in an environment of its own.
test-edgellm: setup
	@tools/test_edgellm.sh

# SGLang's own request models on our requests, in an environment of their own.
test-sglang: setup
	@tools/test_sglang.sh

# Our reinforcement learning as verl understands it, in an environment of its own.
test-verl:
	@tools/test_verl.sh

# Scoring 20,000 samples on Ray Data, through a kill, in an environment of its own.
test-ray:
	@tools/test_ray.sh

# 5,000 answers scored by us, by lmms-eval and by VLMEvalKit's rules, in an environment of their own.
test-scores:
	@tools/test_scores.sh

# containers/ by hadolint and by the Compose specification, in an environment of their own; nothing is built.
lint-containers:
	@tools/lint_containers.sh

# Curation in a closed loop, with a scripted teacher and a scripted verifier, into out/proof-data; PROOF="--kills 2" tries it.
proof-data: setup
	@$(RUN) python tests/proof_data/proof.py $(PROOF)

clean:
	rm -rf .venv .venv-* out build install log
