#!/usr/bin/env bash
# Trains a model of 12 MB on a machine with one GPU that is lent for half an hour: renders, pretrains, tunes, selects,
# reinforces, and evaluates on scenes that it never saw.
#
#   tools/gpu/train.sh start|status|collect|stop [--dry-run]
#
# `start` returns at once, the training runs on. Then `status`, again and again, each call some minutes (WAIT=480): it
# keeps the machine, says how far it is and puts into $OUT what is to come back: weights in half precision, figures, logs.
# MINUTES=26 is for everything; SCENES=FOLDER takes scenes that were rendered before, where nothing can be rendered.
# --dry-run does all of it on a CPU in minutes, with settings that teach nothing.
# shellcheck source=tools/gpu/job.sh disable=SC1091
NAME=train
SELF=$(realpath "${BASH_SOURCE[0]}")
source "$(dirname "$SELF")/job.sh"

FIRST_SEED=${FIRST_SEED:-10000000}
RL_SEED=$((FIRST_SEED + 5000000))
SHARDS=runs/gpu/scenes
[ -n "${DRY_RUN:-}" ] && SHARDS=$WORK/scenes
SHARDS=${SCENES:-$SHARDS}
if [ -n "${DRY_RUN:-}" ]; then
  render=8 shard=4 sft_scenes=4 rl_scenes=8 evaluated=2 batch=4 loaders=1 renderers=1
  shape=(width=32 vision_width=32 depth=2 vision_depth=2 heads=2 kv_heads=2 vision_heads=2 deepstack='[0]' feed_forward=64
    min_pixels=28672 max_pixels=37632)
  pretrain=("${shape[@]/#/architecture.}" dense.batch=2 joint.batch=2 dense.warmup=1 joint.warmup=1 attention_layer=1
    dense.minutes=0.01 joint.minutes=0.01 views=0)
  sft=(max_steps=2 batch=2 workers=0 attention_layer=1 report_to='[]')
  select=(batch=4 max_tokens=8)
  rl=(max_steps=1 prompts=4 generations=2 micro_batch=8 max_tokens=8 report_to='[]')
else
  render=400000 shard=100 sft_scenes=4000 rl_scenes=4000 evaluated=1000 batch=512
  renderers=$((CORES > 5 ? CORES - 4 : 1)) loaders=$((CORES > 7 ? CORES / 4 : 1))
  pretrain=(dense.minutes="$(minutes 0.06)" joint.minutes="$(minutes 0.42)")
  sft=() select=() rl=()
fi
egm() { "$PYTHON" -m "egm_core.$1" "${@:2}"; }

pretrain() {
  local renderer=
  if [ -z "${SCENES:-}" ]; then
    egm scenes render --out "$SHARDS" --first-seed "$FIRST_SEED" --scenes "$render" --shard-scenes "$shard" \
      --workers "$renderers" >"$WORK/render.log" 2>&1 &
    renderer=$!
    while [ "$(find "$SHARDS" -name '*.parquet' 2>/dev/null | wc -l)" -lt "$loaders" ]; do
      kill -0 "$renderer" 2>/dev/null || { tail -n 5 "$WORK/render.log"; return 1; }
      sleep 1
    done
  fi
  egm train pretrain --config training/egm_small/pretrain.yaml scenes="$SHARDS" output="$WORK/pretrain" \
    loaders="$loaders" "${pretrain[@]}"
  local status=$?
  # What is being rendered now is given up; the shards that are there are whole.
  if [ -n "$renderer" ] && ! kill -0 "$renderer" 2>/dev/null; then
    wait "$renderer" || say "rendering ended before training did, which went on with fewer scenes: $(tail -n 1 "$WORK/render.log")"
  elif [ -n "$renderer" ]; then
    pkill -P "$renderer" 2>/dev/null
    kill "$renderer" 2>/dev/null
    wait "$renderer" 2>/dev/null
  fi
  return $status
}

