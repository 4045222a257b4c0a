"""POST /v1/responses through OpenAI's own Python client.

The model's weights are random, so its words mean nothing: these tests check shapes, counts and laws.
"""

import openai
import pytest

from conftest import MODEL_NAME

TOOL = {
    "type": "function",
    "name": "set_light",
    "description": "Switches a lamp.",
    "strict": True,
    "parameters": {"type": "object", "properties": {"room": {"type": "string"}}, "required": ["room"],
                   "additionalProperties": False},
}


def create(client, **options):
    options.setdefault("model", MODEL_NAME)
    options.setdefault("input", "Say something.")
    options.setdefault("max_output_tokens", 12)
    return client.responses.create(**options, extra_body={"seed": 7, "ignore_eos": True})


def test_whole_response(client):
    response = create(client, metadata={"a": "b"})

    assert response.object == "response" and response.model == MODEL_NAME
    assert response.status == "incomplete"
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.usage.output_tokens == 12
    assert response.usage.total_tokens == response.usage.input_tokens + 12
    assert response.usage.input_tokens_details.cached_tokens >= 0
    assert response.usage.output_tokens_details.reasoning_tokens >= 0
    assert response.metadata == {"a": "b"}
    assert response.output_text == response.output[0].content[0].text


@pytest.mark.parametrize("reasoning", [
    {"effort": "none"}, {"effort": "high"}, {"effort": "high", "summary": "auto"},
])
def test_stream_adds_up_to_the_whole_response(client, reasoning):
    whole = create(client, max_output_tokens=24, reasoning=reasoning)
    events = list(create(client, max_output_tokens=24, reasoning=reasoning, stream=True))

    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    assert events[-1].type == "response.incomplete"
    final = events[-1].response
    assert final.output_text == whole.output_text
    deltas = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert deltas == final.output_text
    done = [event.item for event in events if event.type == "response.output_item.done"]
    assert [item.id for item in done] == [item.id for item in final.output]
    assert final.usage == whole.usage


def test_stream_helper_of_the_client(client):
    with client.responses.stream(model=MODEL_NAME, input="Say something.", max_output_tokens=8,
                                 extra_body={"seed": 7}) as stream:
        for event in stream:
            last = event
    assert last.type in ("response.completed", "response.incomplete")


def test_tools_are_shown_to_the_model(client):
    plain = create(client).usage.input_tokens
    namespace = {"type": "namespace", "name": "home", "description": "d", "tools": [TOOL]}
    custom = {"type": "custom", "name": "apply_patch", "description": "Edits files."}

    for tool in (TOOL, namespace, custom):
        assert create(client, tools=[tool]).usage.input_tokens > plain
    assert create(client, tools=[{"type": "web_search"}]).usage.input_tokens == plain
    assert create(client, tools=[TOOL], tool_choice="none").usage.input_tokens == plain


def test_history_with_reasoning_calls_and_outputs(client):
    items = [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be brief."}]},
        {"role": "user", "content": "Light, please."},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "from elsewhere"},
        {"type": "function_call", "call_id": "call_1", "name": "set_light", "arguments": "{\"room\": \"hall\"}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "on"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Done.", "annotations": []}]},
        {"role": "user", "content": [{"type": "input_text", "text": "Thanks."}]},
    ]

    assert create(client, input=items, tools=[TOOL], parallel_tool_calls=True).usage.output_tokens == 12


def test_conversation_continues_from_the_store(client):
    first = create(client, input="One.")
    second = create(client, input="Two.", previous_response_id=first.id)
    by_hand = create(client, input=[{"role": "user", "content": "One."}, *first.output, {"role": "user", "content": "Two."}])

    assert second.previous_response_id == first.id
    assert second.usage.input_tokens == by_hand.usage.input_tokens > first.usage.input_tokens
    assert client.responses.retrieve(second.id).output == second.output
    items = client.responses.input_items.list(second.id).data
    assert len(items) == 2 + len(first.output)

    client.responses.delete(second.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(second.id)


def test_what_is_not_stored_is_unknown(client):
    response = create(client, store=False)
    with pytest.raises(openai.NotFoundError) as raised:
        create(client, previous_response_id=response.id)
    assert raised.value.code == "previous_response_not_found"


def test_counting_agrees_with_the_later_prompt(client):
    options = {"input": "Say something.", "instructions": "Be brief.", "tools": [TOOL]}
    counted = client.responses.input_tokens.count(model=MODEL_NAME, **options)

    assert counted.input_tokens == create(client, **options).usage.input_tokens


def test_background_is_refused(client):
    with pytest.raises(openai.InternalServerError) as raised:
        create(client, background=True)
    assert raised.value.status_code == 501
    assert raised.value.param == "background"


def test_prompt_beyond_the_context(client):
    with pytest.raises(openai.BadRequestError) as raised:
        create(client, input="word " * 4000)
    assert raised.value.code == "context_length_exceeded"
