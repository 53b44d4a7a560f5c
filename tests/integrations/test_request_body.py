"""Bodies that are sent a second time: whole, from where they began, or not at all."""

import hashlib
import importlib
import io
import os

import anyio
import pytest

from roomkey.client.api_retry import RetryPolicy

CONTENT = bytes(range(256)) * 1000


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def revoked(orders, issuer):
    """The token in memory is revoked: the first attempt is answered 401."""
    orders.token()
    issuer.revoke_all()
    return orders


def bodies(api) -> list[tuple[int, str]]:
    return [(request.status, request.body_digest) for request in api.requests]


@pytest.mark.parametrize(
    "body",
    [
        {"content": CONTENT},
        {"content": "text"},
        {"content": b""},
        {"json": {"a": [1, 2]}},
        {"data": {"a": "1", "b": ["2", "3"]}},
    ],
    ids=["bytes", "text", "empty", "json", "form"],
)
def test_a_body_in_memory_is_sent_again_whole(sender, revoked, api, body):  # client 41
    response = sender.send(sender.BearerAuth(revoked), "POST", f"{api.url}/echo", **body)
    assert response.status_code == 200
    (first, first_body), (second, second_body) = bodies(api)
    assert (first, second) == (401, 200)
    assert first_body == second_body == digest(response.request.content)


def test_a_body_that_can_be_read_once_is_not_sent_again_but_its_token_is_dropped(
    sender, revoked, api, issuer
):  # client 41
    auth = sender.BearerAuth(revoked)
    response = sender.send(auth, "POST", f"{api.url}/echo", content=sender.generated(b"one", b"two"))
    assert response.status_code == 401
    assert response.extensions["roomkey"].reason == "body_cannot_be_sent_again"
    assert bodies(api) == [(401, digest(b"onetwo"))]
    again = sender.send(auth, "POST", f"{api.url}/echo", content=sender.generated(b"one", b"two"))
    assert (again.status_code, again.extensions["roomkey"].attempts) == (200, 1)
    assert len(issuer.token_requests) == 2


def test_an_iterator_that_is_no_generator_is_not_sent_again_empty(sync_sender, revoked, api):  # client 41
    response = sync_sender.send(sync_sender.BearerAuth(revoked), "POST", f"{api.url}/echo", content=iter([b"a", b"b"]))
    assert response.status_code == 401
    assert bodies(api) == [(401, digest(b"ab"))]


def test_an_iterable_of_unknown_make_is_not_sent_again(sync_sender, revoked, api):  # client 41
    class Once:
        def __init__(self):
            self.pieces = [b"a", b"b"]

        def __iter__(self):
            while self.pieces:
                yield self.pieces.pop(0)

    response = sync_sender.send(sync_sender.BearerAuth(revoked), "POST", f"{api.url}/echo", content=Once())
    assert response.status_code == 401
    assert len(api.requests) == 1


def test_a_list_of_pieces_is_sent_again(sync_sender, revoked, api):  # client 41
    response = sync_sender.send(sync_sender.BearerAuth(revoked), "POST", f"{api.url}/echo", content=[b"a", b"b"])
    assert response.status_code == 200
    assert bodies(api) == [(401, digest(b"ab")), (200, digest(b"ab"))]


@pytest.mark.parametrize("offset", [0, 1000])
def test_a_file_is_sent_again_from_where_it_stood(sync_sender, revoked, api, tmp_path, offset):  # client 41
    path = tmp_path / "upload"
    path.write_bytes(CONTENT)
    length = {"Content-Length": str(len(CONTENT) - offset)}
    with path.open("rb") as file:
        file.seek(offset)
        response = sync_sender.send(
            sync_sender.BearerAuth(revoked), "PUT", f"{api.url}/echo", content=file, headers=length
        )
    assert response.status_code == 200
    assert bodies(api) == [(401, digest(CONTENT[offset:])), (200, digest(CONTENT[offset:]))]


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
@pytest.mark.parametrize("library", ["httpx2", "httpx"])
def test_a_file_that_is_read_by_awaiting_is_not_sent_again_empty(library, loop, revoked, api, tmp_path):  # client 41
    path = tmp_path / "upload"
    path.write_bytes(b"once")
    client_library = importlib.import_module(library)
    auth = importlib.import_module(f"roomkey.integrations.{library}").BearerAuth(revoked)

    async def main():
        async with (
            client_library.AsyncClient(auth=auth, trust_env=False) as client,
            await anyio.open_file(path, "rb") as file,
        ):
            return await client.post(f"{api.url}/echo", content=file)

    response = anyio.run(main, backend=loop)
    assert (response.status_code, response.extensions["roomkey"].reason) == (401, "body_cannot_be_sent_again")
    assert bodies(api) == [(401, digest(b"once"))]


def test_a_pipe_is_not_sent_again(sync_sender, revoked, api):  # client 41
    reading, writing = os.pipe()
    os.write(writing, b"once")
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        response = sync_sender.send(
            sync_sender.BearerAuth(revoked), "POST", f"{api.url}/echo", content=pipe, headers={"Content-Length": "4"}
        )
    assert response.status_code == 401
    assert bodies(api) == [(401, digest(b"once"))]