tuning_samples() {
  local first
  first=$(basename "$(find "$SHARDS" -name 'scenes-*.parquet' | sort | head -n 1)" | cut -d- -f2)
  egm scenes export --stored "$SHARDS" --first-seed $((10#$first)) --scenes "$sft_scenes" --per-scene 3 --vary \
    --amodal-share 0.35 --direct-share 0.1 --workers "$CORES" --out "$WORK/samples"
}

fresh_samples() {
  local stored=$WORK/scenes_rl seed=$RL_SEED
  if [ -n "${SCENES:-}" ]; then
    # The last ones; pretraining has seen them too.
    stored=$SCENES
    seed=$(basename "$(find "$SCENES" -name 'scenes-*.parquet' | sort | tail -n 1)" | cut -d- -f2)
    seed=$((10#$seed))
  else
    egm scenes render --out "$stored" --first-seed "$seed" --scenes "$rl_scenes" --shard-scenes "$shard" \
      --workers "$CORES" || return
  fi
  egm scenes export --stored "$stored" --first-seed "$seed" --scenes "$rl_scenes" --per-scene 3 --vary \
    --amodal-share 0.35 --absent-share 0.25 --workers "$CORES" --out "$WORK/rl_samples"
}

evaluate() {
  egm evaluate scenes --model "$1" --scenes "$evaluated" --batch "$batch" --workers "$CORES" --json "$WORK/$2.json"
}

stages() {
  if [ -z "${DRY_RUN:-}" ]; then stage gpu gpu; fi
  stage pretrain pretrain
  stage samples tuning_samples
  # By the clock of now: whatever came before may have taken longer.
  if [ -z "${DRY_RUN:-}" ]; then sft=(minutes="$(minutes 0.10)"); fi
  stage sft egm train sft --config training/egm_small/sft.yaml model="$WORK/pretrain/final" \
    data="[$WORK/samples/samples.jsonl]" output="$WORK/sft" "${sft[@]}"
  stage mean_sft egm train.pretrain.average --model "$WORK/sft/final" --other "$WORK/pretrain/final" --out "$WORK/mean_sft" --float32
  stage rl_samples fresh_samples
  stage select egm train select --config training/egm_small/select.yaml learner="$WORK/mean_sft" \
    data="[$WORK/rl_samples/samples.jsonl]" output="$WORK/select" "${select[@]}"
  stage evaluate_sft evaluate "$WORK/mean_sft" sft
  if [ -z "${DRY_RUN:-}" ]; then rl=(minutes="$(minutes 0.22)"); fi
  stage rl egm train rl --config training/egm_small/rl.yaml model="$WORK/mean_sft" \
    data="[$WORK/select/samples.jsonl]" output="$WORK/rl" "${rl[@]}"
  stage mean_rl egm train.pretrain.average --model "$WORK/rl/final" --other "$WORK/mean_sft" --out "$WORK/mean_rl" --float32
  stage evaluate_rl evaluate "$WORK/mean_rl" rl
  stage evaluate_base evaluate "$WORK/pretrain/final" base
}

# In halves each is some 12 MB; an optimiser's state would be three times the weights, and stays.
bring() {
  local name from half
  for name in pretrain mean_sft mean_rl; do
    from=$WORK/$name
    [ "$name" = pretrain ] && [ -d "$WORK/pretrain/final" ] && from=$WORK/pretrain/final
    [ -d "$from" ] || continue
    # Two calls may bring at once.
    half=$(mktemp -d "$WORK/half.XXXXXX") || continue
    if egm train.pretrain.average --model "$from" --out "$half" >/dev/null 2>"$half.log"; then
      if ! tar -C "$half" -cf "$OUT/.$name.tar" . || ! mv "$OUT/.$name.tar" "$OUT/$name.tar"; then
        rm -f "$OUT/.$name.tar"
        say "$name.tar could not be written to $OUT: make room there, or name another folder with OUT=FOLDER"
      fi
    else
      tail -n 1 "$half.log"
    fi
    rm -rf "$half" "$half.log"
  done
  (cd "$WORK" && {
    find . -maxdepth 1 -name '*.json'
    find . -mindepth 2 \( -name metrics.jsonl -o -name 'report.*' -o -name versions.json \)
  } | tar -cJf - -T -) >"$OUT/figures.tar.xz"
  "$PYTHON" - >"$OUT/machine.json" <<'P'
import json, os, platform, torch, transformers
gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
print(json.dumps({"gpu": gpu, "cores": os.cpu_count(), "python": platform.python_version(), "torch": torch.__version__,
                  "transformers": transformers.__version__}, indent=1))
P
  ls -l "$OUT"
}

main "$@"
