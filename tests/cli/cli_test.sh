#!/usr/bin/env bash
# Drives build/mimo as a user does. Usage: cli_test.sh PROGRAM. Prints each failure; exit code 1 if there is one.
set -u

mimo=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

# expect_exit CODE ARGS...: runs the program; stdout and stderr are kept in $work.
expect_exit() {
  local expected=$1
  shift
  "$mimo" "$@" >"$work/stdout" 2>"$work/stderr" </dev/null
  local code=$?
  [ $code -eq "$expected" ] || fail "mimo $*: exit code $code instead of $expected: $(cat "$work/stderr")"
}

# expect_error CODE TEXT ARGS...: exactly one line on stderr in the agreed form that contains TEXT, no data.
expect_error() {
  local code=$1 text=$2
  shift 2
  expect_exit "$code" "$@"
  [ "$(wc -l <"$work/stderr")" -eq 1 ] || fail "mimo $*: not one line on stderr"
  grep -q '^mimo: error: ' "$work/stderr" || fail "mimo $*: no 'mimo: error: '"
  grep -qF -- "$text" "$work/stderr" || fail "mimo $*: no '$text' in: $(cat "$work/stderr")"
  [ -s "$work/stdout" ] && fail "mimo $*: data on stdout"
}

# expect_equal NAME ACTUAL EXPECTED
expect_equal() {
  [ "$2" = "$3" ] || fail "$1: '$2' instead of '$3'"
}

expect_match() {
  grep -qE -- "$3" <<<"$2" || fail "$1: '$2' does not match '$3'"
}

echo "# wrong usage"
expect_exit 0 --help
expect_exit 0 --version
expect_exit 0 run --help
expect_error 2 "--help" # no command
expect_error 2 "nonsense" nonsense
expect_error 2 "--nonsense" run --nonsense
expect_error 2 "--tokens" logits --out x.npy
expect_error 2 "--threads" run --threads many
expect_error 2 "KEY=VALUE" run --override sliding_window
expect_error 2 "--like" synth "$work/x"
expect_error 2 "v2.6-pro" synth --like v9 "$work/x"

echo "# what this version does not have"
# A program with a model inside names it; without one, a missing --model is an error.
if "$mimo" inspect >/dev/null 2>&1; then
  expect_exit 0 inspect --json
  expect_match "model inside" "$(cat "$work/stdout")" '"path":"mimo-home","format":"gguf"'
else
  expect_error 1 "mimo synth" run -p hello
fi
expect_error 1 "not in this version" quantize x y.gguf --type iq2_xs
expect_error 2 "--bpw" quantize x y.gguf
expect_error 2 ".gguf" quantize x y --type q8_0
expect_error 2 "--kv-type" run --model x --kv-type q2_k -p hello
expect_error 1 "--memory" run --model x --memory 4G -p hello
expect_error 1 "--device" run --model x --device cuda:0 -p hello
expect_error 1 "--image" run --model x --image a.png -p hello
expect_error 1 "$work/none" inspect "$work/none"

echo "# synth and inspect"
small=(--set num_hidden_layers=3 --set hidden_size=256 --set num_attention_heads=4 --set num_key_value_heads=2
  --set intermediate_size=256 --set moe_intermediate_size=64 --set n_routed_experts=4
  --set num_experts_per_tok=2 --set vocab_size=1024)
model=$work/model
expect_exit 0 synth --like v2.5 "${small[@]}" --seed 7 "$model"
expect_exit 0 synth --like v2.5 "${small[@]}" --seed 7 --threads 1 "$work/again"
diff -r "$model" "$work/again" >/dev/null || fail "synth: same seed, other bytes"
expect_exit 0 synth --like flash "${small[@]}" "$work/model.gguf"
expect_error 1 "hiden_size" synth --like flash --set hiden_size=1 "$work/x"
expect_exit 0 inspect --json "$model"
expect_match "inspect" "$(cat "$work/stdout")" '"num_hidden_layers":3,'
expect_match "inspect" "$(cat "$work/stdout")" '"missing_tensors":0,'
expect_exit 0 inspect "$work/model.gguf"

echo "# quantize"
expect_exit 0 quantize "$model" "$work/q8.gguf" --type q8_0 --set-type 'ffn_.*_exps=bf16'
expect_exit 0 inspect --json "$work/q8.gguf"
expect_match "quantize" "$(cat "$work/stdout")" '"type":"q8_0",.*"type":"bf16",'
expect_match "quantize" "$(cat "$work/stdout")" '"num_nextn_predict_layers":3,'
for file in "$model" "$work/q8.gguf"; do
  printf 'Hello <tool_call><|im_end|>' | "$mimo" tokenize --special --model "$file" >"$work/${file##*/}.ids"
