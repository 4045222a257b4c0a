#!/usr/bin/env python3
"""Puts the server under load and checks what must hold there: no reply is lost or mixed up with another, memory stays
flat, keys get equal shares, and tokens come at an even pace.

    load_test.py PROGRAM FOLDER [--seconds 40] [--clients 64] [--model PATH]

Streaming clients of three keys, one of which has half of the clients, send requests whose replies are known: the same
requests with the same seeds were answered alone before. Some hang up half way, some read slowly, some send nonsense.
Needs nothing but Python. MIMO_LOAD_SECONDS sets the length from outside; 300 is the long version.

Memory is measured when all pools have been touched and the clients have been there for a while. Exit code 77: nothing
was lost and memory is flat, but the machine stood still or was too slow to judge times and shares by.
"""

import argparse
import asyncio
import collections
import gc
import hashlib
import json
import os
import pathlib
import random
import statistics
import sys
import time

import load_server
from load_client import Cancelled, Client, within_timeout

SHARE_OF_CLIENTS = {"heavy": 0.5, "middle": 0.25, "light": 0.25}
NUM_REQUESTS = 24
SEQUENCES = 16
CONTEXT = 1024
COST_OF_OUTPUT = 2  # as the scheduler counts
SAMPLE_SECONDS = 0.25
COST_MIN = 20_000  # what shares are measured by: some hundred requests
STALL_SECONDS_MAX = 0.5  # for so long at most, this program may not have been run when it wanted to
EXIT_SKIPPED = 77


def make_requests(rng):
    words = ["lamp", "river", "seven", "below", "quiet", "engine", "paper", "Tuesday", "orange", "window"]
    requests = []
    for index in range(NUM_REQUESTS):
        prompt = " ".join(rng.choice(words) for _ in range(rng.choice([5, 20, 60, 150])))
        requests.append({"messages": [{"role": "user", "content": f"{index}: {prompt}"}], "seed": index,
                         "temperature": 0.8, "max_tokens": rng.randint(15, 60), "ignore_eos": True, "stream": True,
                         "logprobs": True, "stream_options": {"include_usage": True}})
    return requests


def malformed_requests(key):
    """What is sent, and which statuses may answer; None: the connection may simply close."""
    def post(body, path="/v1/chat/completions", key=key, length=None):
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: "
        return (head + f"{len(body) if length is None else length}\r\n\r\n").encode() + body

    hello = b'{"messages":[{"role":"user","content":"hi"}]'
    return [
        (post(b"{"), {400}),
        (post(b"[]"), {400}),
        (post(b'{"messages":"hi"}'), {400}),
        (post(hello + b',"max_tokens":-5}'), {400}),
        (post(hello + b',"temperature":"hot"}'), {400}),
        (post(hello + b',"model":"no-such-model"}'), {404}),
        (post(b'{"messages":[{"role":"user","content":"' + b"long " * 3000 + b'"}]}'), {400}),
        (post(hello + b"}", key="wrong"), {401}),
        (post(hello + b"}", path="/nowhere"), {404}),
        (post(hello, length=10_000_000), {None}),  # and then silence: the client leaves
        (b"GET /v1/chat/completions HTTP/1.1\r\nHost: x\r\n\r\n", {401, 405}),
        (b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n", {None}),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", {400, None}),
    ]


