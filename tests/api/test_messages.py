"""POST /v1/messages through Anthropic's own Python client.

The model's weights are random, so its words mean nothing: these tests check shapes, counts and laws.
"""

import anthropic
import pytest
import requests

from conftest import CONTEXT, MODEL_NAME

MESSAGES = [{"role": "user", "content": "Say something."}]
TOOL = {
    "name": "set_light",
    "description": "Switches a lamp.",
    "input_schema": {"type": "object", "properties": {"room": {"type": "string"}}, "required": ["room"]},
    "cache_control": {"type": "ephemeral"},
}


@pytest.fixture(scope="module")
def claude(server):
    return anthropic.Anthropic(base_url=server.url, api_key="none", max_retries=0, timeout=60)


def create(claude, **options):
    options.setdefault("model", MODEL_NAME)
    options.setdefault("messages", MESSAGES)
    options.setdefault("max_tokens", 12)
    return claude.messages.create(**options, extra_body={"seed": 7, "ignore_eos": True})


def text_of(message):
    return "".join(block.text for block in message.content if block.type == "text")


def test_whole_message(claude):
    message = create(claude)

    assert message.type == "message" and message.role == "assistant" and message.model == MODEL_NAME
    assert message.id.startswith("msg_")
    assert message.stop_reason == "max_tokens"
    assert message.usage.output_tokens == 12
    assert message.usage.input_tokens + message.usage.cache_read_input_tokens > 5
    assert message.usage.cache_creation_input_tokens == 0
    assert message._request_id.startswith("req_")


@pytest.mark.parametrize("thinking", [{"type": "disabled"}, {"type": "enabled", "budget_tokens": 1024}])
def test_stream_adds_up_to_the_whole_message(claude, thinking):
    whole = create(claude, max_tokens=24, thinking=thinking)
    with claude.messages.stream(model=MODEL_NAME, messages=MESSAGES, max_tokens=24, thinking=thinking,
                                extra_body={"seed": 7, "ignore_eos": True}) as stream:
        types = [event.type for event in stream]
        final = stream.get_final_message()

    assert [block.model_dump() for block in final.content] == [block.model_dump() for block in whole.content]
    assert final.stop_reason == whole.stop_reason
    assert final.usage.output_tokens == whole.usage.output_tokens
    assert types[0] == "message_start" and types[-1] == "message_stop"
    assert types.count("content_block_start") == types.count("content_block_stop") == len(whole.content)


def test_raw_events_are_named_and_pinged(server):
    reply = requests.post(server.url + "/anthropic/v1/messages?beta=true", timeout=60,
                          headers={"x-api-key": "none", "anthropic-version": "2023-06-01"},
                          json={"messages": MESSAGES, "max_tokens": 4, "stream": True, "ignore_eos": True})

    names = [line[7:] for line in reply.text.split("\n") if line.startswith("event: ")]
    assert names[:2] == ["message_start", "ping"]
    assert names[-2:] == ["message_delta", "message_stop"]
    assert reply.headers["request-id"]


def test_counting_agrees_with_the_later_prompt(claude):
    options = {"system": "Be brief.", "tools": [TOOL], "thinking": {"type": "adaptive"}}

    counted = claude.messages.count_tokens(model=MODEL_NAME, messages=MESSAGES, **options).input_tokens
    usage = create(claude, **options).usage

    assert counted == usage.input_tokens + usage.cache_read_input_tokens
    assert counted > claude.messages.count_tokens(model=MODEL_NAME, messages=MESSAGES).input_tokens


def test_history_with_thinking_calls_and_results(claude):
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "Light, please.", "cache_control": {"type": "ephemeral"}}]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "They want light.", "signature": "from elsewhere"},
            {"type": "text", "text": "Right away."},
            {"type": "tool_use", "id": "toolu_1", "name": "set_light", "input": {"room": "hall"}},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "on"}],
             "is_error": False},
            {"type": "text", "text": "Thanks."},
        ]},
    ]

    message = create(claude, messages=messages, tools=[TOOL], tool_choice={"type": "auto"},
                     system=[{"type": "text", "text": "Be brief."}])
    assert message.usage.output_tokens == 12


def test_stop_sequence(claude, post):
    token = post("/tokenize", {"content": "a"}).json()["tokens"][0]

    message = claude.messages.create(model=MODEL_NAME, messages=MESSAGES, max_tokens=20, stop_sequences=["aaa"],
                                     extra_body={"temperature": 0, "logit_bias": {token: 100}})

    assert message.stop_reason == "stop_sequence" and message.stop_sequence == "aaa"
    assert text_of(message) == ""


def test_errors_are_the_clients_own(claude):
    with pytest.raises(anthropic.NotFoundError) as raised:
        create(claude, model="gpt-9")
    assert raised.value.body["error"]["type"] == "not_found_error"
    assert raised.value.body["request_id"] == raised.value.request_id

    with pytest.raises(anthropic.BadRequestError, match="'messages\\[0\\].content\\[0\\]' is of type 'image'"):
        create(claude, messages=[{"role": "user", "content": [
            {"type": "image", "source": {"type": "url", "url": "http://127.0.0.1/x.png"}}]}])


def test_context_errors_have_the_words_of_anthropic(claude):
    with pytest.raises(anthropic.BadRequestError, match=r"prompt is too long: \d+ tokens > \d+ maximum"):
        create(claude, messages=[{"role": "user", "content": "word " * 4000}])
    limit = rf"input length and `max_tokens` exceed context limit: \d+ \+ {CONTEXT} > {CONTEXT}"
    with pytest.raises(anthropic.BadRequestError, match=limit):
        create(claude, max_tokens=CONTEXT)


def test_models(claude):
    page = claude.models.list()
    assert [model.id for model in page.data] == [MODEL_NAME, f"{MODEL_NAME}-thinking", f"{MODEL_NAME}-nothink"]
    assert claude.models.retrieve(MODEL_NAME).type == "model"
