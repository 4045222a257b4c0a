"""What goes over the wire, seen with plain HTTP clients."""

import concurrent.futures
import http.client
import json
import signal
import socket
import subprocess
import time
import urllib.parse

import requests

from conftest import CONTEXT, MODEL_NAME, PROGRAM, Server

CHAT = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 6, "seed": 3}


def events_of(reply):
    return [line[6:] for line in reply.text.split("\n") if line.startswith("data: ")]


def test_order_of_the_chunks(post):
    reply = post("/v1/chat/completions", CHAT | {"stream": True, "stream_options": {"include_usage": True}})

    assert reply.headers["content-type"] == "text/event-stream"
    assert "content-encoding" not in reply.headers
    events = events_of(reply)
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in chunks[:-2])
    assert chunks[-2]["choices"][0]["delta"] == {}
    assert chunks[-2]["choices"][0]["finish_reason"] in ("stop", "length")
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["prompt_tokens"] > 0


def test_model_may_be_missing_and_unknown_fields_are_ignored(post):
    assert post("/chat/completions", CHAT | {"store": True, "unheard_of": {"a": 1}}).status_code == 200


def test_errors_are_json(server, post):
    not_json = requests.post(server.url + "/v1/chat/completions", data="{", timeout=10)
    assert not_json.status_code == 400
    assert set(not_json.json()["error"]) == {"message", "type", "param", "code"}
    assert requests.get(server.url + "/nowhere", timeout=10).status_code == 404
    assert post("/v1/embeddings", {}).status_code == 501
    assert set(post("/v1/messages", {}).json()) == {"type", "error", "request_id"}
    assert requests.get(server.url + "/v1/chat/completions", timeout=10).status_code == 405


def test_health_models_and_page(server):
    assert requests.get(server.url + "/health", timeout=10).json() == {"status": "ok"}
    model = requests.get(server.url + "/v1/models", timeout=10).json()["data"][0]
    assert model["id"] == MODEL_NAME and model["type"] == "model" and model["max_model_len"] == CONTEXT
    page = requests.get(server.url + "/", timeout=10)
    assert "<title>mimo" in page.text and page.headers["content-type"].startswith("text/html")
    status = requests.get(server.url + "/status", timeout=10).json()
    assert status["model"] == MODEL_NAME and status["state"] == "ready" and status["context_max"] == CONTEXT


def test_tokenize_and_back(post):
    text = "Grüße, 世界! <|im_end|>"
    tokens = post("/tokenize", {"content": text}).json()["tokens"]
    assert post("/detokenize", {"tokens": tokens}).json()["content"] == text


def test_one_connection_serves_many_requests(server):
    address = urllib.parse.urlparse(server.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
    connection.connect()
    first_socket = connection.sock
    for _ in range(3):
        connection.request("POST", "/v1/chat/completions", json.dumps(CHAT), {"Content-Type": "application/json"})
        assert json.load(connection.getresponse())["object"] == "chat.completion"
    assert connection.sock is first_socket
    connection.close()


def test_requests_side_by_side_do_not_change_each_other(post):
    alone = post("/v1/chat/completions", CHAT).json()["choices"][0]["message"]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: post("/v1/chat/completions", CHAT), range(8)))
    assert all(reply.json()["choices"][0]["message"] == alone for reply in replies)


def running_requests(server):
    return requests.get(server.url + "/status", timeout=10).json()["requests_running"]


def test_client_that_leaves_frees_its_place(server):
    address = urllib.parse.urlparse(server.url)
    for stream in (True, False):
        body = json.dumps(CHAT | {"stream": stream, "max_tokens": CONTEXT, "ignore_eos": True}).encode()
        connection = socket.create_connection((address.hostname, address.port))
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"
                           % (len(body), body))
        deadline = time.monotonic() + 10
        while running_requests(server) == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        connection.close()
        left = time.monotonic()
        while running_requests(server) > 0:
            assert time.monotonic() - left < 5, f"stream={stream}: still running"
            time.sleep(0.02)


def test_port_in_use_is_a_clear_error(server, model_path):
    port = urllib.parse.urlparse(server.url).port
    second = subprocess.run([PROGRAM, "serve", "--model", str(model_path), "--port", str(port)],
                            capture_output=True, text=True, timeout=60)
    assert second.returncode == 1
    assert second.stdout == ""
    assert second.stderr.startswith("mimo: error: ") and "in use" in second.stderr
    assert second.stderr.count("\n") == 1


def test_signals_end_cleanly_and_let_a_running_request_finish(model_path):
    for number in (signal.SIGINT, signal.SIGTERM):
        server = Server(model_path)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            reply = pool.submit(requests.post, server.url + "/v1/chat/completions", timeout=60,
                                json=CHAT | {"max_tokens": 200, "ignore_eos": True})
            while running_requests(server) == 0 and not reply.done():
                time.sleep(0.005)
            assert server.stop(number) == 0
            assert reply.result().status_code == 200
            assert reply.result().json()["usage"]["completion_tokens"] == 200
