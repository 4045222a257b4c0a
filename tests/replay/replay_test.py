#!/usr/bin/env python3
"""Replays a synthetic agent session: replies equal a cold run's, and what repeats comes from the cache, also after
restarts and kills.

    replay_test.py PROGRAM                                                    # a minute
    replay_test.py PROGRAM --calls 1000 --tokens 200000 --check-every 200     # half an hour: a day of an agent
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
# One layer sees everything and three a window. Small enough for 200,000 tokens in a few minutes.
GEOMETRY = {
    "num_hidden_layers": 4, "hidden_size": 64, "num_attention_heads": 2, "num_key_value_heads": 1,
    "swa_num_attention_heads": 2, "swa_num_key_value_heads": 1, "head_dim": 32, "v_head_dim": 32, "swa_head_dim": 32,
    "swa_v_head_dim": 32, "intermediate_size": 64, "moe_intermediate_size": 32, "n_routed_experts": 4,
    "num_experts_per_tok": 2, "vocab_size": 1024, "sliding_window": 16, "max_position_embeddings": 262144,
}
REPLAY_TOKENS = 3 * (GEOMETRY["sliding_window"] - 1)  # what is computed again where no window was kept
BLOCK_TOKENS = 64


class ReplayTest:
    def __init__(self, arguments, folder):
        self.program = arguments.program
        self.folder = pathlib.Path(folder)
        self.model = self.folder / "model"
        self.trace = self.folder / "session.jsonl"
        self.check = ["--check-every", str(arguments.check_every)]
        overrides = [text for key, value in GEOMETRY.items() for text in ("--set", f"{key}={value}")]
        self.run("synth", "--like", "v2.5", *overrides, "--seed", "3", str(self.model))
        session = [sys.executable, HERE / "agent_session.py", "--calls", str(arguments.calls), "--tokens",
                   str(arguments.tokens), "--vocab", "1000"]
        self.trace.write_bytes(subprocess.run(session, check=True, stdout=subprocess.PIPE).stdout)
        self.failures = 0

    def run(self, *command):
        result = subprocess.run([self.program, *command], stdout=subprocess.PIPE, check=False)
        if result.returncode != 0:
            sys.exit(f"mimo {' '.join(command)}: exit code {result.returncode}")
        return result.stdout

    def replay(self, *flags):
        command = ["replay", "--model", str(self.model), str(self.trace), "--json", "--threads", "2", *self.check]
        return json.loads(self.run(*command, *flags))

    def expect(self, name, is_true):
        print("ok    " if is_true else "FAILED", name)
        self.failures += not is_true

    def expect_served(self, name, result, share):
        totals = result["totals"]
        served = totals["cached_share_of_repeated"]
        self.expect(f"{name}: {served:.4%} of {totals['repeated_tokens']} repeated tokens served, at least {share:.2%}",
                    served >= share)
        self.expect(f"{name}: {totals['checked']} replies are those of a cold run",
                    totals["checked"] > 0 and totals["different"] == 0)

    def expect_branches(self, name, result, again):
        """At its first turn a branch computes what is new in it and, of what repeats, no more than `again`."""
        branches = [row for row in result["turns"] if row["turn"].startswith("b") and row["turn"].endswith(".1")]
        computed = [row["cached_tokens"] - row["repeated_tokens"] for row in branches]
        self.expect(f"{name}: {len(branches)} branches compute {[-tokens for tokens in computed]} tokens again, "
                    f"at most {again}", branches and min(computed) >= -again)

    def test(self, calls):
        cache = str(self.folder / "cache")
        one = self.replay()
        self.expect_served("in one process", one, 0.995)
        self.expect_branches("in one process", one, REPLAY_TOKENS)
        ended = self.replay("--cache-dir", cache, "--restart-every", str(calls // 10), "--kill-every", str(calls // 4))
        self.expect_served("restarted and killed", ended, 0.995)
        # What comes from disk ends with a whole block, except at a turn's end.
        self.expect_branches("restarted and killed", ended, REPLAY_TOKENS + BLOCK_TOKENS - 1)
        again = self.replay("--cache-dir", cache)
        # Everything but the last reply's last token was there before.
        self.expect_served("again, from disk", again, 0.995)
        self.expect("again, the first prompt comes from disk", again["turns"][0]["cached_tokens"] > 0)
        listing = json.loads(self.run("cache", "ls", "--cache-dir", cache, "--json"))
        self.expect("the cache has one store", len(listing["stores"]) == 1)
        verification = json.loads(self.run("cache", "verify", "--cache-dir", cache, "--json"))
        self.expect("nothing in it is damaged", verification["damaged"] == 0 and verification["entries"] > 0)
        self.run("cache", "prune", "--cache-dir", cache, "--cache-disk", "0")
        listing = json.loads(self.run("cache", "ls", "--cache-dir", cache, "--json"))
        self.expect("nothing is left after it was pruned to nothing", listing["bytes_on_disk"] == 0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--tokens", type=int, default=4_000)
    parser.add_argument("--check-every", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        test = ReplayTest(arguments, folder)
        test.test(arguments.calls)
        return 1 if test.failures else 0


if __name__ == "__main__":
    sys.exit(main())
