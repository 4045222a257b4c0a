#!/usr/bin/env bash
# Makes assets/default-model.gguf, the model inside the program, from nothing but this repository:
#   scripts/train_home_model.sh OUT_FOLDER
# Every step is seeded and is skipped when its result is there, so a broken run goes on where it ended. On two cores it
# takes about two hours; docs/models/mimo-home.md has the scores it should end with.
set -euo pipefail
cd "$(dirname "$0")/.."

out=$1
trainer=build/mimo-train
processes=$(nproc)
mkdir -p "$out"

data() {  # NAME ARGUMENT...
  local name=$1
  shift
  [[ -f "$out/$name" ]] || "$trainer" data "$out/$name" --tokenizer "$out/tokenizer.json" "$@"
}

train() {  # NAME COMMAND ARGUMENT...: a step of training, into its own folder
  local name=$1 command=$2 resume=()
  shift 2
  [[ ! -f "$out/$name/model/config.json" ]] || return 0
  [[ ! -d "$out/$name" ]] || resume=(--resume)
  "$trainer" "$command" --out "$out/$name" --held-out "$out/held-out.bin" --processes "$processes" "${resume[@]}" "$@"
}

[[ -f "$out/tokenizer.json" ]] || "$trainer" tokenizer "$out/tokenizer.json" --seed 1 --vocab-size 4096 --megabytes 20
data training.bin --seed 1 --tokens 11000000
data tuning.bin --seed 2 --tokens 42500000 --bare 0.05 --tools-taken 0.06
data held-out.bin --seed 1 --part held-out --conversations 1000

# Sequences of 2,048 hold the largest homes and a conversation about them.
steps=(--length 2048 --batch-tokens 8192 --learning-rate 5e-3)
# All tokens first: what homes and requests look like is most of the text. Then the model's own tokens alone.
train trunk pretrain --config src/train/configs/home.json --tokenizer "$out/tokenizer.json" --data "$out/training.bin" \
  "${steps[@]}" --steps 1300 --decay-share 0
train tuned sft --model "$out/trunk/model" --data "$out/tuning.bin" "${steps[@]}" --steps 5100 --warmup 10 --decay-share 0.8 --decay-shape linear
train mtp mtp --model "$out/tuned/model" --heads 3 --data "$out/tuning.bin" "${steps[@]}" --steps 350 --warmup 20 --decay-share 0.6

build/mimo quantize "$out/mtp/model" assets/default-model.gguf --type q8_0
"$trainer" evaluate --model "$out/mtp/model" --seed 2 --turns 2000
