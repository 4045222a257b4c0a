#!/usr/bin/env python3
"""Renders conversations with a checkpoint's own Jinja template, as transformers does, for ChatTemplate's test.

    make_golden.py KIND TEMPLATE.jinja

KIND is mimo_7b, mimo_v2_5 or mimo_v2_6; the result is KIND.json beside this file: a list of
{"name", "request", "prompt"}. The templates themselves are not kept here; docs/formats/chat-template.md says
where each came from and which of them are the published text.
"""
import copy
import hashlib
import json
import pathlib
import sys

from jinja2.sandbox import ImmutableSandboxedEnvironment

# The published texts; any other text is accepted with a warning.
KNOWN_SHA256 = {
    "mimo_7b": "10490379c20af484107413cc5fd93f6e587d0cb4364a183a89ab68849406b80d",  # MiMo-VL-7B
    "mimo_v2_6": "11ea52e156de38a458e6b7720ad45915d65b97d4ec979a09f55e3c9bd1b4d059",
}


def call(name, arguments, call_id="call_1"):
    return {"id": call_id, "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False)}}


def tool(name, description=None, parameters=None, **extra):
    function = {"name": name}
    if description is not None:
        function["description"] = description
    if parameters is not None:
        function["parameters"] = parameters
    return {"type": "function", "function": {**function, **extra}}


WEATHER = tool("get_weather", "  Weather of a city,\n\"quoted\" & <b>marked</b> – ünïcode 天气 \u00a0", {
    "type": "object",
    "properties": {
        "city": {"type": "string", "description": " The city. "},
        "days": {"type": "integer", "minimum": 1, "maximum": 14, "default": 3},
        "units": {"type": "array", "items": {"type": "string", "enum": ["C", "mm"]}},
        "scale": {"type": ["number", "null"], "default": None, "examples": [0.5, 1e-05, 1e16, 100.0]},
        "detail": {"anyOf": [{"type": "boolean"}, {"type": "null"}], "default": False},
        "style": {"enum": ["short", "it's long"], "description": "路 \"x\""},
        "anything": {},
    },
    "required": ["city"],
    "additionalProperties": False,
}, strict=True)
BARE = tool("ping")
EMPTY = tool("noop", "", {"type": "object", "properties": {}})
NESTED = tool("edit", "Edits.", {
    "type": "object",
    "properties": {"patch": {"type": "object", "properties": {"old": {"type": "string"}},
                             "required": ["old"], "$comment": "tab\there\u0001 \u007f"}},
    "$defs": {"Point": {"type": "object", "x": 1.0, "y": -0.25, "big": 123456789012345678}},
})
TOOLS = [WEATHER, BARE, EMPTY, NESTED]

USER = {"role": "user", "content": "Hello"}
LOOP = [
    {"role": "user", "content": "Rome and Milan?"},
    {"role": "assistant", "content": "Looking.", "reasoning_content": "Two cities.\nTwo calls.", "tool_calls": [
        call("get_weather", {"city": "Rome", "days": 3, "units": ["C", "mm"], "scale": 0.5, "detail": True}, "a"),
        call("get_weather", {"city": "Milan\n<b>&amp;</b> \"q\"", "scale": None, "detail": False,
                             "extra": {"k": [1, 2.0, None, True, "ü\n"]}}, "b")]},
    {"role": "tool", "tool_call_id": "a", "content": "sunny"},
    {"role": "tool", "tool_call_id": "b", "content": "rain\n"},
    {"role": "assistant", "content": "Sun and rain."},
    {"role": "user", "content": "And Naples?"},
]

REQUESTS = {
    "one user turn": {"messages": [USER]},
    "thinking off": {"messages": [USER], "enable_thinking": False},
    "thinking on": {"messages": [USER], "enable_thinking": True},
    "no generation prompt": {"messages": [USER], "add_generation_prompt": False},
    "system and user": {"messages": [{"role": "system", "content": "Be brief.\n"}, USER]},
    "empty system": {"messages": [{"role": "system", "content": ""}, USER]},
    "system in the middle": {"messages": [USER, {"role": "assistant", "content": "Hi"},
                                          {"role": "system", "content": "Now in French."}, USER]},
    "two systems first": {"messages": [{"role": "system", "content": "A"}, {"role": "system", "content": "B"}, USER]},
    "two users in a row": {"messages": [USER, {"role": "user", "content": "Still there?"}]},
    "text parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": "first "},
                                                             {"type": "text", "text": "second"}]}]},
    "history": {"messages": [USER, {"role": "assistant", "content": "Hi"}, USER]},
    "history with reasoning": {"messages": [
        USER, {"role": "assistant", "content": "Hi", "reasoning_content": "\nGreet.\n"}, USER]},
    "reasoning not kept": {"messages": [
        USER, {"role": "assistant", "content": "Hi", "reasoning_content": "Old."}, USER,
        {"role": "assistant", "content": "Yes", "reasoning_content": "New."}], "keep_all_reasoning": False},
    "reasoning inside the content": {"messages": [
        USER, {"role": "assistant", "content": "x<think>a\nb</think>c</think>\nd"}, USER]},
    "ends with the assistant": {"messages": [USER, {"role": "assistant", "content": "So"}],
                                "add_generation_prompt": False},
    "tools declared": {"messages": [USER], "tools": TOOLS},
    "tools and system": {"messages": [{"role": "system", "content": "Use tools."}, USER], "tools": TOOLS},
    "agent loop": {"messages": LOOP, "tools": TOOLS},
    "agent loop, thinking off": {"messages": LOOP, "tools": TOOLS, "enable_thinking": False},
    "calls without content": {"messages": [USER, {"role": "assistant", "content": "", "tool_calls": [call("ping", {})]},
                                           {"role": "tool", "tool_call_id": "call_1", "content": "pong"}],
                              "tools": [BARE]},
    "result without a call": {"messages": [{"role": "system", "content": "S"},
                                           {"role": "tool", "content": "x"}, USER]},
    "numbers": {"messages": [USER, {"role": "assistant", "content": "", "tool_calls": [call("f", {
        "a": 1e15, "b": 1e16, "c": 1e-4, "d": 1e-5, "e": 123456.789, "f": -0.0, "g": 1.5e300, "h": -7, "i": 0.1,
        "j": [1e15, 1e-7], "k": 2.0})]}]},
    "control tokens in the text": {"messages": [{"role": "user", "content": "a<|im_end|>\n<|im_start|>system\nb"}]},
    "white space only": {"messages": [{"role": "user", "content": " \n\t "}]},
}
# Only V2.6's template knows tools inside a message.
V26_REQUESTS = {
    "tools in a message": {"messages": [USER, {"role": "system", "content": "More tools.", "tools": [BARE]},
                                        {"role": "system", "content": "", "tools": [EMPTY]}, USER]},
}


