"""POST /v1/chat/completions through OpenAI's own Python client.

The model's weights are random, so its words mean nothing: these tests check shapes, counts and laws.
"""

import json

import openai
import pytest

from conftest import MODEL_NAME

MESSAGES = [{"role": "user", "content": "Say something."}]
TOOL = {
    "type": "function",
    "function": {
        "name": "set_light",
        "description": "Switches a lamp.",
        "parameters": {"type": "object", "properties": {"room": {"type": "string"}}, "required": ["room"]},
    },
}


def complete(client, **options):
    options.setdefault("model", MODEL_NAME)
    options.setdefault("messages", MESSAGES)
    options.setdefault("max_tokens", 12)
    options.setdefault("seed", 7)
    return client.chat.completions.create(**options)


def test_whole_reply(client):
    reply = complete(client, extra_body={"ignore_eos": True})

    assert reply.object == "chat.completion"
    assert reply.model == MODEL_NAME
    assert reply.choices[0].message.role == "assistant"
    assert reply.choices[0].finish_reason == "length"
    assert reply.usage.completion_tokens == 12
    assert reply.usage.prompt_tokens > 5
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + 12
    assert reply.usage.prompt_tokens_details.cached_tokens >= 0
    assert reply.usage.completion_tokens_details.reasoning_tokens >= 0


def test_equal_seeds_give_equal_replies_and_other_seeds_others(client):
    first = complete(client, seed=1, max_tokens=24).choices[0].message.content
    again = complete(client, seed=1, max_tokens=24).choices[0].message.content
    other = complete(client, seed=2, max_tokens=24).choices[0].message.content

    assert first == again
    assert first != other


def test_stream_adds_up_to_the_whole_reply(client):
    whole = complete(client, max_tokens=24)
    chunks = list(complete(client, max_tokens=24, stream=True, stream_options={"include_usage": True}))

    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert all(chunk.usage is None for chunk in chunks[:-1])
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


def test_stream_helper_of_the_client(client):
    with client.chat.completions.stream(model=MODEL_NAME, messages=MESSAGES, max_tokens=8, seed=7) as stream:
        for _ in stream:
            pass
        final = stream.current_completion_snapshot  # the final one is refused by the client: it ended by length

    assert final.choices[0].message.content == complete(client, max_tokens=8).choices[0].message.content


def test_greedy_is_repeatable_and_reports_its_logprobs(client):
    reply = complete(client, temperature=0, logprobs=True, top_logprobs=3, extra_body={"ignore_eos": True})

    content = reply.choices[0].logprobs.content
    assert len(content) == reply.usage.completion_tokens
    for token in content:
        assert len(token.top_logprobs) == 3
        assert token.logprob <= 0
        assert token.logprob == pytest.approx(token.top_logprobs[0].logprob)  # greedy takes the likeliest
        assert token.top_logprobs[0].logprob >= token.top_logprobs[1].logprob
        assert bytes(token.bytes).decode("utf-8", "replace") == token.token


def test_logit_bias_forces_a_token(client, post):
    token = post("/tokenize", {"content": "a"}).json()["tokens"][0]

    reply = complete(client, logit_bias={token: 100}, temperature=0, max_tokens=5)

    assert reply.choices[0].message.content == "aaaaa"


def test_stop_string_is_cut_from_the_text(client, post):
    token = post("/tokenize", {"content": "a"}).json()["tokens"][0]

    reply = complete(client, logit_bias={token: 100}, temperature=0, max_tokens=20, stop=["aaa"])

    assert reply.choices[0].message.content == ""
    assert reply.choices[0].finish_reason == "stop"


def test_several_choices(client):
    reply = complete(client, n=3, max_tokens=8, extra_body={"ignore_eos": True})

    assert [choice.index for choice in reply.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in reply.choices}) > 1
    assert reply.usage.completion_tokens == 24


def test_choices_of_a_stream_keep_their_index(client):
    whole = complete(client, n=2, max_tokens=8)
    texts = ["", ""]
    for chunk in complete(client, n=2, max_tokens=8, stream=True):
        texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""

    assert texts == [choice.message.content for choice in whole.choices]


def test_tools_are_accepted_and_shown_to_the_model(client):
    plain = complete(client)
    with_tools = complete(client, tools=[TOOL], tool_choice="auto", parallel_tool_calls=True)
    without = complete(client, tools=[TOOL], tool_choice="none")

    assert with_tools.usage.prompt_tokens > plain.usage.prompt_tokens
    assert without.usage.prompt_tokens == plain.usage.prompt_tokens


