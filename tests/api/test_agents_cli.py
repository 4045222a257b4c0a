"""Codex and Claude Code, as their PyPI packages carry them, finish a turn with a tool call.

The server is the test build that makes the model say the texts below where they fit (tests/forced/), so that the loops
close with random weights; everything else is real.
"""

import json
import os
import pathlib
import subprocess

import pytest

from conftest import FOLDER, Server

SECRET = "a heron at dawn"
AGENTS = FOLDER / "agents-venv"
CONTEXT = 65536

pytestmark = pytest.mark.skipif("MIMO_FORCED_PROGRAM" not in os.environ or "MIMO_TEST_AGENTS" not in os.environ,
                                reason="needs the test build of the program, and MIMO_TEST_AGENTS=1")


def bundled(pattern):
    """A program inside an installed package; the packages have no entry point for it."""
    found = list(AGENTS.glob(f"lib/python3*/site-packages/{pattern}"))
    assert len(found) == 1, f"{pattern} is not in {AGENTS}: see tests/api/run.sh"
    return str(found[0])


def call(name, **arguments):
    parameters = "".join(f"<parameter={key}>{value}</parameter>\n" for key, value in arguments.items())
    return f"<tool_call>\n<function={name}>\n{parameters}</function>\n</tool_call>"


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "secret.txt").write_text(SECRET + "\n")
    (tmp_path / "home").mkdir()
    return tmp_path


def forced_server(model, texts, folder):
    path = pathlib.Path(folder) / "forced.json"
    path.write_text(json.dumps(texts))
    return Server(model, program=os.environ["MIMO_FORCED_PROGRAM"], context=CONTEXT,
                  environment={"MIMO_FORCED_TEXTS": str(path)})


def environment(workspace, **more):
    """Only what a command needs: no settings and no credentials of this machine."""
    return {"PATH": os.environ["PATH"], "HOME": str(workspace / "home"), "LANG": "C.UTF-8", "NO_PROXY": "127.0.0.1", **more}


def run(command, workspace, env):
    done = subprocess.run(command, cwd=workspace, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=240)
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def test_claude_code(wide_model_path, workspace):
    question = "Which words are in secret.txt? (question 7301)"
    answer = f"The file says: {SECRET}."
    server = forced_server(wide_model_path, [
        {"if": ["question 7301", SECRET], "text": f"<think>I have it.</think>{answer}"},
        {"if": ["question 7301", "<name>Bash</name>"], "text":
         "<think>I read the file.</think>I will look." +
         call("Bash", command="cat secret.txt", description="Shows the file")},
        {"if": [], "text": "A title"},
    ], workspace)
    try:
        output = run([bundled("claude_agent_sdk/_bundled/claude"), "-p", question, "--output-format", "json",
                      "--model", "mimo-v2-flash", "--allowedTools", "Bash(cat:*)"], workspace,
                     environment(workspace, ANTHROPIC_BASE_URL=server.url, ANTHROPIC_AUTH_TOKEN="none",
                                 ANTHROPIC_SMALL_FAST_MODEL="mimo-v2-flash",
                                 CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1", DISABLE_AUTOUPDATER="1",
                                 CLAUDE_CODE_MAX_OUTPUT_TOKENS="2000"))
    finally:
        server.stop()

    result = json.loads(output)
    assert result["is_error"] is False, output
    assert result["result"] == answer
    assert result["num_turns"] == 2
    assert result["usage"]["input_tokens"] + result["usage"]["cache_read_input_tokens"] > 1000
    assert result["usage"]["output_tokens"] > 0


def test_codex(wide_model_path, workspace):
    question = "Which words are in secret.txt? (question 7302)"
    answer = f"The file says: {SECRET}."
    server = forced_server(wide_model_path, [
        {"if": ["question 7302", SECRET], "text": f"<think>I have it.</think>{answer}"},
        {"if": ["question 7302"], "text":
         "<think>I read the file.</think>I will look." + call("exec_command", cmd="cat secret.txt")},
    ], workspace)
    try:
        provider = f'{{name="mimo", base_url="{server.url}/v1", wire_api="responses", env_key="MIMO_KEY"}}'
        output = run([bundled("codex_cli_bin/bin/codex"), "exec", "--json", "--skip-git-repo-check",
                      "--dangerously-bypass-approvals-and-sandbox", "-m", "mimo-v2-flash-thinking",
                      "-c", 'model_provider="mimo"', "-c", f"model_providers.mimo={provider}", question], workspace,
                     environment(workspace, MIMO_KEY="none", CODEX_HOME=str(workspace / "home")))
    finally:
        server.stop()

    events = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    items = [event["item"] for event in events if event["type"] == "item.completed"]
    commands = [item for item in items if item["type"] == "command_execution"]
    assert [item["aggregated_output"].strip() for item in commands] == [SECRET], output
    assert [item["text"] for item in items if item["type"] == "agent_message"] == ["I will look.", answer], output
    usage = next(event["usage"] for event in events if event["type"] == "turn.completed")
    assert usage["input_tokens"] > 1000 and usage["output_tokens"] > 0
