#!/usr/bin/env python3
"""Tokens per second of any OpenAI-compatible server with many streams at once.

    throughput.py --port 8080 [--streams 16] [--prompt-words 100] [--tokens 128] [--rounds 3]

Every round starts all streams together, each with a prompt of its own, and ends with the last one. Prints the mean over
the rounds after the first, which warms up, as one line of JSON.
"""

import argparse
import asyncio
import json
import random
import statistics
import time

from load_client import Client

WORDS = ["lamp", "river", "seven", "below", "quiet", "engine", "paper", "Tuesday", "orange", "window"]


async def one_stream(arguments, seed):
    rng = random.Random(seed)
    prompt = " ".join(rng.choice(WORDS) for _ in range(arguments.prompt_words))
    client = Client(arguments.port, arguments.key)
    reply = await client.stream(
        {"messages": [{"role": "user", "content": prompt}], "max_tokens": arguments.tokens, "ignore_eos": True,
         "seed": seed, "temperature": 0, "stream": True, "stream_options": {"include_usage": True}}, None)
    client.close()
    assert reply.status == 200 and reply.is_complete, reply
    return reply


async def one_round(arguments, number):
    begin = time.perf_counter()
    replies = await asyncio.gather(*(one_stream(arguments, 1000 * number + i) for i in range(arguments.streams)))
    seconds = time.perf_counter() - begin
    completion = sum(reply.completion_tokens for reply in replies)
    assert completion == arguments.streams * arguments.tokens, f"{completion} tokens"
    return completion / seconds, sum(reply.prompt_tokens for reply in replies)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", default="none")
    parser.add_argument("--streams", type=int, default=16)
    parser.add_argument("--prompt-words", type=int, default=100)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    rounds = [asyncio.run(one_round(arguments, number)) for number in range(arguments.rounds + 1)][1:]
    rates = [rate for rate, _ in rounds]
    print(json.dumps({"streams": arguments.streams, "tokens_per_second": round(statistics.mean(rates), 2),
                      "rounds": [round(rate, 2) for rate in rates], "prompt_tokens": rounds[-1][1]}))


if __name__ == "__main__":
    main()
