#!/usr/bin/env python3
"""A conversation that grows turn by turn against any OpenAI-compatible server: what it computes, and how long it takes.

    turns.py --port 8080 --turns 20 --state FILE    # again with the same FILE goes on, after a restart for example

Every turn sends the whole history and appends the reply as it came. Prints one line of JSON: prompt tokens, how many of them
were computed (all but those the server calls cached), seconds until the replies were whole.
"""

import argparse
import json
import pathlib
import random
import time

import requests

WORDS = ["lamp", "river", "seven", "below", "quiet", "engine", "paper", "Tuesday", "orange", "window"]


def words(rng, count):
    return " ".join(rng.choice(WORDS) for _ in range(count))


def computed_tokens(reply):
    usage = reply["usage"]
    if "timings" in reply:  # llama-server counts what it computed there
        return reply["timings"]["prompt_n"]
    return usage["prompt_tokens"] - usage["prompt_tokens_details"]["cached_tokens"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--turns", type=int, default=40)
    parser.add_argument("--state", type=pathlib.Path, required=True)
    parser.add_argument("--system-words", type=int, default=2000)
    parser.add_argument("--turn-words", type=int, default=150)
    parser.add_argument("--reply-tokens", type=int, default=24)
    arguments = parser.parse_args()
    rng = random.Random(7)
    messages = [{"role": "system", "content": words(rng, arguments.system_words)}]
    if arguments.state.exists():
        messages = json.loads(arguments.state.read_text())
    totals = {"turns": arguments.turns, "prompt_tokens": 0, "computed_tokens": 0}
    begin = time.perf_counter()
    for _ in range(arguments.turns):
        rng.seed(len(messages))
        messages.append({"role": "user", "content": words(rng, arguments.turn_words)})
        body = {"messages": messages, "max_tokens": arguments.reply_tokens, "temperature": 0, "ignore_eos": True}
        reply = requests.post(f"http://127.0.0.1:{arguments.port}/v1/chat/completions", json=body, timeout=600)
        reply.raise_for_status()
        reply = reply.json()
        totals["prompt_tokens"] += reply["usage"]["prompt_tokens"]
        totals["computed_tokens"] += computed_tokens(reply)
        messages.append({"role": "assistant", "content": reply["choices"][0]["message"]["content"] or ""})
    totals["seconds"] = round(time.perf_counter() - begin, 1)
    arguments.state.write_text(json.dumps(messages))
    print(json.dumps(totals))


if __name__ == "__main__":
    main()