class Load:
    """Everything that the clients share."""

    def __init__(self, server, keys, requests, expected):
        self.server = server
        self.keys = keys
        self.requests = requests
        self.expected = expected  # by request: (text, completion tokens, prompt tokens)
        self.errors = []
        self.counts = collections.Counter()
        self.gaps = []  # seconds between tokens, of clients that read as fast as they can
        self.cost = collections.Counter()  # by key
        self.memory = []  # bytes
        self.longest_stall = 0.0  # seconds
        self.measured_seconds = 0.0
        self.measuring = False
        self.ending = False

    def fail(self, what):
        if len(self.errors) < 20:
            print(f"load_test: {what}", file=sys.stderr)
        self.errors.append(what)

    def charge(self, key_name, tokens):
        if self.measuring:
            self.cost[key_name] += tokens

    async def run_client(self, number, key_name):
        rng = random.Random(number)
        client = Client(self.server.port, self.keys[key_name])
        while not self.ending:
            kind = rng.choices(["plain", "cancel", "slow", "malformed"], [70, 14, 6, 10])[0]
            try:
                if kind == "malformed":
                    await self.send_nonsense(client, rng, key_name)
                else:
                    await self.ask(client, rng, key_name, kind)
                self.counts[kind] += 1
            except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError, ValueError) as error:
                self.fail(f"client {number}, {kind}: {error!r}")
        client.close()

    async def send_nonsense(self, client, rng, key_name):
        data, statuses = rng.choice(malformed_requests(self.keys[key_name]))
        status = await client.send_raw(data, wait=0.2 if None in statuses else 30)
        if status not in statuses:
            self.fail(f"{data[:80]!r} was answered with {status} instead of {statuses}")

    async def ask(self, client, rng, key_name, kind):
        index = rng.randrange(len(self.requests))
        text, completion_tokens, prompt_tokens = self.expected[index]
        stop_after = rng.randint(0, completion_tokens) if kind == "cancel" else None
        arrivals = []

        async def on_tokens(count):
            if not arrivals:
                self.charge(key_name, prompt_tokens)
            self.charge(key_name, COST_OF_OUTPUT * count)
            arrivals.append((time.perf_counter(), count))
            if kind == "slow":
                await asyncio.sleep(rng.uniform(0, 0.2))

        try:
            reply = await client.stream(self.requests[index], on_tokens, stop_after=stop_after, is_slow=kind == "slow")
        except Cancelled as cancelled:
            if not text.startswith(cancelled.text):
                self.fail(f"request {index}: a cancelled reply differs: {cancelled.text!r}, not {text!r}")
            return
        if reply.status != 200:
            self.fail(f"request {index}: status {reply.status}: {reply.text[:200]}")
        elif reply.text != text or not reply.is_complete or reply.completion_tokens != completion_tokens:
            self.fail(f"request {index}: {reply.text!r} ({reply.completion_tokens} tokens, complete: "
                      f"{reply.is_complete}) instead of {text!r}")
        if kind == "plain" and self.measuring:
            for (before, _), (now, count) in zip(arrivals, arrivals[1:]):
                self.gaps.extend([(now - before) / count] * count)


async def answer_alone(port, key, requests):
    client = Client(port, key)
    expected = []

    async def ignore(count):
        pass

    for request in requests:
        reply = await client.stream(request, ignore)
        assert reply.status == 200 and reply.is_complete, reply
        assert reply.completion_tokens == request["max_tokens"], reply
        expected.append((reply.text, reply.completion_tokens, reply.prompt_tokens))
    client.close()
    assert len({text for text, _, _ in expected}) == len(expected), "replies must differ to tell them apart"
    return expected


async def fill_memory(port, key, requests, expected):
    """Touches all the memory that sequences may take: as many as run at once, each up to the end of its context. What
    grows later is not the first use of a pool."""
    longest = max(range(len(requests)), key=lambda index: expected[index][2])
    message = requests[longest]["messages"][0]["content"]
    # Most of it is prompt: the first sequence must not end before the last one has got its memory.
    words = (message.split() * CONTEXT)[: int(len(message.split()) * 0.7 * CONTEXT / expected[longest][2])]

    async def ignore(count):
        pass

    async def fill(number):
        client = Client(port, key)
        reply = await client.stream({"messages": [{"role": "user", "content": " ".join(words)}], "seed": number,
                                     "ignore_eos": True, "stream": True, "stream_options": {"include_usage": True}},
                                    ignore)
        client.close()
        assert reply.status == 200 and reply.prompt_tokens + reply.completion_tokens >= CONTEXT, reply

    await asyncio.gather(*(fill(number) for number in range(SEQUENCES)))


def warm_up_of(seconds):
    """How long nothing is measured: until every client has had its share, and every thread of the server and its part
    of the heap have seen what they will see."""
    return min(60, seconds / 2)


async def measure(load, seconds):
    """For so long, and up to twice as long where less was done than shares can be judged by."""
    begin = time.monotonic()
    now = begin
    while now < begin + seconds or (now < begin + 2 * seconds and load.cost.total() < COST_MIN):
        await asyncio.sleep(SAMPLE_SECONDS)
        load.memory.append(load.server.resident_bytes())
        before, now = now, time.monotonic()
        load.longest_stall = max(load.longest_stall, now - before - SAMPLE_SECONDS)
    load.measured_seconds = now - begin


