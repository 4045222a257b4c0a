"""Programs and frameworks that speak chat completions: each talks, streams and closes a tool loop, unchanged.

The server is the test build that makes the model say the texts below where they fit (tests/forced/), so that the loops
close with random weights; everything else is real.
"""

import asyncio
import json
import os
import subprocess
import sys

import openai
import pydantic
import pytest

from conftest import MODEL_NAME, Server

GREETING = "Say good morning to the heron."
GREETED = "Good morning, heron."
QUESTION = "Which word does get_word give for the key dawn?"
RESULT = "word for dawn: heron"
ANSWER = "The word is heron."
PERSON = "Anna is 30 years old. Describe her."
CALL = "<tool_call>\n<function=get_word>\n<parameter=key>dawn</parameter>\n</function>\n</tool_call>"
PERSON_JSON = '{"name": "Anna", "age": 30}'
TEXTS = [
    {"if": [QUESTION, RESULT], "text": ANSWER},
    {"if": [QUESTION, "get_word"], "text": CALL},
    # Structured-output helpers ask for a call of a function named like the type, or for the JSON itself.
    {"if": [PERSON, "<function>\n<name>Person"], "text": "<tool_call>\n<function=Person>\n<parameter=name>Anna</parameter>\n"
     "<parameter=age>30</parameter>\n</function>\n</tool_call>"},
    {"if": [PERSON, "<function>\n<name>final_result"], "text": "<tool_call>\n<function=final_result>\n"
     "<parameter=name>Anna</parameter>\n<parameter=age>30</parameter>\n</function>\n</tool_call>"},
    {"if": [PERSON], "text": PERSON_JSON},
    {"if": [GREETING], "text": GREETED},
]
TOOL = {"type": "function", "function": {
    "name": "get_word", "description": "Gives the word for a key.", "strict": True,
    "parameters": {"type": "object", "properties": {"key": {"type": "string"}}, "required": ["key"],
                   "additionalProperties": False}}}

pytestmark = pytest.mark.skipif("MIMO_FORCED_PROGRAM" not in os.environ, reason="needs the test build of the program")


class Person(pydantic.BaseModel):
    name: str
    age: int


def get_word(key: str) -> str:
    """Gives the word for a key."""
    return f"word for {key}: heron"


@pytest.fixture(scope="module")
def forced(model_path, tmp_path_factory):
    path = tmp_path_factory.mktemp("forced") / "texts.json"
    path.write_text(json.dumps(TEXTS))
    running = Server(model_path, program=os.environ["MIMO_FORCED_PROGRAM"], context=16384,
                     environment={"MIMO_FORCED_TEXTS": str(path)})
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def base_url(forced):
    return forced.url + "/v1"


@pytest.fixture(scope="module")
def client(base_url):
    return openai.OpenAI(base_url=base_url, api_key="none", max_retries=0, timeout=60)


def user(text):
    return [{"role": "user", "content": text}]


# openai


def test_openai_chat_and_stream(client):
    reply = client.chat.completions.create(model=MODEL_NAME, messages=user(GREETING))
    assert reply.choices[0].message.content == GREETED
    assert reply.choices[0].finish_reason == "stop"

    with client.chat.completions.stream(model=MODEL_NAME, messages=user(GREETING)) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta"]
        assert stream.get_final_completion().choices[0].message.content == GREETED
    assert len(deltas) > 1
    assert "".join(deltas) == GREETED


def test_openai_parse(client):
    reply = client.chat.completions.parse(model=MODEL_NAME, messages=user(PERSON), response_format=Person)

    assert reply.choices[0].message.parsed == Person(name="Anna", age=30)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("tool_choice", ["auto", "required", {"type": "function", "function": {"name": "get_word"}}])
def test_openai_tool_loop(client, stream, tool_choice):
    def complete(messages, choice):
        options = {"model": MODEL_NAME, "messages": messages, "tools": [TOOL], "tool_choice": choice}
        if not stream:
            return client.chat.completions.create(**options).choices[0]
        with client.chat.completions.stream(**options) as events:
            for _ in events:
                pass
            return events.get_final_completion().choices[0]

    called = complete(user(QUESTION), tool_choice)
    assert called.finish_reason == "tool_calls"
    [made] = called.message.tool_calls
    assert made.function.name == "get_word"
    assert json.loads(made.function.arguments) == {"key": "dawn"}
    history = [*user(QUESTION),
               {"role": "assistant", "content": called.message.content,
                "tool_calls": [{"id": made.id, "type": "function",
                                "function": {"name": "get_word", "arguments": made.function.arguments}}]},
               {"role": "tool", "tool_call_id": made.id, "content": get_word("dawn")}]
    answered = complete(history, "auto")

    assert answered.finish_reason == "stop"
    assert answered.message.content == ANSWER


# litellm


