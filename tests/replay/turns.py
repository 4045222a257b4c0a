#!/usr/bin/env python3
"""Conversations that grow turn by turn against any OpenAI-compatible server: what it computes, and how long it takes.

    turns.py --port 8080 --turns 20 --state FILE    # again with the same FILE goes on, after a restart for example
    turns.py --port 8080 --turns 1 --sessions 5     # one after the other, all with the same system message

Every turn sends the whole history and appends the reply as it came. Prints one line of JSON for each session: prompt tokens,
how many of them were computed (all but those the server calls cached), seconds until the replies were whole.
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


def reply_to(messages, arguments):
    body = {"messages": messages, "max_tokens": arguments.reply_tokens, "temperature": 0, "ignore_eos": True}
    reply = requests.post(f"http://127.0.0.1:{arguments.port}/v1/chat/completions", json=body, timeout=600)
    reply.raise_for_status()
    return reply.json()


def converse(messages, session, arguments):
    """Adds the turns to `messages`; returns what they cost."""
    rng = random.Random()
    totals = {"turns": arguments.turns, "prompt_tokens": 0, "computed_tokens": 0}
    begin = time.perf_counter()
    for _ in range(arguments.turns):
        rng.seed(1000 * session + len(messages))
        messages.append({"role": "user", "content": words(rng, arguments.turn_words)})
        reply = reply_to(messages, arguments)
        totals["prompt_tokens"] += reply["usage"]["prompt_tokens"]
        totals["computed_tokens"] += computed_tokens(reply)
        messages.append({"role": "assistant", "content": reply["choices"][0]["message"]["content"] or ""})
    totals["seconds"] = round(time.perf_counter() - begin, 2)
    return totals


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--turns", type=int, default=40)
    parser.add_argument("--sessions", type=int, default=1)
    parser.add_argument("--state", type=pathlib.Path, help="of a single session")
    parser.add_argument("--system-words", type=int, default=2000)
    parser.add_argument("--turn-words", type=int, default=150)
    parser.add_argument("--reply-tokens", type=int, default=24)
    arguments = parser.parse_args()
    if arguments.state and arguments.sessions > 1:
        parser.error("--state is of a single session")
    for session in range(arguments.sessions):
        messages = [{"role": "system", "content": words(random.Random(7), arguments.system_words)}]
        if arguments.state and arguments.state.exists():
            messages = json.loads(arguments.state.read_text())
        print(json.dumps(converse(messages, session, arguments)))
        if arguments.state:
            arguments.state.write_text(json.dumps(messages))


if __name__ == "__main__":
    main()