done
cmp -s "$work/model.ids" "$work/q8.gguf.ids" || fail "quantize: the tokenizer gives other ids"
expect_exit 0 run --model "$work/q8.gguf" -p Hi -n 2 --json
for type in q6_k q4_k q2_k iq4_xs mxfp4; do
  expect_exit 0 quantize "$model" "$work/$type.gguf" --type "$type"
  expect_match "fallback of $type" "$(cat "$work/stderr")" "tensors .* instead of|$type.gguf: "
  expect_exit 0 run --model "$work/$type.gguf" -p Hi -n 2 --json
done

echo "# imatrix"
seq 1 400 >"$work/numbers.txt"
expect_exit 0 imatrix --model "$model" --file "$work/numbers.txt" --context 128 "$work/imatrix.gguf"
expect_exit 0 quantize "$model" "$work/bpw.gguf" --bpw 5 --imatrix "$work/imatrix.gguf"
expect_match "bpw" "$(cat "$work/stderr")" 'blk.0.attn_qkv.weight +[a-z0-9_]+ +[0-9.]+'
expect_match "bpw" "$(cat "$work/stderr")" ' (4\.[5-9][0-9]|5\.00) bits per weight'
expect_exit 0 run --model "$work/bpw.gguf" -p Hi -n 2 --json
expect_error 1 "too few" quantize "$model" "$work/bpw.gguf" --bpw 1.5
expect_error 1 "$work/numbers.txt" quantize "$model" "$work/x.gguf" --type q4_k --imatrix "$work/numbers.txt"

echo "# bench"
expect_exit 0 bench --model "$model" -p 8 -n 4 -d 0 -d 16 -r 2 --json --threads 1
rows=$(grep -o '"test":"[a-z]*","n":[0-9]*,"depth":[0-9]*,"tokens_per_second":[0-9]' "$work/stdout" | wc -l)
expect_equal "bench rows" "$rows" 4
expect_match "bench" "$(cat "$work/stdout")" '"bytes_per_token":[0-9]+,"bandwidth_share":[0-9.e-]+,"peak_memory_bytes":[0-9]+,"read_bandwidth":[0-9.e+]+'
printf '#!/bin/sh\necho "[{\\"avg_ts\\": 2.5}]"\n' >"$work/peer"
chmod +x "$work/peer"
expect_exit 0 bench --model "$model" -p 8 -r 1 --peer "$work/peer" --json --threads 1
expect_match "bench --peer" "$(cat "$work/stdout")" '"peer_tokens_per_second":2.5,"peer_ratio":'
expect_error 1 "llama-bench" bench --model "$model" -p 8 -r 1 --peer true --threads 1

echo "# types of the KV cache"
# A token of the one full layer: one key of 192 and one value of 128 elements for each of its 2 KV heads.
for type in f32:2560 bf16:1280 q8_0:680 q4_0:360; do
  expect_exit 0 inspect --json --kv-type "${type%:*}" "$model"
  expect_match "KV bytes of $type" "$(cat "$work/stdout")" "\"kv_bytes_per_token\":${type#*:},"
  expect_exit 0 run --model "$model" --kv-type "${type%:*}" -p Hi -n 2 --json
done
expect_exit 0 synth --like flash "${small[@]}" --set v_head_dim=48 "$work/odd.gguf"
expect_error 1 "whole blocks of 32 (--kv-type q4_0)" inspect --kv-type q4_0 "$work/odd.gguf"

echo "# flags from the environment and from a file"
expect_exit 0 inspect --json --context 100 "$model"
expect_match "flag" "$(cat "$work/stdout")" '"context":100,'
MIMO_CONTEXT=200 expect_exit 0 inspect --json "$model"
expect_match "environment" "$(cat "$work/stdout")" '"context":200,'
printf 'context = 300\n[inspect]\nmodel = "%s"\n[serve]\nport = 1\n' "$model" >"$work/mimo.toml"
expect_exit 0 inspect --json --config "$work/mimo.toml"
expect_match "file" "$(cat "$work/stdout")" '"context":300,'
MIMO_CONTEXT=200 expect_exit 0 inspect --json --config "$work/mimo.toml"
expect_match "environment before file" "$(cat "$work/stdout")" '"context":200,'
printf 'contxt = 300\n' >"$work/wrong.toml"
expect_error 2 "contxt" inspect --config "$work/wrong.toml" "$model"
expect_exit 0 inspect --json --override sliding_window_size=129 "$model"
expect_match "override" "$(cat "$work/stdout")" '"window":129,'

