"""Replies in the form that was asked for. The weights are random: what comes out is what the grammar leaves."""

import json
import re

import openai
import pytest

from conftest import MODEL_NAME

MESSAGES = [{"role": "user", "content": "Describe a lamp."}]
SCHEMA = {
    "type": "object",
    "properties": {"room": {"enum": ["hall", "attic"]}, "level": {"type": "integer", "minimum": 0, "maximum": 9},
                   "on": {"type": "boolean"}},
    "required": ["room", "level", "on"],
    "additionalProperties": False,
}
TOOLS = [
    {"type": "function", "function": {"name": "set_lamp", "parameters": SCHEMA, "strict": True}},
    {"type": "function", "function": {"name": "list_lamps", "parameters": {"type": "object", "properties": {},
                                                                    "additionalProperties": False}}},
]


def complete(client, **options):
    return client.chat.completions.create(model=MODEL_NAME, messages=MESSAGES, max_tokens=400, seed=3, **options)


def check_lamp(text):
    lamp = json.loads(text)
    assert lamp["room"] in ("hall", "attic")
    assert 0 <= lamp["level"] <= 9
    assert lamp["on"] in (True, False)
    assert len(lamp) == 3


@pytest.mark.parametrize("body", [
    {"response_format": {"type": "json_schema", "json_schema": {"name": "lamp", "schema": SCHEMA, "strict": True}}},
    {"response_format": {"type": "json_schema", "json_schema": {"name": "lamp", "schema": SCHEMA}}},
    {"response_format": {"type": "json_object", "schema": SCHEMA}},
    {"guided_json": SCHEMA},
    {"guided_json": json.dumps(SCHEMA)},
    {"structured_outputs": {"json": SCHEMA}},
    {"json_schema": SCHEMA},
])
def test_json_schema_in_every_dialect(client, body):
    choice = complete(client, extra_body=body).choices[0]

    assert choice.finish_reason == "stop"
    check_lamp(choice.message.content)


def test_schema_streamed(client):
    schema = {"type": "json_schema", "json_schema": {"name": "lamp", "schema": SCHEMA, "strict": True}}
    chunks = complete(client, response_format=schema, stream=True)

    check_lamp("".join(chunk.choices[0].delta.content or "" for chunk in chunks))


@pytest.mark.parametrize("body,pattern", [
    ({"guided_choice": ["red", "green"]}, "red|green"),
    ({"structured_outputs": {"choice": ["red", "green"]}}, "red|green"),
    ({"guided_regex": "[a-f]{3}-[0-9]{2}"}, "[a-f]{3}-[0-9]{2}"),
    ({"structured_outputs": {"regex": "[a-f]{3}"}}, "[a-f]{3}"),
    ({"grammar": 'root ::= "yes" | "no"'}, "yes|no"),
    ({"guided_grammar": 'root ::= [x-z] [0-9]'}, "[x-z][0-9]"),
])
def test_regex_choice_and_grammar(client, body, pattern):
    choice = complete(client, extra_body=body).choices[0]

    assert re.fullmatch(pattern, choice.message.content)
    assert choice.finish_reason == "stop"


def test_completions_obey_too(client):
    reply = client.completions.create(model=MODEL_NAME, prompt="A colour:", max_tokens=20, extra_body={"guided_choice": ["red"]})

    assert reply.choices[0].text == "red"


@pytest.mark.parametrize("choice,names", [
    ("required", {"set_lamp", "list_lamps"}),
    ({"type": "function", "function": {"name": "set_lamp"}}, {"set_lamp"}),
    ({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [
        {"type": "function", "function": {"name": "list_lamps"}}]}}, {"list_lamps"}),
])
def test_forced_calls_obey_their_schemas(client, choice, names):
    reply = complete(client, tools=TOOLS, tool_choice=choice, parallel_tool_calls=False).choices[0]

    assert reply.finish_reason == "tool_calls"
    [call] = reply.message.tool_calls
    assert call.function.name in names
    if call.function.name == "set_lamp":
        check_lamp(call.function.arguments)


@pytest.mark.parametrize("body,param", [
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}}, "response_format"),
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nothing"}}}}, "response_format"),
    ({"guided_regex": "(a"}, "guided_regex"),
    ({"guided_regex": "a", "guided_choice": ["a"]}, "guided_choice"),
    ({"guided_choice": []}, "guided_choice"),
    ({"grammar": "root ::= missing"}, "grammar"),
    ({"structured_outputs": {}}, "structured_outputs"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "unknown"}}}, "tool_choice"),
])
def test_what_cannot_be_done_is_named(client, body, param):
    with pytest.raises(openai.BadRequestError) as raised:
        complete(client, extra_body=body)
    assert raised.value.param == param
