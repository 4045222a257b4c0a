#!/usr/bin/env python3
"""Time to the first token of a long prompt that is cached but for its end, through the server.

    first_token.py PROGRAM prepare FOLDER      # makes a model and computes the long prompt once: minutes
    first_token.py PROGRAM measure FOLDER      # ten seconds, on a quiet machine

Compared with what it costs to compute the new tokens, the keys before them being there: the same without what the
prompt costs when nothing of it is new. At most 1.2 times that from memory, and 3 times that after a restart, from disk.
"""

import argparse
import pathlib
import random
import statistics
import subprocess
import sys

from server_process import Server

# One layer in four sees everything, as many heads for a key as in Flash; the whole vocabulary.
GEOMETRY = {
    "num_hidden_layers": 4, "hidden_size": 512, "num_attention_heads": 4, "num_key_value_heads": 1,
    "swa_num_attention_heads": 4, "swa_num_key_value_heads": 1, "intermediate_size": 1024, "moe_intermediate_size": 256,
    "n_routed_experts": 16, "num_experts_per_tok": 8, "max_position_embeddings": 262144,
}
CACHED_TOKENS = 100_000
NEW_TOKENS = 300
THREADS = 2
FROM_MEMORY_MAX = 1.2
FROM_DISK_MAX = 3.0
WORDS = ("harbour master log ship tide morning rope crane letter number paper window winter summer engine signal order "
         "report captain crew cargo weather island").split()


def text_of(seed, num_words):
    generator = random.Random(seed)
    lines = []
    while num_words > 0:
        lines.append(" ".join(generator.choice(WORDS) for _ in range(min(12, num_words))).capitalize() + ".\n")
        num_words -= 12
    return "".join(lines)


class FirstToken:
    def __init__(self, program, folder):
        self.program = program
        self.folder = pathlib.Path(folder)
        self.model = self.folder / "model"
        self.document = self.folder / "document.txt"
        self.failures = 0

    def serve(self):
        return Server(self.program, self.model, "--context", "131072", "--threads", THREADS, "--cache-dir",
                      self.folder / "cache")

    def ask(self, server, prompt):
        return server.seconds_to_first_token("/v1/completions", {"prompt": prompt, "max_tokens": 1, "temperature": 0})

    def count(self, server, text):
        return server.post("/tokenize", {"prompt": text})["count"]

    def text_of_tokens(self, server, seed, num_tokens):
        words = round(num_tokens * 1000 / self.count(server, text_of(seed, 1000)))
        return text_of(seed, words)

    def prepare(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        overrides = [text for key, value in GEOMETRY.items() for text in ("--set", f"{key}={value}")]
        subprocess.run([self.program, "synth", "--like", "flash", *overrides, "--seed", "3", self.model], check=True)
        with self.serve() as server:
            self.document.write_text(self.text_of_tokens(server, 1, CACHED_TOKENS))
            seconds, usage = self.ask(server, self.document.read_text())
            print(f"computed {usage['prompt_tokens']} tokens in {seconds:.1f} s")
            server.stop()

    def measure(self):
        document = self.document.read_text()
        from_disk, from_memory, nothing_new = [], [], []
        for _ in range(3):
            with self.serve() as server:
                from_disk.append(self.ask_more(server, document)[0])
                for _ in range(2):
                    seconds, again = self.ask_more(server, document)
                    from_memory.append(seconds)
                    nothing_new.append(again)
                server.stop()
        alone = statistics.median(from_memory) - statistics.median(nothing_new)
        print(f"{NEW_TOKENS} tokens alone, after {CACHED_TOKENS}: {alone:.3f} s")
        self.expect("from memory", from_memory, alone, FROM_MEMORY_MAX)
        self.expect("from disk", from_disk, alone, FROM_DISK_MAX)

    def ask_more(self, server, document):
        """Seconds to the first token of the document and tokens that were never there before, and of the same again."""
        seed = random.SystemRandom().getrandbits(64)
        prompt = document + self.text_of_tokens(server, seed, NEW_TOKENS)
        seconds, usage = self.ask(server, prompt)
        cached = usage["prompt_tokens_details"]["cached_tokens"]
        again, _ = self.ask(server, prompt)
        print(f"  {seconds:.3f} s: {usage['prompt_tokens']} tokens, {cached} cached; again {again:.3f} s")
        # A prompt that is not cached would be another measurement.
        if abs(usage["prompt_tokens"] - cached - NEW_TOKENS) > NEW_TOKENS // 10:
            sys.exit(f"{usage['prompt_tokens'] - cached} tokens were computed, not about {NEW_TOKENS}")
        return seconds, again

    def expect(self, name, seconds, alone, most):
        ratio = statistics.median(seconds) / alone
        print(f"{'ok    ' if ratio <= most else 'FAILED'} {name}: {ratio:.2f} times the {NEW_TOKENS} tokens alone, "
              f"at most {most}")
        self.failures += ratio > most


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("step", choices=["prepare", "measure"])
    parser.add_argument("folder")
    arguments = parser.parse_args()
    test = FirstToken(arguments.program, arguments.folder)
    test.prepare() if arguments.step == "prepare" else test.measure()
    return 1 if test.failures else 0


if __name__ == "__main__":
    sys.exit(main())