async def run_load(server, keys, seconds, num_clients):
    requests = make_requests(random.Random(1))
    load = Load(server, keys, requests, await answer_alone(server.port, keys["light"], requests))
    await fill_memory(server.port, keys["light"], requests, load.expected)
    names = [name for name, share in SHARE_OF_CLIENTS.items() for _ in range(round(share * num_clients))]
    clients = [asyncio.create_task(load.run_client(number, name)) for number, name in enumerate(names)]
    await asyncio.sleep(warm_up_of(seconds))
    load.measuring = True
    await measure(load, seconds - warm_up_of(seconds))
    load.measuring = False
    load.ending = True
    await within_timeout(asyncio.gather(*clients))
    return load


def figures_of(load, seconds):
    total = load.cost.total()
    memory = load.memory
    shares = {name: round(load.cost[name] * len(SHARE_OF_CLIENTS) / total, 3) for name in SHARE_OF_CLIENTS}
    gaps = sorted(load.gaps)
    first = statistics.median(memory[: max(1, len(memory) // 10)])
    return {
        "seconds": seconds,
        "replies": dict(load.counts),
        "errors": len(load.errors),
        "shares_of_fair": shares,
        "cost_per_second": round(total / load.measured_seconds),
        "cost": total,
        "longest_stall": round(load.longest_stall, 2),
        "gap_ms": {name: round(1000 * gaps[int(len(gaps) * part)], 1)
                   for name, part in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999))},
        "p99_over_median": round(gaps[int(len(gaps) * 0.99)] / gaps[len(gaps) // 2], 2),
        "memory_mb": [round(first / 1e6, 1), round(max(memory) / 1e6, 1)],
        "memory_growth": round(max(memory) / first - 1, 4),
    }


def check(figures):
    """What is wrong; nothing when all is well."""
    problems = []
    if figures["errors"]:
        problems.append("replies were wrong or lost")
    if figures["memory_growth"] > 0.02:
        problems.append("memory grows")
    return problems


def check_times(figures, is_long):
    """The same for what a busy machine spoils. The short version measures too few steps for a steady p99."""
    problems = []
    if any(abs(share - 1) > 0.1 for share in figures["shares_of_fair"].values()):
        problems.append("a share is more than 10 % away from the fair one")
    if figures["p99_over_median"] > (3 if is_long else 5):
        problems.append("tokens come unevenly")
    return problems


def doubts(figures):
    """Why times and shares may be the machine's."""
    reasons = []
    if figures["cost"] < COST_MIN:
        reasons.append(f"only {figures['cost']} of {COST_MIN} were done")
    if figures["longest_stall"] > STALL_SECONDS_MAX:
        reasons.append(f"the machine stood still for {figures['longest_stall']} s")
    return reasons


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("MIMO_LOAD_SECONDS", 40)))
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--model", help="default: a random one that is made in FOLDER")
    parser.add_argument("--threads", type=int, default=0)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    keys = {name: f"load-{name}-{hashlib.sha256(name.encode()).hexdigest()[:12]}" for name in SHARE_OF_CLIENTS}
    model = arguments.model or load_server.make_model(arguments.program, arguments.folder)
    # Without the prefix cache: it fills its memory for minutes, which looks like a leak.
    flags = ["--sequences", str(SEQUENCES), "--context", str(CONTEXT), "--prefix-cache", "off"]
    if arguments.threads:
        flags += ["--threads", str(arguments.threads)]
    gc.disable()  # its pauses would look like the server's
    with load_server.Server(arguments.program, arguments.folder, model, keys, flags) as server:
        load = asyncio.run(run_load(server, keys, arguments.seconds, arguments.clients))
        server.wait_until_idle(keys["light"])
    if not load.gaps and not load.errors:
        print("load_test: the machine is too slow: not one reply while times were taken", file=sys.stderr)
        return EXIT_SKIPPED
    figures = figures_of(load, arguments.seconds)
    print(json.dumps(figures))
    problems = check(figures)
    problems_of_times = check_times(figures, arguments.seconds >= 120)
    reasons = doubts(figures)
    for problem in problems + problems_of_times + reasons:
        print(f"load_test: {problem}", file=sys.stderr)
    if problems or (problems_of_times and not reasons):
        return 1
    return EXIT_SKIPPED if problems_of_times else 0


if __name__ == "__main__":
    sys.exit(main())
