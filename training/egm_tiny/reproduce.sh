#!/usr/bin/env bash
# Makes the embedded model from nothing, in the order of the paper: pretraining, fine-tuning, selection, RL.
#
#   training/egm_tiny/reproduce.sh              nine to ten hours on two cores; stop it and start it again as you like
#   SMALL=1 training/egm_tiny/reproduce.sh      every step in small, in runs/small: under an hour, and a model that knows nothing
#   TABLES=1 training/egm_tiny/reproduce.sh     the RL of the tables of stages as well (mean_balanced)
#   WORK=FOLDER                                 where runs/ is made; the checkout, unless told otherwise
#
# The model is left in runs/egm_tiny/release, calibrated and evaluated, and the shipped one stays as it is. The shipped
# weights came from these steps, but for a restart and the samples of one SFT, see egm_core/weights/egm_tiny/README.md.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
files=$root/training/egm_tiny
small=${SMALL:-}
WORK=${WORK:-$root${small:+/runs/small}}
mkdir -p "$WORK"
cd "$WORK"

python() { "$root/tools/env.sh" python "$@"; }

# Scenes of a set: its own number, or as few as describe a training set to the domain's measure (100 pictures a world).
count() { echo "${small:+64}" | grep . || echo "$1"; }

# What makes a training stage small: settings that replace the file's.
few() {
  [ -n "$small" ] || return 0
  case $1 in
    pretrain) echo dense.steps=2 dense.batch=2 dense.warmup=1 joint.steps=2 joint.batch=2 joint.warmup=1 joint.minutes=0 ;;
    sft) echo max_steps=2 batch=2 save_steps=2 logging_steps=1 ;;
    rl) echo max_steps=1 prompts=4 generations=4 micro_batch=8 max_tokens=32 logging_steps=1 ;;
  esac
}

# When the last schedule was to end at first.
first_end() { [ -n "$small" ] && echo joint.steps=1 || echo joint.minutes=60.5; }

say() { printf '\nreproduce: %s\n' "$*"; }

# once FILE COMMAND...: runs the command unless the file that it leaves is there.
once() {
  local file=$1
  shift
  [ -e "$file" ] || "$@"
}

render() { # FOLDER FIRST COUNT
  say "scenes from seed $2 in $1"
  mkdir -p "$1"
  # Every process of a training run wants a file of its own.
  once "$1/.rendered_$2" python -m egm_core.scenes render --out "$1" --first-seed "$2" --scenes "$(count "$3")" \
    --workers 2 ${small:+--shard-scenes 4}
  touch "$1/.rendered_$2"
}

export_samples() { # STORED FIRST COUNT OUT [OPTION...]
  local stored=$1 first=$2 scenes=$3 out=$4
  shift 4
  say "samples in $out"
  once "$out/samples.jsonl" python -m egm_core.scenes export --stored "$stored" --first-seed "$first" \
    --scenes "$(count "$scenes")" --vary --workers 2 --out "$out" "$@"
}

train() { # STAGE FILE [SETTING...]
  local stage=$1 file=$2
  shift 2
  say "$stage $file"
  # shellcheck disable=SC2046 # several words
  python -m egm_core.train "$stage" --config "$files/$file.yaml" $(few "$stage") "$@"
}

mean() { # MODEL EARLIER OUT [SCENES]
  say "mean of $1 and $2 in $3"
  once "$3/egm.json" python "$root/tools/release_weights.py" --model "$1" --average "$2" --scenes "${4:-runs/scenes}" --out "$3"
}

runs=runs/egm_tiny

# 1. From nothing to a model that reasons.
render runs/scenes 0 16000
train pretrain pretrain
export_samples runs/scenes 0 16000 $runs/samples --per-scene 3
train sft sft
train sft sft_more

# 2. More of it, what is hidden above all, and reinforcement learning.
render runs/scenes 16000 7000
train pretrain pretrain_more start=$runs/sft_more/final
export_samples runs/scenes 16000 5000 $runs/samples_hidden --per-scene 3 --amodal-share 0.25 --direct-share 0.1
train sft sft_hidden
render runs/scenes_rl 25000 4000
export_samples runs/scenes_rl 25000 4000 $runs/rl_samples --per-scene 3
train select select
train rl rl
export_samples runs/scenes_rl 25000 1400 $runs/rl_absent --per-scene 1 --absent-share 1
train rl rl_more
mean $runs/rl_more/final $runs/pretrain_more/final $runs/mean_rl

# 3. Reasoning that says in rough numbers how far the whole of an object reaches.
render runs/scenes 40000 8000
train pretrain pretrain_reach start=$runs/mean_rl
export_samples runs/scenes 40000 3000 $runs/samples_reach --per-scene 3 --amodal-share 0.35 --direct-share 0.1
train sft sft_reach
mean $runs/sft_reach/final $runs/pretrain_reach/final $runs/mean_sft
render runs/scenes_rl 60000 2500
export_samples runs/scenes_rl 60000 2000 $runs/rl_samples_reach --per-scene 3 --amodal-share 0.4 --absent-share 0.25
once $runs/rl_samples_reach/hidden.jsonl python "$root/tools/hidden_samples.py" \
  --samples $runs/rl_samples_reach/samples.jsonl --out $runs/rl_samples_reach/hidden.jsonl
train rl rl_reach
mean $runs/rl_reach/final $runs/mean_sft $runs/mean_reach

# 4. One long schedule on scenes that are new, then another one, whose end was put off once.
render runs/scenes_long 100000 12000
train pretrain pretrain_long start=$runs/mean_reach
render runs/scenes_fresh 200000 11000
render runs/scenes_fresh 230000 1400
train pretrain pretrain_fresh "$(first_end)"
mean $runs/pretrain_fresh/final $runs/pretrain_long/final $runs/mean_fresh runs/scenes_fresh
render runs/scenes_fresh 250000 15000
train pretrain pretrain_fresh
mean $runs/pretrain_fresh/final $runs/mean_fresh $runs/release runs/scenes_fresh

if [ -n "${TABLES:-}" ]; then
  export_samples runs/scenes_rl 60000 2500 $runs/rl_samples_balanced --per-scene 3 --amodal-share 0.35 --absent-share 0.25
  train select select_balanced
  train rl rl_balanced
  mean $runs/rl_balanced/final $runs/mean_sft $runs/mean_balanced
fi

say "calibration and figures of $runs/release"
calibrated=$runs/release
if [ -n "$small" ]; then
  # A model that knows nothing gives no box whose score could be calibrated: a copy of the shipped one stands in.
  calibrated=$runs/shipped
  once $calibrated cp -r "$root/egm_core/weights/egm_tiny" $calibrated
fi
python -m egm_core.evaluate calibrate --model $calibrated --scenes "$(count 300)" --processes 2 --batch 96
python -m egm_core.evaluate scenes --model $runs/release --scenes "$(count 1000)" --processes 2 --batch 96 \
  --json $runs/release.json
say "done. To ship it: copy $WORK/$runs/release over egm_core/weights/egm_tiny, then tools/golden.py --write"
