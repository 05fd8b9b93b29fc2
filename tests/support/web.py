"""Requests to a server of this machine, with nothing but Python's own library."""

import http.client
import json
import uuid
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """status: of HTTP; headers: by names in small letters; body: as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def message(self) -> str:
        """Of an error in OpenAI's form, which must be whole."""
        error = self.json["error"]
        assert {*error} == {"message", "type", "param", "code"}
        return error["message"]


def ask(base: str, path: str, method: str = "GET", body: bytes | None = None, headers=()) -> Answer:
    """base: an address with / at its end; path: without one at its beginning."""
    address = urlsplit(base)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
    try:
        connection.request(method, address.path + path, body, dict(headers))
        found = connection.getresponse()
        return Answer(found.status, {name.lower(): value for name, value in found.getheaders()}, found.read())
    finally:
        connection.close()


def form(fields=(), file: bytes | None = None, filename: str = "talk.wav") -> tuple[bytes, str]:
    """(body, content type) of a form as browsers send it. fields: (name, value), or a dictionary of them."""
    mark = uuid.uuid4().hex
    parts = [
        f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in (fields.items() if isinstance(fields, dict) else fields)
    ]
    if file is not None:
        head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n'
        parts.append(f"{head}Content-Type: audio/wav\r\n\r\n".encode() + file + b"\r\n")
    return b"".join([*parts, f"--{mark}--\r\n".encode()]), f"multipart/form-data; boundary={mark}"


def transcription(base: str, file: bytes | None, fields=(), headers=(), filename: str = "talk.wav") -> Answer:
    body, kind = form(fields, file, filename)
    headers = {"Content-Type": kind, **dict(headers)}
    return ask(base, "v1/audio/transcriptions", "POST", body, headers)