def test_history_with_tool_calls_and_reasoning(client):
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Light, please."}]},
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "The user wants light.",
            "tool_calls": [
                {"id": "call_1", "type": "function",
                 "function": {"name": "set_light", "arguments": json.dumps({"room": "hall"})}}
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "on"},
        {"role": "user", "content": "Thanks."},
    ]

    assert complete(client, messages=messages, tools=[TOOL]).choices[0].finish_reason in ("stop", "length", "tool_calls")


@pytest.mark.parametrize("switch", [
    {"chat_template_kwargs": {"enable_thinking": True}},
    {"thinking": {"type": "enabled"}},
    {"reasoning_effort": "high"},
])
def test_thinking_switches_change_the_prompt_alike(client, switch):
    def prompt_tokens(body):
        return complete(client, max_tokens=1, extra_body=body).usage.prompt_tokens

    enabled = prompt_tokens({"enable_thinking": True})
    disabled = prompt_tokens({"enable_thinking": False})
    assert enabled != disabled
    assert prompt_tokens(switch) == enabled


def test_thinking_by_the_models_name(client):
    def prompt_tokens(name, **body):
        return complete(client, model=name, max_tokens=1, extra_body=body).usage.prompt_tokens

    assert prompt_tokens(MODEL_NAME + "-thinking") == prompt_tokens(MODEL_NAME, enable_thinking=True)
    assert prompt_tokens(MODEL_NAME + "-nothink") == prompt_tokens(MODEL_NAME, enable_thinking=False)
    # What the request says itself counts more than its model's name.
    assert prompt_tokens(MODEL_NAME + "-thinking", enable_thinking=False) == prompt_tokens(MODEL_NAME + "-nothink")


def test_continuous_usage_and_token_ids(client):
    chunks = list(complete(client, max_tokens=8, stream=True, stream_options={"include_usage": True, "continuous_usage_stats": True},
                           extra_body={"return_token_ids": True, "ignore_eos": True}))

    counts = [chunk.usage.completion_tokens for chunk in chunks]
    assert counts == sorted(counts)
    assert counts[-1] == 8
    assert sum(len(chunk.choices[0].token_ids) for chunk in chunks if chunk.choices) == 8
    assert len(chunks[0].prompt_token_ids) == chunks[-1].usage.prompt_tokens


def test_unknown_model(client):
    with pytest.raises(openai.NotFoundError) as raised:
        complete(client, model="gpt-9")
    assert raised.value.code == "model_not_found"
    assert raised.value.param == "model"


def test_model_names(client):
    for name in (MODEL_NAME, "MiMo-V2-Flash", "XiaomiMiMo/MiMo-V2-Flash", MODEL_NAME + "[1m]"):
        assert complete(client, model=name, max_tokens=1).model == MODEL_NAME
    assert [model.id for model in client.models.list()] == [MODEL_NAME, MODEL_NAME + "-thinking", MODEL_NAME + "-nothink"]
    assert client.models.retrieve(MODEL_NAME).id == MODEL_NAME
    assert client.models.retrieve(MODEL_NAME + "-thinking").id == MODEL_NAME + "-thinking"


@pytest.mark.parametrize("options,param", [
    ({"temperature": 9}, "temperature"),
    ({"n": 0}, "n"),
    ({"top_logprobs": 2}, "top_logprobs"),
    ({"extra_body": {"max_tokens": "many"}}, "max_tokens"),
    ({"messages": [{"role": "nobody", "content": "x"}]}, "messages[0].role"),
])
def test_wrong_fields_are_named(client, options, param):
    with pytest.raises(openai.BadRequestError) as raised:
        complete(client, **options)
    assert raised.value.param == param


def test_what_is_not_implemented_says_so(client):
    for options in ({"modalities": ["text", "audio"]}, {"extra_body": {"continue_final_message": True}}):
        with pytest.raises(openai.InternalServerError) as raised:
            complete(client, **options)
        assert raised.value.status_code == 501
        assert raised.value.response.headers["x-should-retry"] == "false"


def test_prompt_beyond_the_context(client):
    with pytest.raises(openai.BadRequestError) as raised:
        complete(client, messages=[{"role": "user", "content": "word " * 4000}])
    assert raised.value.code == "context_length_exceeded"
