#!/usr/bin/env bash
# Makes a tiny model with every command of build/mimo-train and runs it. Usage: trainer_test.sh MIMO_TRAIN MIMO
# What the steps compute is tested beside their code; this is about the commands working together.
set -u

trainer=$1
mimo=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

# expect_success NAME COMMAND...: stdout goes to NAME.out
expect_success() {
  local name=$1
  shift
  "$@" >"$name.out" 2>"$name.err" </dev/null || fail "$name: exit code $?: $(tail -n 3 "$name.err")"
}

expect_file() {
  [ -s "$1" ] || fail "$1 is missing or empty"
}

cat >config.json <<'JSON'
{
  "architectures": ["MiMoV2FlashForCausalLM"], "model_type": "mimo_v2_flash", "hidden_size": 32, "num_hidden_layers": 2,
  "vocab_size": 1024, "max_position_embeddings": 4096, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16,
  "v_head_dim": 16, "swa_num_attention_heads": 2, "swa_num_key_value_heads": 1, "swa_head_dim": 16, "swa_v_head_dim": 16,
  "partial_rotary_factor": 0.5, "rope_theta": 640000, "swa_rope_theta": 10000, "sliding_window": 128,
  "sliding_window_size": 128, "attention_chunk_size": 128, "attention_value_scale": 0.707, "attention_bias": false,
  "attention_dropout": 0.0, "add_full_attention_sink_bias": false, "add_swa_attention_sink_bias": true,
  "hybrid_block_size": null, "hybrid_layer_pattern": [0, 1], "moe_layer_freq": [0, 1], "hidden_act": "silu",
  "intermediate_size": 32, "moe_intermediate_size": 32, "n_routed_experts": 4, "n_shared_experts": null,
  "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1, "topk_method": "noaux_tc", "scoring_func": "sigmoid",
  "norm_topk_prob": true, "routed_scaling_factor": null, "num_nextn_predict_layers": 0, "layernorm_epsilon": 1e-5,
  "initializer_range": 0.02, "tie_word_embeddings": false, "use_cache": true
}
JSON

expect_success tokenizer "$trainer" tokenizer tokenizer.json --vocab-size 1024 --megabytes 1
for part in training held-out; do
  expect_success "data-$part" "$trainer" data "$part.bin" --part "$part" --conversations 60 --tokenizer tokenizer.json
done
expect_success again "$trainer" data again.bin --conversations 60 --tokenizer tokenizer.json
cmp training.bin again.bin || fail "the same seed gave other data"

short=(--held-out held-out.bin --data training.bin --batch-tokens 4096 --evaluated-sequences 2)
expect_success pretrain "$trainer" pretrain --config config.json --tokenizer tokenizer.json "${short[@]}" --steps 24 --warmup 2 --learning-rate 0.01 \
  --processes 2 --out pretrain
expect_file pretrain/run.svg
expect_file pretrain/model/chat_template.jinja
grep -q '"eos_token_id"' pretrain/model/config.json || fail "the model does not know its end token"
first=$(head -n 3 pretrain/log.jsonl | grep -oE '"loss":[0-9.]+' | head -n 1 | cut -d: -f2)
last=$(grep -oE '"loss":[0-9.]+' pretrain/log.jsonl | tail -n 1 | cut -d: -f2)
awk -v first="$first" -v last="$last" 'BEGIN { exit !(last < first - 0.3) }' || fail "the loss went from $first to $last"

expect_success sft "$trainer" sft --model pretrain/model "${short[@]}" --steps 3 --out sft
expect_success mtp "$trainer" mtp --model sft/model --heads 2 "${short[@]}" --steps 3 --out mtp
expect_success distill "$trainer" distill --student sft/model --teacher pretrain/model --steps 1 --tasks 2 --answers 2 \
  --out distill
expect_success evaluate "$trainer" evaluate --model mtp/model --turns 20
grep -q '"one call".*"accepted_per_step"' evaluate.out || fail "evaluate: no score: $(cat evaluate.out)"
expect_success quantize "$mimo" quantize mtp/model small.gguf --type q8_0
expect_success run "$mimo" run --model small.gguf -n 8 -p hello

"$trainer" pretrain --config config.json --tokenizer tokenizer.json "${short[@]}" --steps 12 --out pretrain \
  >stdout 2>stderr && fail "a second run into the same folder began"
grep -q -- '--resume' stderr || fail "no word of --resume: $(cat stderr)"

[ $failures -eq 0 ] && echo "all passed"
exit $((failures > 0))
