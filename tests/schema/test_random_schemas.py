"""Random schemas against an independent validator: what a random walk through the grammar writes must validate,
and random instances must be reachable exactly if they validate."""

import json
import random
import re

import jsonschema

from json_text import all_texts

NAMES = ["a", "b", "ab", "c"]
# The validator reads numbers as doubles; grammars compare all digits.
LONG_NUMBER = re.compile(r"[0-9.]{16}")


def random_schema(rng, depth):
    kind = rng.randrange(16 if depth > 0 else 8)
    if kind == 0:
        return rng.choice([True, {}])
    if kind == 1:
        return {"type": rng.sample(["null", "boolean", "integer", "number", "string"], rng.randint(1, 3))}
    if kind == 2:
        schema = {"type": rng.choice(["integer", "number"])}
        low = rng.choice([-7, -1, 0, 2, 2.5])
        if rng.random() < 0.7:
            schema[rng.choice(["minimum", "exclusiveMinimum"])] = low
        if rng.random() < 0.7:
            schema[rng.choice(["maximum", "exclusiveMaximum"])] = low + rng.choice([3, 10, 95.5])
        if rng.random() < 0.3:
            schema["multipleOf"] = rng.choice([1, 2, 3, 0.5])
        return schema
    if kind == 3:
        schema = {"type": "string"}
        if rng.random() < 0.6:
            schema["minLength"] = rng.randint(0, 2)
        if rng.random() < 0.6:
            schema["maxLength"] = rng.randint(2, 4)
        if rng.random() < 0.4:
            schema["pattern"] = rng.choice(["^a", "b$", "^[ab]*$", "a.b|c", "[0-9]"])
        return schema
    if kind in (4, 5):
        values = [None, True, False, 0, 1, -1, 2.5, "", "a", "ab", "b", [], [1], {"a": 1}, {}]
        return {"enum": rng.sample(values, rng.randint(1, 5))}
    if kind == 6:
        return {"const": rng.choice([None, 0, "a", [1, "a"], {"a": None}])}
    if kind == 7:
        return {"type": rng.choice(["array", "object", "boolean"])}
    children = lambda low, high: [random_schema(rng, depth - 1) for _ in range(rng.randint(low, high))]
    if kind in (8, 9):
        schema = {"type": "object", "properties": dict(zip(rng.sample(NAMES, 3), children(1, 3)))}
        if rng.random() < 0.6:
            schema["required"] = rng.sample(NAMES, rng.randint(0, 2))
        if rng.random() < 0.6:
            schema["additionalProperties"] = rng.choice([False, random_schema(rng, depth - 1)])
        if rng.random() < 0.2:
            schema["patternProperties"] = {rng.choice(["^a", "b$"]): random_schema(rng, depth - 1)}
        if rng.random() < 0.2:
            schema["maxProperties"] = rng.randint(1, 3)
        if rng.random() < 0.2:
            schema["minProperties"] = rng.randint(0, 2)
        if rng.random() < 0.2:
            schema["dependentRequired"] = {rng.choice(NAMES): rng.sample(NAMES, 1)}
        return schema | unevaluated(rng, depth, "unevaluatedProperties")
    if kind == 10:
        schema = {"type": "array", "items": random_schema(rng, depth - 1)}
        if rng.random() < 0.4:
            schema["prefixItems"] = children(1, 2)
        if rng.random() < 0.4:
            schema["minItems"] = rng.randint(0, 2)
        if rng.random() < 0.4:
            schema["maxItems"] = rng.randint(2, 3)
        if rng.random() < 0.2:
            del schema["items"]
        return schema | unevaluated(rng, depth, "unevaluatedItems")
    if kind == 11:
        return {"anyOf": children(1, 3)} | unevaluated(
            rng, depth, rng.choice(["unevaluatedProperties", "unevaluatedItems"]))
    if kind == 12:
        return {rng.choice(["allOf", "oneOf"]): children(1, 2)}
    if kind == 13:
        return counted_array(rng, depth)
    return {"not": random_schema(rng, 0)} if rng.random() < 0.5 else {
        "if": random_schema(rng, 0), "then": random_schema(rng, depth - 1), "else": random_schema(rng, depth - 1)}


def unevaluated(rng, depth, keyword):
    return {keyword: rng.choice([False, random_schema(rng, depth - 1)])} if rng.random() < 0.2 else {}


def counted_array(rng, depth):
    schema = {"type": "array"}
    if rng.random() < 0.5:
        schema["items"] = random_schema(rng, 0)
    if rng.random() < 0.4:
        schema["uniqueItems"] = True
    else:
        schema["contains"] = random_schema(rng, depth - 1)
    if rng.random() < 0.3:
        schema["minContains"] = rng.randint(0, 2)
    if rng.random() < 0.4:
        schema["maxContains"] = rng.randint(0, 2)
    if rng.random() < 0.3:
        schema["maxItems"] = rng.randint(1, 3)
    if rng.random() < 0.3:
        schema["minItems"] = rng.randint(1, 2)
    return schema


def random_value(rng, depth):
    kind = rng.randrange(8 if depth > 0 else 6)
    if kind == 0:
        return rng.choice([None, True, False])
    if kind == 1:
        return rng.randint(-8, 12)
    if kind == 2:
        return rng.choice([0.5, 2.5, -1.25, 3.75])
    if kind < 6:
        return "".join(rng.choice("ab0c") for _ in range(rng.randint(0, 4)))
    if kind == 6:
        return [random_value(rng, depth - 1) for _ in range(rng.randint(0, 3))]
    return {name: random_value(rng, depth - 1) for name in rng.sample(NAMES, rng.randint(0, 3))}


def test_random_schemas(check):
    num_compiled = num_valid = num_walked = 0
    for seed in range(400):
        rng = random.Random(seed)
        schema = random_schema(rng, 2)
        validator = jsonschema.Draft202012Validator(schema)
        values = [random_value(rng, 2) for _ in range(40)]
        texts = [all_texts(value)[rng.randrange(len(all_texts(value)))] for value in values]
        answer = check.ask(schema, texts, walk=4)
        if "error" in answer:
            satisfied = [value for value in values if validator.is_valid(value)]
            if "nothing satisfies" in answer["error"]:
                assert not satisfied, (schema, satisfied)
            else:
                assert "not supported" in answer["error"], (schema, answer)
            continue
        num_compiled += 1
        assert answer["stuck"] is None, (schema, answer["stuck"])
        for value, text, accepted in zip(values, texts, answer["accepted"]):
            assert accepted == validator.is_valid(value), (seed, schema, text, accepted)
            num_valid += accepted
        for text in answer["walked"]:
            if LONG_NUMBER.search(text):
                continue
            num_walked += 1
            assert validator.is_valid(json.loads(text)), (seed, schema, text)
    assert num_compiled > 300 and num_valid > 1000 and num_walked > 300, (num_compiled, num_valid, num_walked)