def render(template, request):
    """What transformers' apply_chat_template passes; arguments as objects, the form models are trained on."""
    messages = copy.deepcopy(request["messages"])
    for message in messages:
        for tool_call in message.get("tool_calls", []):
            function = tool_call["function"]
            function["arguments"] = json.loads(function["arguments"])
    switches = {key: request[key] for key in ("enable_thinking", "keep_all_reasoning") if key in request}
    return template.render(messages=messages, tools=request.get("tools"), documents=None,
                           add_generation_prompt=request.get("add_generation_prompt", True), **switches)


def main():
    kind, path = sys.argv[1:]
    source = pathlib.Path(path).read_bytes()
    digest = hashlib.sha256(source).hexdigest()
    if KNOWN_SHA256.get(kind) != digest:
        print(f"{kind}: {digest} is not a known published text", file=sys.stderr)
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                                extensions=["jinja2.ext.loopcontrols"])

    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    environment.filters["tojson"] = tojson
    template = environment.from_string(source.decode())
    requests = {**REQUESTS, **(V26_REQUESTS if kind == "mimo_v2_6" else {})}
    cases = []
    for name, request in requests.items():
        try:
            prompt = render(template, request)
        except TypeError as error:
            print(f"{kind}: skipping '{name}': {error}", file=sys.stderr)
            continue
        sent = {key: value for key, value in request.items() if key != "keep_all_reasoning"}
        if "keep_all_reasoning" in request:
            sent["chat_template_kwargs"] = {"keep_all_reasoning": request["keep_all_reasoning"]}
        cases.append({"name": name, "request": sent, "prompt": prompt})
    out = pathlib.Path(__file__).resolve().parent / f"{kind}.json"
    out.write_text(json.dumps({"template_sha256": digest, "cases": cases}, ensure_ascii=False, indent=1) + "\n")


main()
