"""Who may use a server: tokens, cookies, pages elsewhere, names that are not its own."""

import asyncio

import pytest
import websockets
from websockets.sync.client import connect

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.serve import app, serve
from deepspeech_recipe.serve.access import COOKIE
from deepspeech_recipe.serve.server import read_token
from tests.support.bundled import FOLDER, bundled_batches
from tests.support.serving import served
from tests.support.web import ask, form, transcription

pytestmark = pytest.mark.anywhere

WAV = sorted((FOLDER / "recordings").glob("*.wav"))[0].read_bytes()
TOKEN = "swordfish-0123456789"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def guarded():
    with served(bundled_batches(), max_streams=2, token=TOKEN, origins=["https://speech.example"]) as address:
        yield address


@pytest.fixture(scope="module")
def opened():
    with served(bundled_batches(), max_streams=2, origins=["https://speech.example"]) as address:
        yield address


def log_in(base: str, token: str, **headers):
    body, kind = form({"token": token})
    return ask(base, "login", "POST", body, {"Content-Type": kind, **headers})


def upgraded(base: str, **headers) -> int:
    """The status of a WebSocket's handshake."""
    try:
        with connect(base.replace("http", "ws") + "v1/stream", additional_headers=headers) as connection:
            connection.recv()
            return 101
    except websockets.InvalidStatus as refused:
        return refused.response.status_code


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer other"}, {"Authorization": TOKEN}, {"Cookie": f"{COOKIE}=x"}]
)
def test_without_the_token_nothing_but_health_and_the_form(guarded, headers):
    for path in ("v1/models", "metrics", "nothing"):
        found = ask(guarded, path, headers=headers)
        assert (found.status, found.json["error"]["code"]) == (401, "invalid_api_key")
    assert transcription(guarded, WAV, headers=headers).status == 401
    assert upgraded(guarded, **headers) == 403
    assert ask(guarded, "health", headers=headers).status == 200
    page = ask(guarded, "", headers=headers)
    assert (page.status, b'name="token"' in page.body) == (401, True)


def test_with_the_token_everything(guarded):
    assert ask(guarded, "v1/models", headers=BEARER).status == 200
    assert transcription(guarded, WAV, headers=BEARER).json["text"]
    assert upgraded(guarded, **BEARER) == 101
    assert b'name="token"' not in ask(guarded, "", headers=BEARER).body


def test_the_form_gives_a_cookie_that_does_not_hold_the_token(guarded):
    wrong = log_in(guarded, "other")
    assert (wrong.status, wrong.headers["location"], "set-cookie" in wrong.headers) == (303, "./#wrong", False)
    right = log_in(guarded, TOKEN)
    assert (right.status, right.headers["location"]) == (303, "./")
    cookie = right.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict"} <= {part.strip() for part in cookie.split(";")}
    assert TOKEN not in cookie
    headers = {"Cookie": cookie.split(";")[0]}
    assert ask(guarded, "v1/models", headers=headers).status == 200
    assert upgraded(guarded, **headers) == 101
    assert b'name="token"' not in ask(guarded, "", headers=headers).body


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", "http://127.0.0.1:1"])
def test_another_page_may_not_use_it_even_with_the_cookie(guarded, origin):
    headers = {"Cookie": log_in(guarded, TOKEN).headers["set-cookie"].split(";")[0], "Origin": origin}
    assert upgraded(guarded, **headers) == 403
    found = transcription(guarded, WAV, headers=headers)
    assert (found.status, found.json["error"]["code"]) == (403, "origin")
    assert "access-control-allow-origin" not in found.headers


def test_its_own_page_and_those_that_it_knows_may(guarded):
    for origin in (guarded.rstrip("/"), "https://speech.example"):
        assert upgraded(guarded, **BEARER, Origin=origin) == 101
        assert ask(guarded, "v1/models", headers={**BEARER, "Origin": origin}).status == 200
    asked = {"Origin": "https://speech.example", "Access-Control-Request-Method": "GET"}
    found = ask(guarded, "v1/models", headers={**BEARER, "Origin": "https://speech.example"})
    assert found.headers["access-control-allow-origin"] == "https://speech.example"
    assert ask(guarded, "v1/models", "OPTIONS", headers={**asked, **BEARER}).status == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "[::1"])
def test_without_a_token_it_does_not_go_by_a_name_that_somebody_may_have_pointed_here(opened, host):
    """DNS rebinding: the browser takes such a page for the server's own."""
    found = ask(opened, "v1/models", headers={"Host": host, "Origin": f"http://{host}"})
    assert found.status == 421
    assert "--origin" in found.message


@pytest.mark.parametrize(
    "host", ["localhost:8000", "127.0.0.1", "[::1]:80", "box", "192.168.1.7:8000", "speech.example"]
)
def test_addresses_names_without_a_dot_and_those_it_was_told_are_its_own(opened, host):
    assert ask(opened, "v1/models", headers={"Host": host}).status == 200


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"host": "0.0.0.0"}, "--host 0.0.0.0 lets other machines in: give a token with --token-file"),
        (
            {"host": "0.0.0.0", "wyoming_port": 10300, "token_file": "token"},
            "without a token, for the protocol has none",
        ),
        ({"token_file": "nothing"}, "nothing: cannot be read"),
        ({"ssl_certfile": "token"}, "token: cannot be used for TLS"),
        ({"port": 1 << 16}, "127.0.0.1, port 65536: cannot be listened on"),
    ],
)
def test_what_does_not_begin(options, reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "token").write_text(TOKEN)
    with pytest.raises(RecipeError, match=reason):
        serve(bundled_batches(), **options)


def test_a_token_file(tmp_path):
    path = tmp_path / "token"
    path.write_text(f"  {TOKEN}\n")
    assert read_token(path) == TOKEN
    for content in (b"", b" \n", b"two\nlines", "schlüssel".encode(), b"\0"):
        path.write_bytes(content)
        with pytest.raises(RecipeError, match="holds no token"):
            read_token(path)


def test_an_answer_that_is_not_read_is_given_up(caplog):
    caplog.set_level("WARNING", "deepspeech_recipe")  # whatever Model Optimizer has set
    application = app(bundled_batches(), max_streams=1, idle=0.1)

    async def receive() -> dict:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict) -> None:
        await asyncio.Event().wait()

    scope = {"type": "http", "method": "GET", "path": "/health", "query_string": b"", "scheme": "http"}
    scope["headers"] = [(b"host", b"x")]
    asyncio.run(asyncio.wait_for(application(scope, receive, send), 10))
    assert "/health: does not read its answer" in caplog.text
