"""The program as it is first met: no flags, the model inside, README's request."""

import openai
import pytest
import requests

from conftest import Server


@pytest.fixture(scope="module")
def url():
    running = Server(None)
    yield running.url
    assert running.stop() == 0


def test_hello_is_answered_in_words(url):
    reply = requests.post(url + "/v1/chat/completions", timeout=60,
                          json={"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 32}).json()

    choice = reply["choices"][0]
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["content"].strip()
    assert "<" not in choice["message"]["content"]
    assert "tool_calls" not in choice["message"]


@pytest.mark.parametrize("system", [None, "You are a helpful assistant."])
def test_hello_is_answered_with_a_greeting(url, system):
    messages = [{"role": "user", "content": "Hello"}]
    if system:
        messages.insert(0, {"role": "system", "content": system})
    reply = requests.post(url + "/v1/chat/completions", timeout=60,
                          json={"messages": messages, "max_tokens": 32, "temperature": 0}).json()

    # What the language pack answers a greeting with.
    assert reply["choices"][0]["message"]["content"] in ("Hello! What can I do for you?", "Hi! How can I help?", "Hey there.",
                                                         "Hi, nice to hear from you.")


@pytest.mark.parametrize("text", ["Turn on the kitchen light", "What is the weather?", "Good night"])
def test_no_call_is_opened_where_no_tool_is_offered(url, text):
    client = openai.OpenAI(base_url=url + "/v1", api_key="none", max_retries=0)

    for extra in ({}, {"temperature": 1.0, "seed": 5}):
        reply = client.chat.completions.create(model="mimo-home", messages=[{"role": "user", "content": text}], max_tokens=48, **extra)
        assert reply.choices[0].message.tool_calls is None
        assert "<tool_call>" not in reply.choices[0].message.content
