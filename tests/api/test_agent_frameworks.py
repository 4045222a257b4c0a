"""Frameworks that speak Anthropic's and the Responses dialect run a tool and finish, unchanged.

The server is the test build that makes the model say the texts below where they fit (tests/forced/).
"""

import asyncio
import json
import os

import pytest

from conftest import MODEL_NAME, Server

WORD = "heron"
ANSWER = f"The word is {WORD}."
QUESTION = "Which word does get_word give for the key dawn?"
TEXTS = [
    {"if": [QUESTION, f"word for dawn: {WORD}"], "text": ANSWER},
    {"if": [QUESTION, "get_word"], "text":
     "<tool_call>\n<function=get_word>\n<parameter=key>dawn</parameter>\n</function>\n</tool_call>"},
]

pytestmark = pytest.mark.skipif("MIMO_FORCED_PROGRAM" not in os.environ, reason="needs the test build of the program")


def get_word(key: str) -> str:
    """Gives the word for a key."""
    return f"word for {key}: {WORD}"


@pytest.fixture(scope="module")
def forced(model_path, tmp_path_factory):
    path = tmp_path_factory.mktemp("forced") / "texts.json"
    path.write_text(json.dumps(TEXTS))
    running = Server(model_path, program=os.environ["MIMO_FORCED_PROGRAM"], context=8192,
                     environment={"MIMO_FORCED_TEXTS": str(path)})
    yield running
    assert running.stop() == 0


@pytest.mark.parametrize("stream", [False, True])
def test_langchain_anthropic(forced, stream):
    from langchain_anthropic import ChatAnthropic
    from langchain_core.messages import HumanMessage, ToolMessage
    from langchain_core.tools import tool

    model = ChatAnthropic(model=MODEL_NAME, base_url=forced.url, api_key="none", max_tokens=512, max_retries=0,
                          streaming=stream).bind_tools([tool(get_word)])
    messages = [HumanMessage(QUESTION)]

    call = model.invoke(messages)
    assert [(made["name"], made["args"]) for made in call.tool_calls] == [("get_word", {"key": "dawn"})]
    result = get_word(**call.tool_calls[0]["args"])
    reply = model.invoke([*messages, call, ToolMessage(result, tool_call_id=call.tool_calls[0]["id"])])

    assert reply.text == ANSWER
    assert reply.usage_metadata["input_tokens"] > call.usage_metadata["input_tokens"] > 0


@pytest.mark.parametrize("stream", [False, True])
def test_openai_agents(forced, stream):
    import agents
    import openai

    agents.set_tracing_disabled(True)
    client = openai.AsyncOpenAI(base_url=forced.url + "/v1", api_key="none", max_retries=0)
    agent = agents.Agent(name="Finder", instructions="Use your tools.", tools=[agents.function_tool(get_word)],
                         model=agents.OpenAIResponsesModel(MODEL_NAME, client))

    async def run():
        if not stream:
            return await agents.Runner.run(agent, QUESTION)
        running = agents.Runner.run_streamed(agent, QUESTION)
        async for _ in running.stream_events():
            pass
        return running

    result = asyncio.run(run())
    assert result.final_output == ANSWER
    kinds = [item.type for item in result.new_items]
    assert kinds.count("tool_call_item") == kinds.count("tool_call_output_item") == 1


def pydantic_models(url):
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.models.openai import OpenAIResponsesModel
    from pydantic_ai.providers.anthropic import AnthropicProvider
    from pydantic_ai.providers.openai import OpenAIProvider

    return {
        "anthropic": AnthropicModel(MODEL_NAME, provider=AnthropicProvider(api_key="none", base_url=url)),
        "responses": OpenAIResponsesModel(MODEL_NAME, provider=OpenAIProvider(api_key="none", base_url=url + "/v1")),
    }


@pytest.mark.parametrize("dialect", ["anthropic", "responses"])
@pytest.mark.parametrize("stream", [False, True])
def test_pydantic_ai(forced, dialect, stream):
    import pydantic_ai

    agent = pydantic_ai.Agent(pydantic_models(forced.url)[dialect], tools=[get_word], instructions="Use your tools.",
                              model_settings={"max_tokens": 512})

    async def run_streamed():
        async with agent.run_stream(QUESTION) as result:
            return await result.get_output()

    output = asyncio.run(run_streamed()) if stream else agent.run_sync(QUESTION).output
    assert output == ANSWER


@pytest.mark.parametrize("stream", [False, True])
def test_litellm_on_the_anthropic_route(forced, stream):
    import litellm

    tool = {"type": "function", "function": {
        "name": "get_word", "description": "Gives the word for a key.",
        "parameters": {"type": "object", "properties": {"key": {"type": "string"}}, "required": ["key"]}}}

    def complete(messages):
        reply = litellm.completion(model=f"anthropic/{MODEL_NAME}", api_base=forced.url, api_key="none", max_tokens=512,
                                   messages=messages, tools=[tool], stream=stream, num_retries=0)
        return litellm.stream_chunk_builder(list(reply)) if stream else reply

    messages = [{"role": "user", "content": QUESTION}]
    call = complete(messages).choices[0]
    assert call.finish_reason == "tool_calls"
    made = call.message.tool_calls[0]
    assert json.loads(made.function.arguments) == {"key": "dawn"}
    messages += [call.message.model_dump(exclude_none=True),
                 {"role": "tool", "tool_call_id": made.id, "content": get_word("dawn")}]

    assert complete(messages).choices[0].message.content == ANSWER
