"""``roomkey call``: a request with a credential's token, its answer on stdout, what became of it on stderr."""

import hashlib
import json
import socket
import threading

import pytest
from tests.support.leaks import LeakDetector

from roomkey.cli.exit_code import ExitCode
from roomkey.testing import ProtectedAPI


def test_the_body_goes_to_stdout_as_it_is_and_the_status_to_stderr(home, issuer, api, nothing_leaks):
    done = home.call("call", "orders", "GET", "/orders?page=2")
    assert done.returncode == 0
    assert json.loads(done.stdout)["path"] == "/orders"
    assert done.stderr.endswith("\n200 OK\n")
    (request,) = api.requests
    assert (request.method, request.query, request.had_token) == ("GET", (("page", "2"),), True)
    assert len(issuer.token_requests) == 1


@pytest.mark.slow
@pytest.mark.slow
def test_bytes_arrive_unchanged(home, api):
    body = bytes(range(256)) * 10
    api.answer_with(200, {"content-type": "image/png"}, body)
    with (home.folder / "picture").open("wb") as file:
        home.start("call", "orders", "GET", "/picture", stdout=file).wait(30)
    assert (home.folder / "picture").read_bytes() == body


@pytest.mark.parametrize("method", ["GET", "head", "Post", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"])
def test_every_method_is_sent_in_capitals(home, api, method):
    assert home.call("call", "orders", method, "/orders").returncode == 0
    assert api.requests[0].method == method.upper()


def sent(api) -> tuple[str, str]:
    request = api.requests[-1]
    return request.body_digest, dict(request.headers).get("content-type", "")


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


FORM, JSON = "application/x-www-form-urlencoded", "application/json"


@pytest.mark.parametrize(
    ("arguments", "stdin", "body", "kind"),
    [
        (["--data", "a=1&b=ä"], b"", "a=1&b=ä".encode(), FORM),
        (["--data", ""], b"", b"", FORM),
        (["--data", "@body"], b"", b"\x00\xff from a file", FORM),
        (["--data", "@-"], b"\x00\xff from stdin", b"\x00\xff from stdin", FORM),
        (["--data", "x", "-H", "Content-Type: text/plain"], b"", b"x", "text/plain"),
        (["--json", '{"a": 1}'], b"", b'{"a": 1}', JSON),
        (["--json", "@-"], b"[1, 2]", b"[1, 2]", JSON),
        (["--json", "1", "--header", "content-type: application/vnd.it+json"], b"", b"1", "application/vnd.it+json"),
    ],
)
def test_a_body_comes_from_the_arguments_a_file_or_standard_input(home, api, arguments, stdin, body, kind):
    (home.folder / "body").write_bytes(b"\x00\xff from a file")
    assert home.call("call", "orders", "POST", "/echo", *arguments, stdin=stdin).returncode == 0
    assert sent(api) == (digest(body), kind)


def test_without_a_body_none_is_sent_and_standard_input_is_not_read(home, api):
    home.call("call", "orders", "POST", "/echo", stdin=b"not asked for")
    assert sent(api) == (digest(b""), "")


def test_further_headers_are_sent(home, api):
    home.call(
        "call", "orders", "GET", "/orders", "-H", "X-Tenant: acme", "--header", "Accept:  text/csv ", "-H", "X-E:"
    )
    headers = dict(api.requests[0].headers)
    assert (headers["x-tenant"], headers["accept"], headers["x-e"]) == ("acme", "text/csv", "")


WRONG = [
    (["GE T", "/orders"], "METHOD must be one word such as GET."),
    (["", "/orders"], "METHOD must be one word such as GET."),
    (["GET", "https://evil.example/orders"], "PATH must be relative to the credential's base_url"),
    (["GET", "//evil.example/orders"], "PATH must be relative to the credential's base_url"),
    (["GET", "/a\x01b"], "PATH holds a character that no URL can hold."),
    (["GET", "/a\udcff"], "PATH holds a character that no URL can hold."),
    (["GET", "/" + "a" * 70_000], "PATH is longer than a URL can be."),
    (["POST", "/o", "--data", "a", "--json", "1"], "--data and --json exclude each other."),
    (["POST", "/o", "--json", "{a: 1}"], "--json does not hold valid JSON."),
    (["POST", "/o", "--json", "["], "--json does not hold valid JSON."),
    (["POST", "/o", "--data", "@missing"], "The file missing cannot be read: No such file or directory."),
    (["POST", "/o", "--data", "@."], "The file . cannot be read: Is a directory."),
    (["GET", "/o", "-H", "no colon"], "--header must look like 'Name: value', in ASCII."),
    (["GET", "/o", "-H", "two words: x"], "--header must look like 'Name: value', in ASCII."),
    (["GET", "/o", "-H", "X: a\r\nY: b"], "--header must look like 'Name: value', in ASCII."),
    (["GET", "/o", "-H", "X: ä"], "--header must look like 'Name: value', in ASCII."),
    (["GET", "/o", "-H", "authorization: Basic eA=="], "--header must not be Authorization"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG)
def test_an_impossible_request_is_reported_in_a_sentence_and_not_sent(home, api, arguments, words):
    done = home.call("call", "orders", *arguments)
    assert done.returncode == ExitCode.USAGE
    assert words in done.stderr
    assert done.stderr.endswith("   next: roomkey call --help\n")
    assert done.stdout == ""
    assert api.requests == []


def test_a_body_of_more_than_64_mib_is_refused(home, api):
    with (home.folder / "large").open("wb") as file:
        file.truncate(64 * 1024 * 1024 + 1)
    done = home.call("call", "orders", "POST", "/echo", "--data", "@large")
    assert (done.returncode, api.requests) == (ExitCode.USAGE, [])
    assert "The body is larger than 64 MiB." in done.stderr


def test_paths_cannot_leave_the_origin_of_base_url(home, issuer):
    with ProtectedAPI() as elsewhere:
        for path in (
            f"{elsewhere.url}/x",
            elsewhere.url.removeprefix("http:"),
            f"http:{elsewhere.url[5:]}",
            "/../../x",
        ):
            home.call("call", "orders", "GET", path)
        assert elsewhere.requests == []


def test_a_redirect_is_shown_and_not_followed(home, api, nothing_leaks):
    with ProtectedAPI() as elsewhere:
        done = home.call("call", "orders", "GET", f"/redirect?to={elsewhere.url}/x&status=302")
        assert f"302 Found  not followed: {elsewhere.url}/x" in done.stderr
        assert elsewhere.requests == []


def test_a_revoked_token_is_renewed_and_the_call_made_once_more(home, issuer, api, nothing_leaks):
    home.call("call", "orders", "GET", "/orders")
    issuer.revoke_all()
    done = home.call("call", "orders", "GET", "/orders")
    assert done.returncode == 0
    assert done.stderr == "200 OK  renewed, sent 2 times: token rejected\n"
    assert len(issuer.token_requests) == 2
    assert [request.status for request in api.requests] == [200, 401, 200]


def test_an_api_that_rejects_the_new_token_too_ends_with_code_4(home, issuer, api, nothing_leaks):
    api.reject_all = True
    done = home.call("call", "orders", "GET", "/orders")
    assert done.returncode == ExitCode.REJECTED
    assert json.loads(done.stdout) == {"error": "unauthorized"}
    assert "401 Unauthorized" in done.stderr
    assert "roomkey: The API rejected the token" in done.stderr
    assert done.stderr.endswith("   next: roomkey token orders shows its scope and claims.\n")
    assert len(api.requests) == 2


def test_a_scope_that_is_missing_ends_with_code_4_and_says_so(home, api, nothing_leaks):
    done = home.call("call", "orders", "GET", "/scoped/admin")
    assert done.returncode == ExitCode.REJECTED
    assert "The API rejected the token and nothing more was tried: insufficient scope." in done.stderr
    assert len(api.requests) == 1


def test_a_plain_403_ends_with_code_4(home, api, nothing_leaks):
    api.forbid = True
    done = home.call("call", "orders", "GET", "/orders")
    assert done.returncode == ExitCode.REJECTED
    assert "403 Forbidden" in done.stderr


@pytest.mark.parametrize(
    ("status", "words"), [(404, "404 Not Found"), (500, "500 Internal Server Error"), (599, "599")]
)
def test_another_error_ends_with_code_6_and_its_body(home, api, status, words):
    api.outage(status)
    done = home.call("call", "orders", "GET", "/orders")
    assert done.returncode == ExitCode.API_ERROR
    assert done.stdout == "out of order"
    assert done.stderr.endswith(f"{words}\n")


def test_an_api_that_does_not_listen_ends_with_code_7(home, api):
    api.unreachable()
    done = home.call("call", "orders", "GET", "/orders")
    assert done.returncode == ExitCode.UNREACHABLE
    assert f"The API at {api.url} sent no usable response: Connection refused." in done.stderr
    assert "next: check base_url, and that the API runs." in done.stderr
    api.recover()


def test_a_connection_that_breaks_ends_with_code_7_and_shows_nothing_of_the_request(home, api, nothing_leaks):
    api.drop(times=3)
    done = home.call("call", "orders", "GET", "/orders")
    assert done.returncode == ExitCode.UNREACHABLE
    assert "sent no usable response: the connection broke" in done.stderr


def test_what_is_no_http_ends_with_code_7(home, api, nothing_leaks):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"this is no HTTP\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        home.file.write_text(home.file.read_text().replace(api.url, f"http://127.0.0.1:{server.getsockname()[1]}"))
        done = home.call("call", "orders", "GET", "/orders")
    assert done.returncode == ExitCode.UNREACHABLE
    assert "the connection broke" in done.stderr


def test_without_a_token_nothing_is_sent(home, issuer, api):
    issuer.outage(503)
    done = home.call("call", "orders", "GET", "/orders")
    assert done.returncode == ExitCode.NO_TOKEN
    assert api.requests == []


def test_a_credential_without_base_url_cannot_call(home, api):
    home.file.write_text(home.file.read_text().replace("base_url", "# base_url"))
    done = home.call("call", "orders", "GET", "/orders")
    assert done.returncode == ExitCode.USAGE
    assert done.stderr == f"roomkey: {home.file}: [credentials.orders] base_url is needed to call an API; add it.\n"


def test_a_path_below_base_url_is_kept(home, api):
    home.file.write_text(home.file.read_text().replace(api.url, f"{api.url}/v1/"))
    for path in ("/orders", "orders"):
        home.call("call", "orders", "GET", path)
    assert [request.path for request in api.requests] == ["/v1/orders", "/v1/orders"]


def test_an_api_that_echoes_the_token_does_not_make_it_known(home, issuer, api, nothing_leaks):
    home.call("token", "orders")
    token = issuer.secret_values[-1]
    assert issuer.is_live(token)
    api.answer_with(200, {"content-type": "text/plain"}, f"you sent Bearer {token}!")
    assert home.call("call", "orders", "GET", "/echo").stdout == "you sent Bearer [the token]!"
    api.answer_with(302, {"location": f"/next?access_token={token}"})
    assert "/next?access_token=[the token]" in home.call("call", "orders", "GET", "/echo").stderr


@pytest.mark.slow
@pytest.mark.slow
def test_an_answer_cannot_steer_the_terminal(home, api):
    evil = "\x1b]0;evil\x07\u009b2J\u202etxt"
    for body in (json.dumps({"name": evil}, ensure_ascii=False), f"plain {evil}", json.dumps([evil])):
        api.answer_with(200, {"content-type": "text/plain; charset=utf-8"}, body)
        seen = home.terminal("call", "orders", "GET", "/orders", NO_COLOR="1").stdout
        for letter in ("\x1b]", "\x07", "\u009b", "\u202e"):
            assert letter not in seen
        assert "\\u009b2J" in seen


@pytest.mark.slow
@pytest.mark.slow
def test_on_a_terminal_json_is_laid_out_and_other_bytes_are_not_printed(home, api):
    api.answer_with(200, {}, {"name": "Zoë", "count": 3, "none": None})
    assert (
        '{\n  "name": "Zoë",\n  "count": 3,\n  "none": null\n}'
        in home.terminal("call", "orders", "GET", "/orders", NO_COLOR="1").stdout
    )
    api.answer_with(200, {}, b"\xff\x00\xff")
    seen = home.terminal("call", "orders", "GET", "/orders").stdout
    assert "The body is 3 bytes that are not text." in seen
    api.answer_with(200, {}, "{no json")
    assert "{no json" in home.terminal("call", "orders", "GET", "/orders").stdout


def test_an_answer_without_end_is_cut_off(home, api, monkeypatch):
    monkeypatch.setattr("roomkey.cli.print_response._LARGEST_RESPONSE", 1000)
    api.answer_with(200, {}, "x" * 2000)
    done = home.call("call", "orders", "GET", "/orders")
    assert done.returncode == ExitCode.API_ERROR
    assert "is not shown" in done.stderr
    assert done.stdout == ""


@pytest.mark.slow
@pytest.mark.slow
def test_every_secret_stays_out_of_what_is_printed_at_debug(home, issuer):
    done = home.run("call", "orders", "POST", "/echo", "--json", "1", HTTPX_LOG_LEVEL="trace", PYTHONDEVMODE="1")
    assert done.returncode == 0
    LeakDetector(issuer.secret_values).assert_clean(done.stdout, done.stderr)