@pytest.mark.parametrize("provider", ["openai", "xiaomi_mimo"])
@pytest.mark.parametrize("stream", [False, True])
def test_litellm(base_url, provider, stream):
    import litellm

    def complete(messages, **options):
        reply = litellm.completion(model=f"{provider}/{MODEL_NAME}", api_base=base_url, api_key="none", messages=messages,
                                   stream=stream, num_retries=0, **options)
        return (litellm.stream_chunk_builder(list(reply)) if stream else reply).choices[0]

    assert complete(user(GREETING)).message.content == GREETED
    # litellm's table of the platform's models has no such name, so it has to be told that tools are known.
    with_tools = {"tools": [TOOL], "allowed_openai_params": ["tools"]}
    called = complete(user(QUESTION), **with_tools)
    assert called.finish_reason == "tool_calls"
    [made] = called.message.tool_calls
    assert json.loads(made.function.arguments) == {"key": "dawn"}
    history = [*user(QUESTION), called.message.model_dump(exclude_none=True),
               {"role": "tool", "tool_call_id": made.id, "content": get_word("dawn")}]
    assert complete(history, **with_tools).message.content == ANSWER


# openai-agents


@pytest.mark.parametrize("stream", [False, True])
def test_openai_agents_on_chat_completions(base_url, stream):
    import agents

    agents.set_tracing_disabled(True)
    client = openai.AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0)
    model = agents.OpenAIChatCompletionsModel(MODEL_NAME, client)
    agent = agents.Agent(name="Finder", instructions="Use your tools.", tools=[agents.function_tool(get_word)], model=model)

    async def run(question):
        if not stream:
            return await agents.Runner.run(agent, question)
        running = agents.Runner.run_streamed(agent, question)
        async for _ in running.stream_events():
            pass
        return running

    async def run_both():
        return await run(GREETING), await run(QUESTION)

    greeted, result = asyncio.run(run_both())
    assert greeted.final_output == GREETED
    assert result.final_output == ANSWER
    assert [item.type for item in result.new_items].count("tool_call_output_item") == 1


# pydantic-ai


@pytest.mark.parametrize("stream", [False, True])
def test_pydantic_ai_on_chat_completions(base_url, stream):
    import pydantic_ai
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    model = OpenAIChatModel(MODEL_NAME, provider=OpenAIProvider(api_key="none", base_url=base_url))
    agent = pydantic_ai.Agent(model, tools=[get_word], instructions="Use your tools.")

    async def run_streamed(question):
        async with agent.run_stream(question) as result:
            return await result.get_output()

    def run(question):
        return asyncio.run(run_streamed(question)) if stream else agent.run_sync(question).output

    assert run(GREETING) == GREETED
    assert run(QUESTION) == ANSWER


def test_pydantic_ai_structured_output(base_url):
    import pydantic_ai
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    model = OpenAIChatModel(MODEL_NAME, provider=OpenAIProvider(api_key="none", base_url=base_url))

    for output in (Person, pydantic_ai.NativeOutput(Person)):
        assert pydantic_ai.Agent(model, output_type=output).run_sync(PERSON).output == Person(name="Anna", age=30)


# instructor


@pytest.mark.parametrize("mode", ["TOOLS", "JSON", "JSON_SCHEMA"])
def test_instructor(client, mode):
    import instructor

    patched = instructor.from_openai(client, mode=instructor.Mode[mode])

    person = patched.chat.completions.create(model=MODEL_NAME, messages=user(PERSON), response_model=Person, max_retries=0)
    assert person.model_dump() == {"name": "Anna", "age": 30}  # of a class that instructor made of Person


# langchain-openai


@pytest.mark.parametrize("stream", [False, True])
def test_langchain_openai(base_url, stream):
    from langchain_core.messages import HumanMessage, ToolMessage
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model=MODEL_NAME, base_url=base_url, api_key="none", max_retries=0, streaming=stream, stream_usage=True)
    assert model.invoke(GREETING).text == GREETED
    assert "".join(chunk.text for chunk in model.stream(GREETING)) == GREETED

    with_tools = model.bind_tools([tool(get_word)])
    messages = [HumanMessage(QUESTION)]
    called = with_tools.invoke(messages)
    assert [(made["name"], made["args"]) for made in called.tool_calls] == [("get_word", {"key": "dawn"})]
    messages += [called, ToolMessage(get_word(**called.tool_calls[0]["args"]), tool_call_id=called.tool_calls[0]["id"])]
    reply = with_tools.invoke(messages)
    assert reply.text == ANSWER
    assert reply.usage_metadata["input_tokens"] > called.usage_metadata["input_tokens"] > 0


def test_langchain_structured_output(base_url):
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model=MODEL_NAME, base_url=base_url, api_key="none", max_retries=0)

    for method in ("json_schema", "function_calling"):
        assert model.with_structured_output(Person, method=method).invoke(PERSON) == Person(name="Anna", age=30)


# llm


def test_llm_command_line(base_url, tmp_path):
    (tmp_path / "extra-openai-models.yaml").write_text(
        f"- model_id: mimo\n  model_name: {MODEL_NAME}\n  api_base: {base_url}\n  supports_tools: true\n  can_stream: true\n")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LLM_USER_PATH": str(tmp_path), "OPENAI_API_KEY": "none"}

    def llm(*arguments):
        done = subprocess.run([sys.executable, "-m", "llm", "prompt", "-m", "mimo", "--no-log", *arguments], env=environment,
                              capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert llm(GREETING).strip() == GREETED
    assert llm("--no-stream", GREETING).strip() == GREETED
    tool = 'def get_word(key: str) -> str:\n    """Gives the word for a key."""\n    return f"word for {key}: heron"\n'
    assert llm("--functions", tool, QUESTION).strip().endswith(ANSWER)
