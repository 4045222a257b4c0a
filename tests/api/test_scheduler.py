"""Who waits, who is refused, who makes room, and what a server that is to end does: with the real program."""

import concurrent.futures
import contextlib
import json
import signal
import socket
import time
import urllib.parse

import pytest
import requests

from conftest import Server

LONG = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 30000, "ignore_eos": True, "seed": 3}
SHORT = LONG | {"max_tokens": 3}
CONTEXT = 32768


@contextlib.contextmanager
def running_server(model_path, *flags):
    server = Server(model_path, *flags, context=CONTEXT)
    try:
        yield server
    finally:
        server.stop(seconds=60)


class Connection:
    """A request whose client can hang up at any moment."""

    def __init__(self, server, body):
        address = urllib.parse.urlparse(server.url)
        data = json.dumps(body).encode()
        self.socket = socket.create_connection((address.hostname, address.port))
        self.socket.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"
                            % (len(data), data))

    def read_until(self, marker):
        """What has come by the time `marker` has, or by the end of the connection."""
        data = b""
        self.socket.settimeout(30)
        while marker not in data:
            piece = self.socket.recv(65536)
            if not piece:
                break
            data += piece
        return data

    def hang_up(self):
        self.socket.close()


def load_of(server):
    status = requests.get(server.url + "/status", timeout=10).json()
    return status["requests_running"], status["requests_waiting"]


def wait_for_load(server, running, waiting, seconds=10):
    deadline = time.monotonic() + seconds
    while load_of(server) != (running, waiting):
        assert time.monotonic() < deadline, f"{load_of(server)} instead of {(running, waiting)}"
        time.sleep(0.01)


def chat(server, body):
    return requests.post(server.url + "/v1/chat/completions", json=body, timeout=60)


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_hangs_up_is_forgotten_in_every_state(model_path, stream):
    with running_server(model_path, "--sequences", "1") as server:
        decoding = Connection(server, LONG | {"stream": stream})
        wait_for_load(server, 1, 0)
        waiting = Connection(server, LONG | {"stream": stream})
        wait_for_load(server, 1, 1)
        waiting.hang_up()
        wait_for_load(server, 1, 0)
        decoding.hang_up()
        wait_for_load(server, 0, 0)

        prompt = [{"role": "user", "content": "word " * 9000}]
        prefill = Connection(server, LONG | {"messages": prompt, "stream": stream, "max_tokens": 1})
        wait_for_load(server, 1, 0)
        prefill.hang_up()
        wait_for_load(server, 0, 0)

        batch = Connection(server, LONG | {"stream": stream, "priority": 5})
        wait_for_load(server, 1, 0)
        live = Connection(server, LONG | {"stream": True})
        assert b"data: " in live.read_until(b"data: ")  # it runs, so the other one had to make room
        wait_for_load(server, 1, 1)
        batch.hang_up()
        wait_for_load(server, 1, 0)
        live.hang_up()
        wait_for_load(server, 0, 0)


def test_a_batch_makes_room_for_a_live_request_and_loses_nothing(model_path):
    with running_server(model_path, "--sequences", "1") as server:
        batch_body = LONG | {"max_tokens": 3000}
        alone = chat(server, batch_body).json()["choices"][0]["message"]
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            batch = pool.submit(chat, server, batch_body | {"priority": 1})
            wait_for_load(server, 1, 0)
            assert chat(server, SHORT).status_code == 200
            assert not batch.done(), "the live request was to be answered first"
            assert batch.result().json()["choices"][0]["message"] == alone


def test_a_full_queue_says_whose_limit_it_is_and_when_to_come_back(model_path):
    flags = ("--sequences", "1", "--queue-requests", "2", "--queue-requests-per-key", "1")
    with running_server(model_path, *flags) as server:
        connections = [Connection(server, LONG)]
        wait_for_load(server, 1, 0)
        connections.append(Connection(server, LONG))
        wait_for_load(server, 1, 1)
        own = chat(server, SHORT)
        assert own.status_code == 429 and int(own.headers["retry-after"]) >= 1
        assert own.json()["error"]["type"] == "rate_limit_error"
        assert "of your requests are waiting" in own.json()["error"]["message"]
        for connection in connections:
            connection.hang_up()
    with running_server(model_path, "--sequences", "1", "--queue-requests", "1") as server:
        connections = [Connection(server, LONG)]
        wait_for_load(server, 1, 0)
        connections.append(Connection(server, LONG))
        wait_for_load(server, 1, 1)
        full = chat(server, SHORT)
        assert full.status_code == 503 and int(full.headers["retry-after"]) >= 1
        assert "queue is full" in full.json()["error"]["message"]
        for connection in connections:
            connection.hang_up()


def test_a_request_does_not_wait_longer_than_it_may(model_path):
    with running_server(model_path, "--sequences", "1", "--queue-timeout", "1") as server:
        running = Connection(server, LONG)
        wait_for_load(server, 1, 0)
        begin = time.monotonic()
        late = chat(server, SHORT)
        assert late.status_code == 503 and int(late.headers["retry-after"]) >= 1
        assert 0.9 < time.monotonic() - begin < 10
        running.hang_up()


def test_a_context_that_is_too_short_is_told_in_words_that_clients_know(model_path):
    with running_server(model_path) as server:
        reply = chat(server, SHORT | {"messages": [{"role": "user", "content": "word " * 40000}]})
        assert reply.status_code == 400
        error = reply.json()["error"]
        assert error["code"] == "context_length_exceeded" and error["type"] == "invalid_request_error"
        assert error["message"].startswith(f"This model's maximum context length is {CONTEXT} tokens. However, ")


def test_a_server_that_drains_refuses_at_once_and_ends_at_the_second_signal(model_path):
    server = Server(model_path, "--drain-timeout", "60", context=CONTEXT)
    stream = Connection(server, LONG | {"stream": True})
    wait_for_load(server, 1, 0)
    server.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + 2
    while requests.get(server.url + "/health", timeout=10).status_code == 200:
        assert time.monotonic() < deadline, "/health is still well"
    health = requests.get(server.url + "/health", timeout=10)
    assert health.status_code == 503 and health.json()["status"] == "draining"
    assert int(health.headers["retry-after"]) >= 1
    refused = chat(server, SHORT)
    assert refused.status_code == 503 and int(refused.headers["retry-after"]) >= 1
    assert server.process.poll() is None, "it was to wait for the running request"

    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=5) == 0
    text = stream.read_until(b"never")
    assert b"shutting down" in text and b"[DONE]" not in text


def test_a_drain_ends_when_its_time_is_over(model_path):
    server = Server(model_path, "--drain-timeout", "1", context=CONTEXT)
    stream = Connection(server, LONG | {"stream": True})
    wait_for_load(server, 1, 0)
    assert server.stop(seconds=10) == 0
    assert b"shutting down" in stream.read_until(b"never")
