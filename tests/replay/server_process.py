"""`mimo serve` as a child process, with nothing but the standard library."""

import http.client
import json
import re
import signal
import subprocess
import threading
import time


class Server:
    """A running server; what it writes to stderr is in `log`."""

    def __init__(self, program, model, *flags, environment=None):
        command = [str(program), "serve", "--model", str(model), "--port", "0", *map(str, flags)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
                                        env=environment)
        self.log = []
        self.address = None
        self.ready = threading.Event()
        threading.Thread(target=self._read_log, daemon=True).start()
        if not self.ready.wait(120) or self.address is None:
            self.process.kill()
            raise RuntimeError("the server did not start:\n" + "".join(self.log))

    def _read_log(self):
        for line in self.process.stderr:
            self.log.append(line)
            found = re.search(r"serving .* on http://([^\s\"]+)", line)
            if found:
                self.address = found.group(1)
                self.ready.set()
        self.ready.set()

    def post(self, path, body):
        connection = http.client.HTTPConnection(self.address, timeout=300)
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        text = response.read()
        connection.close()
        if response.status != 200:
            raise RuntimeError(f"{path}: {response.status} {text!r}")
        return json.loads(text)

    def seconds_to_first_token(self, path, body):
        """From the request's first byte to the first event with text, and the usage of the last one."""
        connection = http.client.HTTPConnection(self.address, timeout=300)
        connection.connect()
        payload = json.dumps({**body, "stream": True, "stream_options": {"include_usage": True}})
        begin = time.perf_counter()
        connection.request("POST", path, payload, {"Content-Type": "application/json"})
        response = connection.getresponse()
        if response.status != 200:
            raise RuntimeError(f"{path}: {response.status} {response.read()!r}")
        seconds = None
        usage = None
        for line in response:
            if not line.startswith(b"data: {"):
                continue
            if seconds is None:
                seconds = time.perf_counter() - begin
            usage = json.loads(line[6:]).get("usage") or usage
        connection.close()
        return seconds, usage

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop(signal.SIGKILL)

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(timeout=120)