echo "# text"
# The published vocabulary, whole.
expect_exit 0 synth --like v2.5 "${small[@]}" --set vocab_size=152576 --set hidden_size=32 "$work/v25"
expect_exit 0 synth --like v2.6-flash "${small[@]}" --set vocab_size=152576 --set hidden_size=32 "$work/v26"
printf 'Hello world \xf0\x9f\x8d\x9a 3333\n <|im_end|>' >"$work/text"
for flags in "" "--special"; do
  "$mimo" tokenize $flags --model "$work/v26" <"$work/text" >"$work/ids" || fail "tokenize $flags"
  "$mimo" detokenize --model "$work/v26" <"$work/ids" >"$work/back" || fail "detokenize"
  cmp -s "$work/text" "$work/back" || fail "tokenize $flags and detokenize do not give the text back"
done
expect_equal "tokenize" "$(printf 'Hello world' | "$mimo" tokenize --model "$work/v26")" "[9707,1879]"
expect_equal "tokenize --special" "$(printf '<|im_end|>' | "$mimo" tokenize --special --model "$work/v26")" "[151645]"
"$mimo" detokenize <<<'[1,"a"]' >/dev/null 2>&1 && fail "detokenize takes a string for an id"
hello='{"messages":[{"role":"user","content":"Hello"}],"enable_thinking":false}'
prompt=$("$mimo" template --model "$work/v26" <<<"$hello") || fail "template"
expect_match "template" "$prompt" '"text":".*Hello<\|im_end\|><\|im_start\|>assistant\\n<think></think>"'
expect_match "template" "$prompt" '"tokens":\[151644,.*,9707,151645,151644,77091,198,151667,151668\]'
# A checkpoint without a template text gets that of its architecture: V2.5 has a default system prompt.
vector='[151644,8948,198,2610,525,20740,25612,11,264,10950,15235,17847,44936,553,71449,13,151645,151644,872,198,9707,'
vector+='151645,151644,77091,198,151667,151668]'
expect_match "template of V2.5" "$("$mimo" template --model "$work/v25" <<<"$hello")" "\"tokens\":${vector//[\[\]]/.}"

echo "# logits"
echo '[1,2,3,4,5]' >"$work/tokens.json"
expect_exit 0 logits --model "$model" --tokens "$work/tokens.json" --out "$work/a.npy" --mtp-out "$work/m.npy"
expect_exit 0 logits --model "$model" --tokens "$work/tokens.json" --out "$work/b.npy" --chunk 2
cmp -s "$work/a.npy" "$work/b.npy" || fail "logits: the result depends on --chunk"
expect_exit 0 logits --model "$model" --tokens "$work/tokens.json" --out "$work/e.npy" --exact
expect_match "logits" "$(head -c 128 "$work/a.npy" | tr -d '\0')" "'shape': \(5, 1024,\)"
expect_equal "logits size" "$(stat -c %s "$work/e.npy")" $((128 + 5 * 1024 * 4))
expect_equal "mtp size" "$(stat -c %s "$work/m.npy")" $((128 + 3 * 5 * 1024 * 4))
echo '[1,4096]' >"$work/tokens.json"
expect_error 1 "4096" logits --model "$model" --tokens "$work/tokens.json" --out "$work/x.npy"

echo "# generation"
expect_exit 0 run --model "$model" -p Hi -n 4 --temperature 0 --json
expect_match "run" "$(cat "$work/stdout")" '"token_ids":\[[0-9]+'
first=$(cat "$work/stdout")
expect_exit 0 run --model "$work/model.gguf" -p Hi -n 4 --seed 3 --raw --json
expect_match "run on GGUF" "$(cat "$work/stdout")" '"completion_tokens":'
expect_exit 0 run --model "$model" -p Hi -n 4 --temperature 0 --json
ids() { grep -o '"token_ids":\[[^]]*\]' <<<"$1"; }
expect_equal "run twice" "$(ids "$(cat "$work/stdout")")" "$(ids "$first")"
seq 1 60 >"$work/numbers"
expect_exit 0 perplexity --model "$model" --file "$work/numbers" --json --context 16
expect_match "perplexity" "$(cat "$work/stdout")" '"perplexity":[0-9.]+,'
expect_exit 0 perplexity --model "$model" --reference "$model" --kv-type f32 --file "$work/numbers" --json --context 16
expect_match "perplexity, itself as reference" "$(cat "$work/stdout")" '"kl_mean":0\.0,.*"same_top":1\.0'
own=$(grep -o '"perplexity":[0-9.]*' "$work/stdout")
expect_equal "perplexity of the reference" "$(grep -o '_perplexity":[0-9.]*' "$work/stdout")" "_${own#?}"
expect_exit 0 perplexity --model "$work/q4_k.gguf" --reference "$model" --file "$work/numbers" --context 16
expect_match "perplexity, reference" "$(cat "$work/stdout")" 'KL divergence 0\.[0-9]*[1-9][0-9]* '
expect_exit 0 synth --like v2.5 "${small[@]}" --set vocab_size=2048 "$work/wide"
expect_error 1 "vocabulary of 1024 is not the model's of" perplexity --reference "$model" --file "$work/numbers" \
  --model "$work/wide"
