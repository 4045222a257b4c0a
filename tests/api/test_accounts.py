"""API keys, limits, usage, price and metrics, with the programs that read them."""

import json
import os
import re
import signal
import subprocess
import time

import openai
import prometheus_client.parser
import pytest
import requests

from conftest import FOLDER, MODEL_NAME, PROGRAM, Server

CHAT = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 6, "seed": 3}
PRICES = {"cached-input": 0.1, "input": 1.5, "output": 10}


def keys(*arguments):
    return subprocess.run([PROGRAM, "keys", *arguments], capture_output=True, text=True, timeout=20)


def add_key(file, name, *settings):
    done = keys("add", name, "--file", str(file), *settings)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Account:
    """A server with keys and a configuration file, and those keys."""

    def __init__(self, model_path, folder):
        self.folder = folder
        self.key_file = folder / "keys"
        self.secrets = {"alice": add_key(self.key_file, "alice"),
                        "boss": add_key(self.key_file, "boss", "--admin"),
                        "slow": add_key(self.key_file, "slow", "--requests-per-minute", "2")}
        self.config = folder / "mimo.toml"
        self.config.write_text(f"""
[serve]
api-keys = "{self.key_file}"
usage-db = "{folder / 'usage.sqlite'}"
log-format = "json"

[prices]
currency = "USD"
[prices.models."{MODEL_NAME}"]
cached-input = {PRICES['cached-input']}
input = {PRICES['input']}
output = {PRICES['output']}
""")
        self.model_path = model_path
        self.start()

    def start(self):
        self.server = Server(self.model_path, "--config", str(self.config), context=1024)

    def get(self, path, name, **options):
        return requests.get(self.server.url + path, headers={"Authorization": f"Bearer {self.secrets[name]}"},
                            timeout=30, **options)

    def chat(self, name, **more):
        return requests.post(self.server.url + "/v1/chat/completions", json=CHAT | more, timeout=60,
                             headers={"api-key": self.secrets[name]})


@pytest.fixture(scope="module")
def account(model_path, tmp_path_factory):
    running = Account(model_path, tmp_path_factory.mktemp("accounts"))
    yield running
    running.server.stop()


def price_of(usage):
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    return (cached * PRICES["cached-input"] + (usage["prompt_tokens"] - cached) * PRICES["input"]
            + usage["completion_tokens"] * PRICES["output"]) / 1e6


def test_the_key_file_holds_no_key(account):
    text = account.key_file.read_text()
    assert all(secret not in text for secret in account.secrets.values())
    assert os.stat(account.key_file).st_mode & 0o077 == 0
    assert [line.split()[0] for line in keys("ls", "--file", str(account.key_file)).stdout.splitlines()] == [
        "alice", "boss", "slow"]


def test_openai_client_with_and_without_a_key(account):
    base = account.server.url + "/v1"
    client = openai.OpenAI(base_url=base, api_key=account.secrets["alice"], max_retries=0)
    reply = client.chat.completions.create(model=MODEL_NAME, **CHAT)
    assert reply.usage.completion_tokens > 0
    assert reply.usage.currency == "USD"  # what the client does not know it keeps
    with pytest.raises(openai.AuthenticationError) as raised:
        openai.OpenAI(base_url=base, api_key="sk-wrong", max_retries=0).models.list()
    assert raised.value.code == "invalid_api_key"


def test_limits_answer_429_with_the_time_to_wait(account):
    base = account.server.url + "/v1"
    client = openai.OpenAI(base_url=base, api_key=account.secrets["slow"], max_retries=0)
    raw = client.chat.completions.with_raw_response.create(model=MODEL_NAME, **CHAT)
    assert raw.headers["x-ratelimit-limit-requests"] == "2"
    assert raw.headers["x-ratelimit-remaining-requests"] == "1"
    account.chat("slow")
    with pytest.raises(openai.RateLimitError) as raised:
        client.chat.completions.create(model=MODEL_NAME, **CHAT)
    assert 0 < int(raised.value.response.headers["retry-after"]) <= 30


def test_cost_in_the_usage_of_whole_replies_and_streams(account):
    whole = account.chat("alice").json()["usage"]
    assert whole["cost"] == pytest.approx(price_of(whole), abs=1e-15)
    stream = account.chat("alice", stream=True, stream_options={"include_usage": True})
    last = json.loads([line for line in stream.text.splitlines() if line.startswith("data: {")][-1][6:])
    assert last["usage"]["cost"] == pytest.approx(price_of(last["usage"]), abs=1e-15)


def test_usage_adds_up_to_what_the_replies_said_and_survives_a_restart(account):
    before = account.get("/v1/usage", "boss", params={"key": "alice", "group_by": ""}).json()["totals"]
    usages = [account.chat("alice", max_tokens=n).json()["usage"] for n in (1, 3, 5)]
    first = account.get("/v1/usage", "boss", params={"key": "alice", "group_by": ""}).json()["totals"][0]
    start = before[0] if before else dict.fromkeys(first, 0)

    assert first["requests"] == start["requests"] + 3
    assert first["prompt_tokens"] == start["prompt_tokens"] + sum(usage["prompt_tokens"] for usage in usages)
    assert first["completion_tokens"] == start["completion_tokens"] + 9
    assert first["cost"] == pytest.approx(start["cost"] + sum(usage["cost"] for usage in usages), abs=1e-12)

    assert account.server.stop() == 0
    account.start()
    again = account.get("/v1/usage", "boss", params={"key": "alice", "group_by": ""}).json()["totals"][0]
    assert again == first
    own = account.get("/v1/usage", "alice").json()["data"]
    assert {row["key"] for row in own} == {"alice"} and {row["model"] for row in own} == {MODEL_NAME}