class ClosedBehindOurBack(io.BytesIO):
    """Seekable when it is looked at, not any more when it matters."""

    gone = False

    def read(self, size=-1):
        piece = super().read(size)
        self.gone = self.gone or not piece
        return piece

    def seek(self, offset, whence=0):
        if self.gone:
            raise ValueError("seek of closed file")
        return super().seek(offset, whence)


def test_a_file_that_cannot_go_back_any_more_is_not_sent_again(sync_sender, revoked, api, issuer):  # client 41
    file = ClosedBehindOurBack(b"once")
    response = sync_sender.send(sync_sender.BearerAuth(revoked), "POST", f"{api.url}/echo", content=file)
    assert response.status_code == 401
    assert response.extensions["roomkey"].reason == "body_cannot_be_sent_again"
    assert bodies(api) == [(401, digest(b"once"))]
    assert revoked.header()
    assert len(issuer.token_requests) == 2


class OnlyPretends(io.BytesIO):
    """Some wrappers of network streams have a seek that does nothing, and say so only when they are asked."""

    def seekable(self) -> bool:
        return False

    def seek(self, offset, whence=0):
        return offset


def test_a_file_that_only_pretends_to_go_back_is_not_sent_again_empty(sync_sender, revoked, api):  # client 41
    body = {"content": OnlyPretends(b"once"), "headers": {"Content-Length": "4"}}
    response = sync_sender.send(sync_sender.BearerAuth(revoked), "POST", f"{api.url}/echo", **body)
    assert response.status_code == 401
    assert bodies(api) == [(401, digest(b"once"))]


def test_a_body_that_a_hook_puts_in_place_of_another_is_not_sent_again(sync_sender, revoked, api):  # client 41
    class Other(sync_sender.library.SyncByteStream):
        def __iter__(self):
            yield b"other"

    def compress(request) -> None:
        request.stream = Other()

    response = sync_sender.send(
        sync_sender.BearerAuth(revoked),
        "POST",
        f"{api.url}/echo",
        content=b"five!",
        client={"event_hooks": {"request": [compress]}},
    )
    assert response.status_code == 401
    assert bodies(api) == [(401, digest(b"other"))]


def test_multipart_with_files_is_sent_again_whole(sender, revoked, api, tmp_path):  # client 41
    path = tmp_path / "upload"
    path.write_bytes(CONTENT)
    with path.open("rb") as file:
        response = sender.send(
            sender.BearerAuth(revoked),
            "POST",
            f"{api.url}/echo",
            files={"one": file, "two": ("two.txt", b"bytes"), "three": io.BytesIO(b"memory")},
            data={"field": "value"},
        )
    assert response.status_code == 200
    (first, first_body), (second, second_body) = bodies(api)
    assert (first, second) == (401, 200)
    assert first_body == second_body
    assert api.requests[0].body_length > len(CONTENT)


class Unseekable(io.BytesIO):
    def seekable(self) -> bool:
        return False

    def seek(self, offset, whence=0):
        raise io.UnsupportedOperation("seek")


def test_multipart_with_one_unseekable_file_is_not_sent_again(sender, revoked, api):  # client 41
    response = sender.send(
        sender.BearerAuth(revoked),
        "POST",
        f"{api.url}/echo",
        files={"one": io.BytesIO(b"memory"), "two": ("pipe", Unseekable(b"once"))},
    )
    assert response.status_code == 401
    assert len(api.requests) == 1


def test_a_stream_of_the_users_own_is_not_sent_again(sync_sender, revoked, api):  # client 41
    class Own(sync_sender.library.SyncByteStream):
        def __iter__(self):
            yield b"own"

    library = sync_sender.library
    request = library.Request(
        "POST", f"{api.url}/echo", headers={"Host": "x", "Transfer-Encoding": "chunked"}, stream=Own()
    )
    with library.Client(auth=sync_sender.BearerAuth(revoked), trust_env=False) as client:
        assert client.send(request).status_code == 401
    assert bodies(api) == [(401, digest(b"own"))]


def test_a_body_that_a_hook_has_read_can_be_sent_again(sync_sender, revoked, api):  # client 41
    hooks = {"event_hooks": {"request": [lambda request: request.read()]}}
    response = sync_sender.send(
        sync_sender.BearerAuth(revoked), "POST", f"{api.url}/echo", content=(b for b in [b"a", b"b"]), client=hooks
    )
    assert response.status_code == 200
    assert bodies(api) == [(401, digest(b"ab")), (200, digest(b"ab"))]


def test_a_method_that_must_not_be_repeated_is_not(sender, revoked, api):
    auth = sender.BearerAuth(revoked, retry=RetryPolicy(methods={"GET"}))
    response = sender.send(auth, "POST", f"{api.url}/echo", content=b"x")
    assert (response.status_code, response.extensions["roomkey"].reason) == (401, "method_is_not_sent_again")
    assert len(api.requests) == 1
    assert sender.send(auth, "POST", f"{api.url}/echo", content=b"x").status_code == 200
