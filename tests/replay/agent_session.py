#!/usr/bin/env python3
"""Writes a synthetic agent session as a trace for `mimo replay` (docs/formats/agent-trace.md).

An agent calls a tool at every turn: the prompt is what was before, the model's reply, and a result of uneven
length. Some branches go back to a turn in the middle, some to a token inside one. The same arguments give the
same bytes.

    agent_session.py --calls 1000 --tokens 200000 --branches 3 --vocab 32000 > session.jsonl
    agent_session.py --counts --calls 1000 --tokens 200000 --sessions 4 > counts.jsonl   # numbers alone
"""

import argparse
import json
import random

SYSTEM_TOKENS = 1500  # instructions and tools, the same in every session
BRANCH_CALLS = 5


def token_list(generator, count, vocab):
    """Words repeat: a result is drawn from few distinct tokens, as tool output is."""
    low = generator.randrange(vocab // 2)
    span = max(2, vocab // 4)
    return [low + generator.randrange(span) for _ in range(count)]


def uneven(generator, mean):
    """Tool results are mostly short, and sometimes a whole file."""
    return max(1, round(generator.lognormvariate(0, 0.8) * mean / 1.377))


def session(arguments):
    generator = random.Random(arguments.seed)
    grown = max(1, (arguments.tokens - SYSTEM_TOKENS) // arguments.calls - arguments.reply)
    turns = [{"id": "1", "tokens": token_list(generator, SYSTEM_TOKENS, arguments.vocab), "max_tokens": arguments.reply}]
    for call in range(2, arguments.calls + 1):
        result = token_list(generator, uneven(generator, grown), arguments.vocab)
        turns.append({"id": str(call), "after": str(call - 1), "tokens": result, "max_tokens": arguments.reply})
    for branch in range(1, arguments.branches + 1):
        origin = arguments.calls * branch // (arguments.branches + 1)
        for call in range(1, BRANCH_CALLS + 1):
            turn = {"id": f"b{branch}.{call}", "after": f"b{branch}.{call - 1}" if call > 1 else str(max(1, origin))}
            if call == 1 and branch % 2 == 0:  # an edited result: the branch begins inside a turn
                turn["keep"] = SYSTEM_TOKENS + (origin - 1) * (grown + arguments.reply) * 9 // 10
            turn["tokens"] = token_list(generator, uneven(generator, grown), arguments.vocab)
            turn["max_tokens"] = arguments.reply
            turns.append(turn)
    return turns


def counts(arguments):
    """The same growth as numbers; `cached` is what a provider that forgets some of it charged."""
    generator = random.Random(arguments.seed)
    grown = max(1, (arguments.tokens - SYSTEM_TOKENS) // arguments.calls - arguments.reply)
    turns = []
    for number in range(1, arguments.sessions + 1):
        known = 0
        for call in range(1, arguments.calls + 1):
            added = SYSTEM_TOKENS if call == 1 else uneven(generator, grown)
            turn = {"id": f"{number}.{call}", "model": arguments.model}
            if call > 1:
                turn["after"] = f"{number}.{call - 1}"
            prompt = known + added
            cached = known if generator.random() < arguments.hit_rate else 0
            turn["counts"] = {"prompt": prompt, "cached": cached, "completion": arguments.reply}
            if call == 1:
                turn["counts"]["shared"] = SYSTEM_TOKENS if number > 1 else 0
            known = prompt + arguments.reply
            turns.append(turn)
    return turns


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1000, help="tool calls of a session")
    parser.add_argument("--tokens", type=int, default=200_000, help="of the last prompt, about")
    parser.add_argument("--reply", type=int, default=24, help="tokens of a reply, at most")
    parser.add_argument("--branches", type=int, default=3)
    parser.add_argument("--vocab", type=int, default=1024)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--counts", action="store_true", help="only how many tokens there are")
    parser.add_argument("--sessions", type=int, default=1, help="with --counts")
    parser.add_argument("--hit-rate", type=float, default=0.97, help="with --counts: of the turns, by the provider")
    parser.add_argument("--model", default="mimo-v2.5-pro", help="with --counts: whose prices apply")
    arguments = parser.parse_args()
    for turn in counts(arguments) if arguments.counts else session(arguments):
        print(json.dumps(turn, separators=(",", ":")))


if __name__ == "__main__":
    main()
