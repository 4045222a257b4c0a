"""The server under load: started with keys, watched and stopped."""

import hashlib
import json
import pathlib
import re
import signal
import subprocess
import time
import urllib.request

# Large enough that a step takes several milliseconds, small enough to be made in seconds.
SYNTH_KEYS = {
    "num_hidden_layers": 6,
    "hidden_size": 384,
    "intermediate_size": 1024,
    "moe_intermediate_size": 192,
    "n_routed_experts": 16,
    "num_experts_per_tok": 4,
    "num_attention_heads": 8,
    "swa_num_attention_heads": 8,
    "num_key_value_heads": 2,
    "swa_num_key_value_heads": 2,
    "vocab_size": 2048,
}


def make_model(program, folder):
    path = folder / "model.gguf"
    if not path.exists():
        sets = [part for key, value in SYNTH_KEYS.items() for part in ("--set", f"{key}={value}")]
        subprocess.run([program, "synth", "--like", "flash", *sets, "--type", "q8_0", "--seed", "1", str(path)],
                       check=True)
    return path


class Server:
    def __init__(self, program, folder, model, keys, flags):
        keys_path = folder / "keys"
        lines = [f"{name} {hashlib.sha256(key.encode()).hexdigest()} admin\n" for name, key in keys.items()]
        keys_path.write_text("".join(lines))
        self.log_path = folder / "server.log"
        self.log = open(self.log_path, "w")
        self.process = subprocess.Popen([program, "serve", "--model", str(model), "--port", "0", "--log-level",
                                         "info", "--api-keys", str(keys_path), *flags], stderr=self.log)
        self.port = int(self._wait_for(r"serving .* on http://\S+?:(\d+)"))

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        self.log.close()
        assert kind is not None or code == 0, f"the server ended with {code}"

    def _wait_for(self, pattern, seconds=120):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            text = self.log_path.read_text()
            if found := re.search(pattern, text):
                return found.group(1)
            assert self.process.poll() is None, f"the server ended early:\n{text}"
            time.sleep(0.05)
        raise AssertionError(f"the server did not start in {seconds} s:\n{text}")

    def resident_bytes(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(re.search(r"VmRSS:\s+(\d+)", status).group(1))

    def status(self, key):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/status",
                                         headers={"Authorization": f"Bearer {key}"})
        return json.load(urllib.request.urlopen(request, timeout=10))

    def wait_until_idle(self, key, seconds=15):
        """Nothing may be left of requests whose clients have gone."""
        deadline = time.monotonic() + seconds
        while True:
            status = self.status(key)
            left = {name: status[name] for name in ("requests_running", "requests_waiting", "kv_blocks_used")}
            if not any(left.values()):
                return
            assert time.monotonic() < deadline, f"still there without clients: {left}"
            time.sleep(0.1)
