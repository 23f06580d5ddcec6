#!/usr/bin/env bash
# The paper's Tables 9, 10 and 11 in small, and the ablations of docs/results/method.md, on a machine with one GPU: 1,000 scenes that no
# model saw, which ask more than 2,000 questions of each task, and every ablation once for each seed.
#
#   tools/gpu/ablations.sh start|status|collect|stop [--dry-run]
#
# It takes what train.sh left in runs/gpu/train, or what came back from there: tar -xf pretrain.tar -C runs/gpu/train/pretrain,
# and so on; BASE, SFT, RL name other folders. One seed of everything comes before the next (SEEDS="4 5 6"): what there is
# when the time is over is a whole comparison. UPDATES=16 of 4,096 answers each.
# shellcheck source=tools/gpu/job.sh disable=SC1091
NAME=ablations
SELF=$(realpath "${BASH_SOURCE[0]}")
source "$(dirname "$SELF")/job.sh"

TRAINED=${TRAINED:-runs/gpu/train}
BASE=${BASE:-$TRAINED/pretrain}
[ -d "$BASE/final" ] && BASE=$BASE/final
SFT=${SFT:-$TRAINED/mean_sft}
RL=${RL:-$TRAINED/mean_rl}
SEEDS=${SEEDS:-4 5 6}
RL_SEED=${RL_SEED:-15000000}
if [ -n "${DRY_RUN:-}" ]; then
  scenes=8 shard=4 evaluated=2 batch=4 SEEDS=${DRY_SEEDS:-4}
  rl=(max_steps=1 prompts=4 generations=2 micro_batch=8 max_tokens=8 report_to='[]')
  select=(batch=4 max_tokens=8)
else
  scenes=4000 shard=100 evaluated=1000 batch=512
  rl=(max_steps="${UPDATES:-16}")
  select=()
fi
egm() { "$PYTHON" -m "egm_core.$1" "${@:2}"; }

evaluate() {
  egm evaluate scenes --model "$1" --scenes "$evaluated" --batch "$batch" --workers "$CORES" --json "$WORK/$2.json" "${@:3}"
}

all_there() {
  local folder
  for folder in "$BASE" "$SFT" "$RL"; do
    if [ -z "${DRY_RUN:-}" ] && [ "$(cat "$TRAINED/kind" 2>/dev/null)" = dry ] && [ "${folder#"$TRAINED"}" != "$folder" ]; then
      echo "$folder is a dry run's, which learnt nothing: run tools/gpu/train.sh first, or name folders with BASE, SFT and RL"
      return 1
    fi
    if [ ! -e "$folder/egm.json" ]; then
      echo "there is no model in $folder: run tools/gpu/train.sh first, or name folders with BASE, SFT and RL"
      return 1
    fi
  done
}

samples() {
  egm scenes render --out "$WORK/scenes" --first-seed "$RL_SEED" --scenes "$scenes" --shard-scenes "$shard" \
    --workers "$CORES" &&
    egm scenes export --stored "$WORK/scenes" --first-seed "$RL_SEED" --scenes "$scenes" --per-scene 3 --vary \
      --amodal-share 0.35 --absent-share 0.25 --workers "$CORES" --out "$WORK/samples" &&
    egm train select --config training/egm_small/select.yaml learner="$SFT" data="[$WORK/samples/samples.jsonl]" \
      output="$WORK/select" "${select[@]}"
}

ablation() {
  local name=$1 seed=$2 data=$3
  stage "rl-$name-$seed" egm train rl --config training/egm_small/rl.yaml model="$SFT" data="[$data]" seed="$seed" \
    output="$WORK/$name-$seed" "${rl[@]}" "${@:4}"
  stage "evaluate-$name-$seed" evaluate "$WORK/$name-$seed/final" "ablation-$name-$seed"
}

stages() {
  if [ -z "${DRY_RUN:-}" ]; then stage gpu gpu; fi
  stage there all_there
  stage base evaluate "$BASE" base
  stage sft evaluate "$SFT" sft
  stage rl evaluate "$RL" rl
  stage sft-direct evaluate "$SFT" sft-direct --no-reasoning
  stage rl-direct evaluate "$RL" rl-direct --no-reasoning
  stage samples samples
  local seed
  for seed in $SEEDS; do
    ablation learnable "$seed" "$WORK/select/samples.jsonl"
    ablation uniform "$seed" "$WORK/samples/samples.jsonl"
    ablation success-0 "$seed" "$WORK/select/samples.jsonl" success_weight=0
    ablation success-1 "$seed" "$WORK/select/samples.jsonl" success_weight=1
  done
}

bring() {
  local given=() name file runs=()
  for name in base sft rl sft-direct rl-direct; do
    # Table 10 needs the same weights' answers with reasoning, which come first.
    [ -s "$WORK/$name.json" ] && given+=("--$name" "$WORK/$name.json")
  done
  # In the order of the runs: all others are held against the first.
  mapfile -t runs < <(ls -tr "$WORK"/ablation-*.json 2>/dev/null)
  for file in "${runs[@]}"; do
    name=$(basename "$file" .json)
    given+=(--ablation "${name#ablation-}=$file")
  done
  if [ "${#given[@]}" -gt 0 ]; then
    egm evaluate tables "${given[@]}" >"$OUT/tables.md" || cat "$OUT/tables.md"
    (cd "$WORK" && tar -cJf - -- *.json) >"$OUT/results.tar.xz"
  fi
  (cd "$WORK" && find . -name metrics.jsonl -o -name 'report.*' -o -name versions.json | tar -cJf - -T -) >"$OUT/figures.tar.xz"
  ls -l "$OUT"
}

main "$@"