def test_killed_server_keeps_what_is_older_than_a_second(account):
    account.chat("alice", max_tokens=2)
    before = account.get("/v1/usage", "alice").json()["totals"]
    time.sleep(1.5)
    account.server.stop(signal.SIGKILL)
    account.start()
    assert account.get("/v1/usage", "alice").json()["totals"] == before


def test_a_key_added_or_removed_counts_within_a_second(account):
    secret = add_key(account.key_file, "late")
    account.secrets["late"] = secret
    deadline = time.monotonic() + 5
    while account.get("/v1/models", "late").status_code == 401:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert keys("rm", "late", "--file", str(account.key_file)).returncode == 0
    account.server.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 5
    while account.get("/v1/models", "late").status_code == 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_metrics_read_by_prometheus(account):
    account.chat("alice")
    text = account.get("/metrics", "alice").text
    families = {family.name: family for family in prometheus_client.parser.text_string_to_metric_families(text)}

    for name in ("vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc",
                 "vllm:prefix_cache_queries", "vllm:prefix_cache_hits", "vllm:prompt_tokens",
                 "vllm:prompt_tokens_cached", "vllm:generation_tokens", "vllm:request_success",
                 "vllm:admission_rejections", "vllm:time_to_first_token_seconds", "vllm:inter_token_latency_seconds",
                 "vllm:request_time_per_output_token_seconds", "vllm:e2e_request_latency_seconds",
                 "vllm:request_queue_time_seconds", "vllm:request_prefill_time_seconds",
                 "vllm:request_decode_time_seconds", "vllm:request_prompt_tokens", "vllm:request_generation_tokens",
                 "vllm:iteration_tokens_total", "vllm:cache_config_info", "mimo:cost", "mimo:missing_reasoning_replays"):
        assert name in families, name
        assert all(sample.labels["model_name"] == MODEL_NAME for sample in families[name].samples), name
    layout = families["vllm:cache_config_info"].samples[0].labels
    assert layout["block_size"] == "64" and int(layout["num_gpu_blocks"]) > 0
    steps = {sample.name: sample.value for sample in families["vllm:iteration_tokens_total"].samples}
    assert steps["vllm:iteration_tokens_total_count"] > 0
    for family in families.values():
        if family.type == "histogram":
            check_histogram(family)


def check_histogram(family):
    buckets = [sample for sample in family.samples if sample.name.endswith("_bucket")]
    counts = [bucket.value for bucket in buckets]
    assert counts == sorted(counts) and buckets[-1].labels["le"] == "+Inf"
    assert [sample.value for sample in family.samples if sample.name.endswith("_count")] == [counts[-1]]


def test_log_lines_are_json_without_prompts(account):
    account.chat("alice", messages=[{"role": "user", "content": "a private question"}])
    time.sleep(0.2)
    text = open(account.server.log.name).read()
    lines = [json.loads(line) for line in text.splitlines()]
    requests_seen = [line for line in lines if line["message"] == "request"]
    assert requests_seen[-1]["key"] == "alice" and requests_seen[-1]["status"] == 200
    assert requests_seen[-1]["completion_tokens"] > 0
    assert "private" not in text


def serve_error(*arguments):
    done = subprocess.run([PROGRAM, "serve", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    return done.stderr


@pytest.mark.parametrize("text,named", [
    ("prot = 8080", "prot"),
    ("[serve]\nprot = 8080", "prot"),
    ("[prics]\ncurrency = 'USD'", "prics"),
    ("[serve.prices]\ncurrency = 'USD'", "serve.prices"),
    ("[prices]\ncurrency = 'USD'\n[prices.models.m]\ninput = 1\nuotput = 2", "uotput"),
    ("[serve]\nport = 'many'", "port"),
    ("[serve\n", "line 1"),
])
def test_a_wrong_configuration_is_named(model_path, tmp_path, text, named):
    config = tmp_path / "mimo.toml"
    config.write_text(text)
    message = serve_error("--model", str(model_path), "--config", str(config))
    assert named in message and len(message.splitlines()) == 1


def test_the_example_configuration_is_accepted(model_path):
    example = os.path.join(os.path.dirname(__file__), "..", "..", "packaging", "mimo.toml")
    text = re.sub(r"^# (?=\[?[a-z\[\]\"v0-9.-]+( = |\]$|.*\]$))", "", open(example).read(), flags=re.MULTILINE)
    assert "currency" in text
    config = FOLDER / "example.toml"
    lines = [line for line in text.splitlines() if not re.match(r"(model|threads|context|port|tls|api-keys|usage)", line)]
    config.write_text("\n".join(lines))
    server = Server(model_path, "--config", str(config), context=512)
    assert requests.post(server.url + "/v1/chat/completions", json=CHAT, timeout=60).json()["usage"]["currency"] == "USD"
    assert server.stop() == 0