printf 'Hi\n/exit\n' | "$mimo" chat --model "$model" -n 3 >"$work/stdout" 2>"$work/stderr" || fail "chat: $(cat "$work/stderr")"

echo "# replay and the cache on disk"
echo '{"counts":{"prompt":387000000,"cached":371520000,"requests":4000},"model":"mimo-v2.5-pro"}' >"$work/counts.jsonl"
expect_exit 0 replay "$work/counts.jsonl" --json
expect_match "387 million tokens, 96 % cached" "$(cat "$work/stdout")" '"cost":55.728,"cost_without_cache":1161.0,'
printf '[prices.models."*"]\ncurrency = "USD"\ninput = 4.35\ncached-input = 0.0108\noutput = 8.7\n' >"$work/prices.toml"
expect_exit 0 replay "$work/counts.jsonl" --price-of mimo-v2.6-pro-ultraspeed --config "$work/prices.toml" --json
expect_match "the same at another price" "$(cat "$work/stdout")" '"currency":"USD","cost":71.350416,'
printf '{"tokens":[1,2,3,4,5,6,7,8]}\n{"after":"1","tokens":[9,10]}\n' >"$work/session.jsonl"
expect_exit 0 replay --model "$model" "$work/session.jsonl" --max-tokens 5 --check --json --cache-dir "$work/cache"
expect_match "replay" "$(cat "$work/stdout")" '"checked":2,"different":0'
expect_match "replay" "$(cat "$work/stdout")" '"turn":"2","prompt_tokens":15,'
printf '{"messages":[{"role":"user","content":"Hi"}]}\n' >"$work/session.jsonl"
expect_exit 0 replay --model "$model" "$work/session.jsonl" --max-tokens 3 --restart-every 1
expect_match "replay as text" "$(cat "$work/stdout")" '^1 requests, 0 of '
echo '{"tokens":[1,2],"after":"x"}' >"$work/session.jsonl"
expect_error 1 "line 1: 'after'" replay --model "$model" "$work/session.jsonl"
echo '{"tokens":[5000]}' >"$work/session.jsonl"
expect_error 1 "turn 1: " replay --model "$model" "$work/session.jsonl" --json
expect_exit 0 cache ls --cache-dir "$work/cache" --json
expect_match "cache ls" "$(cat "$work/stdout")" '"bytes_on_disk":[0-9]+,"stores":\['
expect_exit 0 cache verify --cache-dir "$work/cache"
expect_exit 0 cache prune --cache-dir "$work/cache" --cache-disk 0 --json
expect_match "cache prune" "$(cat "$work/stdout")" '"bytes_after":0'
expect_error 1 "--cache-dir" cache ls
expect_error 1 "$work/none" cache verify --cache-dir "$work/none"
expect_error 2 "cache --help" cache tidy
expect_error 2 "16G" cache prune --cache-dir "$work/cache" --cache-disk many

echo "# batch"
request() { printf '{"custom_id":"%s","method":"POST","url":"/v1/%s","body":%s}\n' "$@"; }
chat='"messages":[{"role":"user","content":"Hi"}]'
{
  request chat chat/completions "{$chat,\"max_tokens\":3}"
  request text completions '{"prompt":"Hi","max_tokens":3}'
  request response responses '{"input":"Hi","max_output_tokens":16}'
  request refused chat/completions '{"messages":7}'
  request lost nowhere '{}'
  echo '{"custom_id":'
} >"$work/batch.jsonl"
expect_exit 0 batch --model "$model" "$work/batch.jsonl" "$work/results.jsonl"
[ -s "$work/stdout" ] && fail "batch: data on stdout"
expect_match "batch" "$(cat "$work/stderr")" '^answered 6 requests, 3 of them with an error$'
expect_equal "batch results" "$(wc -l <"$work/results.jsonl")" 6
expect_result() { grep -qE -- "$1" "$work/results.jsonl" || fail "batch: no result '$1' in $(cat "$work/results.jsonl")"; }
for id in chat text response; do
  expect_result "^\\{\"id\":\"batch_req_[0-9a-f]+\",\"custom_id\":\"$id\",\"response\":\\{\"status_code\":200,\"request_id\":\"req_.*\"error\":null\\}$"
