#!/usr/bin/env python3
"""Replays a synthetic agent session: replies equal a cold run's, and what repeats comes from the cache, also after
restarts and kills. Usage: replay_test.py PROGRAM [--calls N] [--tokens N] [--check-every N]"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
GEOMETRY = {
    "num_hidden_layers": 4, "hidden_size": 128, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 128, "moe_intermediate_size": 32, "n_routed_experts": 4, "num_experts_per_tok": 2,
    "vocab_size": 1024, "sliding_window": 16, "max_position_embeddings": 262144,
}


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

    def test(self, calls):
        cache = str(self.folder / "cache")
        self.expect_served("in one process", self.replay(), 0.995)
        self.expect_served("restarted", self.replay("--cache-dir", cache + "1", "--restart-every", str(calls // 10)), 0.995)
        self.expect_served("killed", self.replay("--cache-dir", cache + "2", "--kill-every", str(calls // 4)), 0.995)
        again = self.replay("--cache-dir", cache + "2")
        # Everything but the last reply's last token was there before.
        self.expect_served("again, from disk", again, 0.995)
        self.expect("again, the first prompt comes from disk", again["turns"][0]["cached_tokens"] > 0)
        listing = json.loads(self.run("cache", "ls", "--cache-dir", cache + "2", "--json"))
        self.expect("the cache has one store", len(listing["stores"]) == 1)
        verification = json.loads(self.run("cache", "verify", "--cache-dir", cache + "2", "--json"))
        self.expect("nothing in it is damaged", verification["damaged"] == 0 and verification["entries"] > 0)
        self.run("cache", "prune", "--cache-dir", cache + "2", "--cache-disk", "0")
        listing = json.loads(self.run("cache", "ls", "--cache-dir", cache + "2", "--json"))
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
