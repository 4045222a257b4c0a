"""A streaming client that measures: no library stands between it and the bytes."""

import asyncio
import dataclasses
import json
import socket

TIMEOUT = 120  # seconds in which this program runs


class Cancelled(Exception):
    """The client hung up, as it was told to; `text` is what it had got."""

    def __init__(self, text):
        super().__init__(text)
        self.text = text


async def within_timeout(work):
    """The result of `work`. Where the whole machine stands still, so does the server, and no time has passed for it."""
    task = asyncio.ensure_future(work)
    try:
        for _ in range(TIMEOUT):
            if (await asyncio.wait({task}, timeout=1))[0]:
                return task.result()
        raise asyncio.TimeoutError
    finally:
        task.cancel()


@dataclasses.dataclass
class Reply:
    status: int
    text: str = ""
    is_complete: bool = False  # [DONE] came
    completion_tokens: int = 0
    prompt_tokens: int = 0


class Client:
    """One client; a connection is used again until it breaks."""

    def __init__(self, port, key):
        self.port = port
        self.key = key
        self.reader = None
        self.writer = None

    def close(self):
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None

    async def _connect(self, is_slow=False):
        if self.writer is not None and not is_slow:
            return
        self.close()
        connection = socket.socket()
        if is_slow:  # so that the server has to wait for this reader
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", self.port))
        self.reader, self.writer = await asyncio.open_connection(sock=connection, limit=4096 if is_slow else 1 << 20)

    async def send_raw(self, data, wait):
        """Sends bytes on a new connection; the status of the answer, or None when none comes in `wait` seconds."""
        self.close()
        await self._connect()
        self.writer.write(data)
        try:
            line = await asyncio.wait_for(self.reader.readline(), wait)
        except asyncio.TimeoutError:
            line = b""
        self.close()
        return int(line.split()[1]) if line.startswith(b"HTTP/1.1 ") else None

    async def stream(self, request, on_tokens, stop_after=None, is_slow=False):
        """Asks and reads the stream. `on_tokens(n)` is awaited for every event with n tokens. Hangs up after
        `stop_after` tokens."""
        await self._connect(is_slow)
        body = json.dumps(request).encode()
        self.writer.write(f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.key}\r\n"
                          f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        if stop_after == 0:  # perhaps it waits, perhaps its prompt is being computed
            await asyncio.sleep(0.02)
            self.close()
            raise Cancelled("")
        reply = Reply(status=0)
        try:
            await within_timeout(self._read(reply, on_tokens, stop_after))
        except BaseException:
            self.close()
            raise
        if is_slow:
            self.close()
        return reply

    async def _read(self, reply, on_tokens, stop_after):
        head = await self.reader.readuntil(b"\r\n\r\n")
        reply.status = int(head.split()[1])
        headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
        if b"content-length" in headers:
            reply.text = (await self.reader.readexactly(int(headers[b"content-length"]))).decode()
            return
        num_tokens = 0
        pending = b""
        while chunk := await self._read_chunk():
            *events, pending = (pending + chunk).split(b"\n\n")
            for event in events:
                num_tokens += await self._take(event, reply, on_tokens)
            if stop_after is not None and num_tokens >= stop_after:
                self.close()
                raise Cancelled(reply.text)

    async def _read_chunk(self):
        size = int(await self.reader.readuntil(b"\r\n"), 16)
        return (await self.reader.readexactly(size + 2))[:size]

    @staticmethod
    async def _take(event, reply, on_tokens):
        """Adds an event to the reply; how many tokens were in it."""
        if not event.startswith(b"data: "):
            return 0  # a comment
        if event == b"data: [DONE]":
            reply.is_complete = True
            return 0
        data = json.loads(event[6:])
        if "error" in data:
            raise ValueError(f"an error in a stream: {data['error']}")
        if data.get("usage"):
            reply.completion_tokens = data["usage"]["completion_tokens"]
            reply.prompt_tokens = data["usage"]["prompt_tokens"]
        count = 0
        for choice in data["choices"]:
            delta = choice["delta"]
            reply.text += (delta.get("reasoning_content") or "") + (delta.get("content") or "")
            count += len((choice.get("logprobs") or {}).get("content") or [])
        if count > 0:
            await on_tokens(count)
        return count
