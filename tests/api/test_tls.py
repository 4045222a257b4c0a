"""https with a certificate of our own."""

import http.client
import ssl
import subprocess

import openai
import pytest
import requests

from conftest import MODEL_NAME, Server


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
                    "-keyout", folder / "key.pem", "-out", folder / "certificate.pem"], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def secure(model_path, files):
    running = Server(model_path, "--tls-cert", str(files / "certificate.pem"), "--tls-key", str(files / "key.pem"),
                     context=768)
    yield running
    assert running.stop() == 0


def test_openai_client_over_https(secure, files):
    assert secure.url.startswith("https://")
    context = ssl.create_default_context(cafile=str(files / "certificate.pem"))
    client = openai.OpenAI(base_url=secure.url + "/v1", api_key="none", max_retries=0,
                           http_client=openai.DefaultHttpxClient(verify=context))
    chunks = list(client.chat.completions.create(model=MODEL_NAME, stream=True, max_tokens=5, seed=1,
                                                 messages=[{"role": "user", "content": "Hi"}]))
    assert chunks[-1].choices[0].finish_reason in ("stop", "length")


def test_plain_http_and_strangers_are_refused(secure):
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(secure.url + "/health", timeout=10)
    with pytest.raises((requests.exceptions.ConnectionError, http.client.HTTPException)):
        requests.get(secure.url.replace("https", "http") + "/health", timeout=10)


def test_old_protocols_are_refused(secure):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    host, port = secure.url.removeprefix("https://").split(":")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=10)
        connection.request("GET", "/health")
