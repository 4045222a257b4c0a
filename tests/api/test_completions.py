"""POST /v1/completions through OpenAI's own Python client: text in, text out."""

import openai
import pytest

from conftest import MODEL_NAME


def complete(client, prompt="Once upon a time", **options):
    options.setdefault("max_tokens", 8)
    options.setdefault("seed", 7)
    options["extra_body"] = {"ignore_eos": True, **options.get("extra_body", {})}
    return client.completions.create(model=MODEL_NAME, prompt=prompt, **options)


def test_whole_reply(client):
    reply = complete(client)

    assert reply.object == "text_completion"
    assert reply.id.startswith("cmpl-")
    assert reply.choices[0].finish_reason == "length"
    assert reply.usage.completion_tokens == 8
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + 8


def test_stream_adds_up_to_the_whole_reply(client):
    whole = complete(client)
    chunks = list(complete(client, stream=True, stream_options={"include_usage": True}))

    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == whole.choices[0].text
    assert chunks[-2].choices[0].finish_reason == "length"
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == 8


def test_several_prompts_and_answers(client):
    reply = complete(client, ["First", "Second thing"], n=2)
    alone = complete(client, "Second thing")

    assert [choice.index for choice in reply.choices] == [0, 1, 2, 3]
    assert reply.choices[2].text == alone.choices[0].text  # equal seeds, whatever stands beside it
    assert reply.choices[2].text != reply.choices[3].text
    assert reply.usage.completion_tokens == 32
    assert reply.usage.prompt_tokens == complete(client, "First").usage.prompt_tokens + alone.usage.prompt_tokens


def test_token_ids_are_a_prompt(client, post):
    tokens = post("/tokenize", {"content": "Once upon a time"}).json()["tokens"]

    reply = complete(client, tokens, extra_body={"return_token_ids": True})
    lists = complete(client, [tokens, tokens[:1]])

    assert reply.choices[0].text == complete(client).choices[0].text
    assert reply.choices[0].prompt_token_ids == tokens
    assert len(reply.choices[0].token_ids) == 8
    assert lists.choices[0].text == reply.choices[0].text


def test_echo_and_logprobs(client):
    echoed = complete(client, echo=True)
    reply = complete(client, logprobs=3, temperature=0)

    assert echoed.choices[0].text == "Once upon a time" + complete(client).choices[0].text
    logprobs = reply.choices[0].logprobs
    assert len(logprobs.tokens) == len(logprobs.token_logprobs) == len(logprobs.text_offset) == 8
    assert all(len(top) == 3 for top in logprobs.top_logprobs)
    assert all(max(top.values()) == value for top, value in zip(logprobs.top_logprobs, logprobs.token_logprobs))
    assert logprobs.text_offset[0] == 0
    assert logprobs.text_offset == sorted(logprobs.text_offset)


def test_stop_strings_and_the_default_length(client, post):
    token = post("/tokenize", {"content": "a"}).json()["tokens"][0]
    forced = {"logit_bias": {str(token): 100}, "temperature": 0}

    assert complete(client, stop="aaa", max_tokens=20, **forced).choices[0].text == ""
    assert complete(client, max_tokens=None, **forced).choices[0].text == "a" * 16


@pytest.mark.parametrize("options,param,status", [
    ({"suffix": "the end"}, "suffix", 501),
    ({"best_of": 3}, "best_of", 501),
    ({"echo": True, "logprobs": 1}, "logprobs", 501),
    ({"prompt": ""}, "prompt", 400),
    ({"prompt": []}, "prompt", 400),
    ({"prompt": [[1], [-1]]}, "prompt", 400),
    ({"prompt": "word " * 4000}, "prompt", 400),
    ({"n": 0}, "n", 400),
])
def test_what_cannot_be_done_is_named(client, options, param, status):
    with pytest.raises(openai.APIStatusError) as raised:
        complete(client, **options)
    assert raised.value.status_code == status
    assert raised.value.body["param"] == param


def test_embeddings_say_what_is_missing(client):
    with pytest.raises(openai.InternalServerError) as raised:
        client.embeddings.create(model=MODEL_NAME, input="x")
    assert raised.value.status_code == 501
    assert raised.value.response.headers["x-should-retry"] == "false"
