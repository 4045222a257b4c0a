import json
import os
import subprocess

import pytest


class GrammarCheck:
    """The program under test: asks about one schema at a time."""

    def __init__(self):
        self._process = subprocess.Popen([os.environ["MIMO_GRAMMAR_CHECK"]], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True)

    def ask(self, schema, texts, walk=0):
        question = {"schema": schema, "texts": texts, "walk": walk}
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self):
        self._process.stdin.close()
        self._process.wait()


@pytest.fixture(scope="session")
def check():
    program = GrammarCheck()
    yield program
    program.close()