done
expect_result '"custom_id":"refused","response":\{"status_code":400,.*"param":"messages".*"error":null\}$'
expect_result '"custom_id":"lost","response":null,"error":\{"code":"invalid_url",'
expect_result '"custom_id":null,"response":null,"error":\{"code":"invalid_json_line",.*"line":6\}\}$'
cp "$work/results.jsonl" "$work/before.jsonl"
expect_exit 0 batch --model "$model" "$work/batch.jsonl" "$work/results.jsonl"
expect_match "batch, all done" "$(cat "$work/stderr")" '^6 of 6 requests have their results'
cmp -s "$work/results.jsonl" "$work/before.jsonl" || fail "batch: a second run changes the results"
request alias completions '{"model":"gpt-4o-mini","prompt":"Hi","max_tokens":3}' >"$work/alias.jsonl"
expect_exit 0 batch --model "$model" --alias claude-3 --alias 'gpt-*' "$work/alias.jsonl" "$work/alias-results.jsonl"
expect_match "batch, alias" "$(cat "$work/alias-results.jsonl")" '"status_code":200,.*"model":"gpt-4o-mini"'
expect_error 2 "output is required" batch --model "$model" "$work/batch.jsonl"
expect_error 1 "$work/none" batch --model "$model" "$work/none" "$work/x.jsonl"
expect_error 1 "not the result of a batch" batch --model "$model" "$work/batch.jsonl" "$work/batch.jsonl"
cat "$work/batch.jsonl" "$work/batch.jsonl" >"$work/twice.jsonl"
expect_error 1 "lines 1 and 7 have the same custom_id 'chat'" batch --model "$model" "$work/twice.jsonl" "$work/x.jsonl"

# Stopped twice, by a kill and by SIGINT, and continued: every request has one result, and none is made twice.
for i in $(seq 1 200); do
  request "r$i" chat/completions "{$chat,\"max_tokens\":50,\"ignore_eos\":true,\"seed\":$i}"
done >"$work/batch.jsonl"
rm "$work/results.jsonl"
# stop_batch SIGNAL COUNT: runs the batch until there are COUNT results, then sends the signal; sets `code`.
stop_batch() {
  "$mimo" batch --model "$model" --sequences 2 "$work/batch.jsonl" "$work/results.jsonl" 2>"$work/stderr" &
  local pid=$!
  while [ "$(cat "$work/results.jsonl" 2>/dev/null | wc -l)" -lt "$2" ] && kill -0 $pid 2>/dev/null; do sleep 0.05; done
  kill "-$1" $pid
  wait $pid 2>/dev/null
  code=$?
}
stop_batch KILL 3
expect_equal "batch, killed" $code 137
printf '{"id":"batch_req_0","custom_id":"r200","resp' >>"$work/results.jsonl" # as a kill on a full disk leaves it
cp "$work/results.jsonl" "$work/before.jsonl"
kept=$(wc -l <"$work/before.jsonl")
stop_batch INT $((kept + 3))
expect_equal "batch, interrupted" $code 1
expect_match "batch, interrupted" "$(tail -n 1 "$work/stderr")" '^mimo: error: interrupted with [0-9]+ requests to go .*: run again to continue$'
[ "$(wc -l <"$work/results.jsonl")" -lt 200 ] || fail "batch: it was over before it was interrupted"
expect_exit 0 batch --model "$model" "$work/batch.jsonl" "$work/results.jsonl"
cmp -s <(head -n "$kept" "$work/results.jsonl") <(head -n "$kept" "$work/before.jsonl") || fail "batch: results changed"
expect_equal "batch, continued" "$(grep -c '"status_code":200,.*"completion_tokens":50' "$work/results.jsonl")" 200
expect_equal "batch, ids" "$(grep -o '"custom_id":"r[0-9]*"' "$work/results.jsonl" | sort -u | wc -l)" 200

[ $failures -eq 0 ] && echo "all passed"
exit $((failures > 0))
