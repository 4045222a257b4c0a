#!/usr/bin/env bash
# Serves the model inside the program: scripts/run_server.sh PORT
# A program that was built without one serves a synthetic model, made on the first run: real geometry, random weights.
set -euo pipefail
cd "$(dirname "$0")/.."

port=$1
model=()
if ! build/mimo inspect >/dev/null 2>&1; then
  folder=build/demo-model
  if [[ ! -f "$folder/config.json" ]]; then
    rm -rf "$folder" "$folder.partial"
    build/mimo synth --like v2.6-flash --seed 1 \
      --set num_hidden_layers=4 --set hidden_size=256 --set intermediate_size=512 \
      --set moe_intermediate_size=128 --set n_routed_experts=8 --set num_experts_per_tok=2 \
      --set num_attention_heads=4 --set swa_num_attention_heads=4 \
      --set num_key_value_heads=2 --set swa_num_key_value_heads=2 "$folder.partial"
    mv "$folder.partial" "$folder"
  fi
  model=(--model "$folder")
  echo "mimo: the demonstration model has random weights: it shows that the server works and answers nonsense." >&2
fi

cat >&2 <<TEXT
mimo: serve a real checkpoint with: build/mimo serve --model /path/to/MiMo-V2.6-Flash-RL
mimo: page and API: http://127.0.0.1:$port
mimo: try: curl http://127.0.0.1:$port/v1/chat/completions -H 'Content-Type: application/json' -d '{"messages":[{"role":"user","content":"Hello"}],"max_tokens":32}'
TEXT
exec build/mimo serve --host 127.0.0.1 --port "$port" "${model[@]}"
