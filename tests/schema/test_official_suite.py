"""Every instance that the official suite calls invalid is unreachable, every valid one reachable, in each usual
way to write it. A group whose schema is refused is listed in refused_groups.txt with the refusal; the list is
exact, so neither a new refusal nor a new ability goes unnoticed."""

import json
import os
import pathlib

from json_text import all_texts

SUITE = pathlib.Path(os.environ["MIMO_SCHEMA_SUITE"]) / "tests" / "draft2020-12"
LISTED = pathlib.Path(__file__).with_name("refused_groups.txt")

# `format` is asserted here, which the draft leaves to the program; the suite tests that it is not.
FORMAT_IS_ASSERTED = "format.json"
# optional/format holds the tests of asserted formats.
ASSERTED_FORMATS = ["date", "time", "date-time", "duration", "uuid", "ipv4", "ipv6", "hostname", "email", "uri",
                    "json-pointer"]
# Valid by the format's standard and not written by the grammars (the decision names them), as (file, text).
NOT_WRITTEN = {line.rstrip("\n") for line in
               pathlib.Path(__file__).with_name("formats_not_written.txt").read_text().splitlines()
               if not line.startswith("#")}


def groups(path):
    for group in json.loads(path.read_text()):
        yield group["description"], group["schema"], group["tests"]


def refusal(error):
    """The part of a message that does not depend on the place."""
    for reason in ["is not supported", "not within the schema", "too many digits", "multiply to more than"]:
        if reason in error:
            return error.split("JSON schema, ")[-1]
    return "UNEXPECTED " + error


def test_required_files(check):
    wrong, refused, num_checked = [], [], 0
    for path in sorted(SUITE.glob("*.json")):
        if path.name == FORMAT_IS_ASSERTED:
            continue
        for description, schema, tests in groups(path):
            texts = [all_texts(test["data"]) for test in tests]
            answer = check.ask(schema, sum(texts, []))
            if "error" in answer:
                if "nothing satisfies" in answer["error"]:
                    assert not any(test["valid"] for test in tests), (path.name, description, answer)
                    continue
                refused.append(f"{path.name}: {description}: {refusal(answer['error'])}")
                continue
            accepted = iter(answer["accepted"])
            for test, spellings in zip(tests, texts):
                for text in spellings:
                    num_checked += 1
                    if next(accepted) != test["valid"]:
                        wrong.append((path.name, description, test["description"], text, test["valid"]))
    assert not wrong, f"{len(wrong)} of {num_checked}: {wrong[:40]}"
    assert num_checked > 1000
    listed = [line for line in LISTED.read_text().splitlines() if line and not line.startswith("#")]
    assert sorted(refused) == sorted(listed), "\n".join(sorted(refused))


def test_formats(check):
    wrong = []
    for name in ASSERTED_FORMATS:
        path = SUITE / "optional" / "format" / f"{name}.json"
        for description, schema, tests in groups(path):
            for test in tests:
                answer = check.ask(schema, all_texts(test["data"])[:1])
                accepted = answer.get("accepted", [None])[0]
                if accepted != test["valid"] and f"{name}: {test['data']}" not in NOT_WRITTEN:
                    wrong.append(f"{name}: {test['data']} should be {test['valid']}: {test['description']}")
    assert not wrong, "\n".join(wrong)
