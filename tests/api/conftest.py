"""Starts `mimo serve` once, on a small random model and a free port."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import openai
import pytest
import requests

PROGRAM = os.environ["MIMO_TEST_PROGRAM"]
FOLDER = pathlib.Path(os.environ["MIMO_TEST_FOLDER"])
MODEL_NAME = "mimo-v2-flash"
CONTEXT = 2048

# Small enough to load at once, with a window, experts and a whole tokenizer.
SYNTH_KEYS = {
    "num_hidden_layers": 2,
    "hidden_size": 64,
    "intermediate_size": 128,
    "moe_intermediate_size": 32,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "num_attention_heads": 4,
    "swa_num_attention_heads": 4,
    "num_key_value_heads": 1,
    "swa_num_key_value_heads": 2,
    "vocab_size": 1024,
}


class Server:
    """A running server; `lines` are what it wrote to stderr."""

    def __init__(self, model, *flags, port=0, context=CONTEXT, program=PROGRAM, environment=None):
        command = [program, "serve", "--port", str(port), "--context", str(context), *flags]
        if model is not None:  # else the one inside the program
            command += ["--model", str(model)]
        self.log = open(FOLDER / f"server-{context}.log", "w+")
        self.process = subprocess.Popen(command, stderr=self.log, stdout=subprocess.PIPE,
                                        env={**os.environ, **(environment or {})})
        self.url = self._wait_for(r"serving .* on (https?://[^\s\"]+)")

    def _wait_for(self, pattern, seconds=120):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            text = pathlib.Path(self.log.name).read_text()
            found = re.search(pattern, text)
            if found:
                return found.group(1)
            assert self.process.poll() is None, f"the server ended early:\n{text}"
            time.sleep(0.05)
        raise AssertionError(f"the server did not start in {seconds} s:\n{text}")

    def stop(self, number=signal.SIGTERM, seconds=30):
        """Ends the server and returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(timeout=seconds)
        self.log.close()
        return code


def synthesize(name, keys):
    path = FOLDER / name
    shutil.rmtree(path, ignore_errors=True)
    sets = [part for key, value in keys.items() for part in ("--set", f"{key}={value}")]
    subprocess.run([PROGRAM, "synth", "--like", "flash", *sets, "--seed", "1", str(path)], check=True)
    return path


@pytest.fixture(scope="session")
def model_path():
    path = synthesize(MODEL_NAME, SYNTH_KEYS)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def wide_model_path():
    """With the whole vocabulary: agents' prompts are tens of kilobytes, which few tokens would make too long."""
    path = synthesize("wide/" + MODEL_NAME, {key: value for key, value in SYNTH_KEYS.items() if key != "vocab_size"})
    yield path
    shutil.rmtree(path.parent, ignore_errors=True)


@pytest.fixture(scope="session")
def server(model_path):
    running = Server(model_path)
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="session")
def client(server):
    return openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0, timeout=60)


@pytest.fixture
def post(server):
    def post_json(path, body, **options):
        return requests.post(server.url + path, json=body, timeout=60, **options)

    return post_json
