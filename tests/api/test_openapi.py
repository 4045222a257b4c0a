"""/openapi.json: valid, and true of what the server answers."""

import jsonschema
import openapi_spec_validator
import pytest
import requests

# A request for every operation that works on any model; others are described by the tests of their clients.
CHAT = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}
CALLS = [
    ("get", "/", None, 200),
    ("get", "/health", None, 200),
    ("get", "/status", None, 200),
    ("get", "/metrics", None, 200),
    ("get", "/openapi.json", None, 200),
    ("get", "/v1/usage", None, 200),
    ("get", "/v1/usage?from=never", None, 400),
    ("get", "/v1/models", None, 200),
    ("get", "/v1/models/mimo-v2-flash", None, 200),
    ("get", "/v1/models/nothing", None, 404),
    ("post", "/v1/chat/completions", CHAT, 200),
    ("post", "/v1/chat/completions", CHAT | {"temperature": "hot"}, 400),
    ("post", "/v1/chat/completions", CHAT | {"model": "nothing"}, 404),
    ("post", "/tokenize", {"content": "a b"}, 200),
    ("post", "/tokenize", {}, 400),
    ("post", "/detokenize", {"tokens": [65, 66]}, 200),
    ("get", "/home", None, 200),
]


@pytest.fixture(scope="module")
def document(server):
    return requests.get(server.url + "/openapi.json", timeout=10).json()


def resolve(document, node):
    while "$ref" in node:
        target = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def template_of(document, path):
    path = path.split("?")[0]
    return path if path in document["paths"] else path.rsplit("/", 1)[0] + "/{id}"


def test_the_document_is_valid(document):
    openapi_spec_validator.validate(document)


@pytest.mark.parametrize("method,path,body,status", CALLS)
def test_replies_are_as_described(server, document, method, path, body, status):
    reply = requests.request(method, server.url + path, json=body, timeout=60)

    assert reply.status_code == status
    operation = document["paths"][template_of(document, path)][method]
    described = resolve(document, operation["responses"][str(status)])
    media_type = reply.headers["content-type"].split(";")[0]
    assert media_type in described["content"]
    schema = described["content"][media_type]["schema"]
    if media_type == "application/json":
        jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(reply.json())


def test_every_operation_answers_as_it_says(server, document):
    """Without a body, with a wrong one, and with the wrong method: never a status that is not described."""
    for path, operations in document["paths"].items():
        url = server.url + path.replace("{id}", "x").replace("{file}", "x")
        assert requests.options(url, timeout=10).status_code == 204, path
        for method, operation in operations.items():
            if method == "parameters":
                continue
            for body in (b"", b"[]", b"{", b'{"messages": 1, "content": 2, "tokens": 3, "home": 4}'):
                reply = requests.request(method, url, data=body if method == "post" else None, timeout=60)
                assert str(reply.status_code) in operation["responses"], (path, method, body, reply.text)
        assert requests.put(url, timeout=10).status_code == 405, path
