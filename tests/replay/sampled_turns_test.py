#!/usr/bin/env python3
"""What a client sends back is found in the cache as it was sampled, also by another process, and after a kill.
Usage: sampled_turns_test.py MIMO MIMO_FORCED"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

from server_process import Server

KEYS = {
    "num_hidden_layers": 2, "hidden_size": 64, "intermediate_size": 128, "moe_intermediate_size": 32,
    "n_routed_experts": 4, "num_experts_per_tok": 2, "num_attention_heads": 4, "swa_num_attention_heads": 4,
    "num_key_value_heads": 1, "swa_num_key_value_heads": 2, "vocab_size": 1024,
}
QUESTION = "What does the harbour master write in the log of the day?"
ANSWER = "The harbour master writes the names of all the ships that came in with the morning tide. " * 5
FOLDER_LOOK_SECONDS = 2.5  # how often a server looks for what others wrote, and a little


class SampledTurnsTest:
    def __init__(self, program, forced, folder):
        self.program, self.forced = program, forced
        self.folder = pathlib.Path(folder)
        self.model = self.folder / "model"
        self.script = self.folder / "texts.json"
        self.cache = self.folder / "cache"
        self.script.write_text(json.dumps([{"if": [QUESTION], "unless": ["And then?"], "text": ANSWER}]))
        overrides = [text for key, value in KEYS.items() for text in ("--set", f"{key}={value}")]
        subprocess.run([program, "synth", "--like", "flash", *overrides, "--seed", "1", self.model], check=True)
        self.failures = 0

    def serve(self, *flags):
        environment = {**os.environ, "MIMO_FORCED_TEXTS": str(self.script)}
        return Server(self.forced, self.model, "--context", "4096", "--threads", "1", *flags, environment=environment)

    def with_cache(self):
        return self.serve("--cache-dir", self.cache)

    def expect(self, name, is_true):
        print("ok    " if is_true else "FAILED", name)
        self.failures += not is_true

    @staticmethod
    def ask(server, messages, **options):
        # Hot, so that the reply is split into other tokens than the tokenizer's.
        body = {"messages": messages, "max_tokens": 400, "temperature": 2.0, "top_p": 1.0, "seed": 7, **options}
        reply = server.post("/v1/chat/completions", body)
        usage = reply["usage"]
        return reply["choices"][0]["message"], usage, usage["prompt_tokens_details"]["cached_tokens"]

    def go_on(self, server, conversation, **options):
        """The second turn, spoken freely: its text, the prompt's length and what of it was cached."""
        message, usage, cached = self.ask(server, conversation, temperature=0, max_tokens=8, **options)
        return message["content"], usage["prompt_tokens"], cached

    def test(self):
        server = self.with_cache()
        neighbour = self.with_cache()
        question = [{"role": "user", "content": QUESTION}]
        message, usage, _ = self.ask(server, question)
        self.expect("the reply is the scripted one", message["content"] == ANSWER)
        turn_end = usage["prompt_tokens"] + usage["completion_tokens"]
        conversation = [*question, message, {"role": "user", "content": "And then? " * 20}]
        expected, prompt_tokens, cached = self.go_on(server, conversation)
        self.expect(f"the same process has {cached} of {turn_end} tokens", cached >= turn_end - 1)

        cold = self.serve("--prefix-cache", "off")
        _, retokenised, _ = self.go_on(cold, conversation)
        self.expect(f"the tokenizer would write it otherwise: {retokenised} and not {prompt_tokens} tokens",
                    retokenised != prompt_tokens)
        cold.stop()

        time.sleep(FOLDER_LOOK_SECONDS)
        text, _, cached = self.go_on(neighbour, conversation)
        self.expect(f"another process has {cached}", cached >= turn_end - 1 and text == expected)
        neighbour.stop()
        server.stop(signal.SIGKILL)

        server = self.with_cache()
        text, _, cached = self.go_on(server, conversation)
        self.expect(f"after a kill the next one has {cached}", cached >= turn_end - 1 and text == expected)
        server.stop()
        self.test_salt(conversation, expected, turn_end)
        self.test_eviction(conversation, expected)

    def test_salt(self, conversation, expected, turn_end):
        server = self.with_cache()
        message, _, cached = self.ask(server, conversation[:1], cache_salt="a")
        self.expect(f"another salt finds nothing: {cached}", cached == 0 and message["content"] == ANSWER)
        _, _, cached = self.go_on(server, conversation, cache_salt="b")
        self.expect(f"nor does a third: {cached}", cached == 0)
        _, _, cached = self.go_on(server, conversation, cache_salt="a")
        self.expect(f"the same one finds its turn: {cached}", cached >= turn_end // 2)
        server.stop()
        server = self.with_cache()
        _, _, cached = self.go_on(server, conversation, cache_salt="a")
        self.expect(f"also on disk: {cached}", cached >= turn_end // 2)
        text, _, cached = self.go_on(server, conversation)
        self.expect(f"and without a salt what was there without: {cached}", cached >= turn_end - 1 and text == expected)
        server.stop()

    def test_eviction(self, conversation, expected):
        """Somebody else empties the folder under a server that has looked at it."""
        letter = [{"role": "user", "content": "The harbour master writes a letter to the captain. " * 60}]
        server = self.with_cache()
        self.go_on(server, letter)
        subprocess.run([self.program, "cache", "prune", "--cache-dir", self.cache, "--cache-disk", "0"], check=True,
                       stdout=subprocess.DEVNULL)
        text, _, cached = self.go_on(server, conversation)
        self.expect(f"what another process evicted is computed: {cached}", cached == 0 and text == expected)
        self.expect("and nobody complains", not any("error" in line.lower() for line in server.log))
        time.sleep(FOLDER_LOOK_SECONDS)
        self.go_on(server, letter)  # is in memory, and no longer on disk
        server.stop()
        server = self.with_cache()
        _, prompt_tokens, cached = self.go_on(server, letter)
        self.expect(f"what is still used is written again: {cached} of {prompt_tokens}", cached > prompt_tokens // 2)
        server.stop()


def main():
    program, forced = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        test = SampledTurnsTest(program, forced, folder)
        test.test()
        return 1 if test.failures else 0


if __name__ == "__main__":
    sys.exit(main())
