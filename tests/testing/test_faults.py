import threading
import time

import httpx2
import pytest

from roomkey.testing import Issuer


def test_delay_keeps_an_answer_back(http, issuer, ask):
    issuer.delay = 0.15
    start = time.monotonic()
    assert ask(issuer).status_code == 200
    assert time.monotonic() - start >= 0.15
    issuer.delay = 60.0  # which http does not wait for
    assert http.get(issuer.url + "/oauth2/jwks").status_code == 200


@pytest.mark.parametrize(
    ("retry_after", "header"),
    [(None, None), (7, "7"), (7.0, "7"), (1.5, "1.5"), ("Tue, 14 Nov 2023 22:13:20 GMT",) * 2],
)
def test_an_outage_lasts_until_recovery(http, issuer, retry_after, header, ask):
    issuer.outage(status=502, retry_after=retry_after)
    for _ in range(2):
        answer = ask(issuer)
        assert (answer.status_code, answer.headers.get("retry-after")) == (502, header)
    assert http.get(issuer.url + "/oauth2/jwks").status_code == 200
    issuer.recover()
    assert ask(issuer).status_code == 200
    assert len(issuer.token_requests) == 3


def test_queued_responses_are_sent_in_order_before_normal_ones(issuer, ask):
    issuer.answer_with(200, {"x-a": "1"}, {"error": "odd"})
    issuer.answer_with(429, [("retry-after", "3"), ("content-type", "text/html")], "<p>slow down", times=2)
    answers = [ask(issuer) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 429, 429, 200]
    assert (answers[0].json(), answers[0].headers["x-a"]) == ({"error": "odd"}, "1")
    assert answers[0].headers["content-type"] == "application/json"
    assert (answers[1].text, answers[1].headers["content-type"]) == ("<p>slow down", "text/html")
    assert "access_token" in answers[3].json()


def test_a_body_of_bytes_is_sent_as_it_is(issuer, ask):
    issuer.answer_with(200, body=b"\xef\xbb\xbf{}")
    issuer.answer_with(204)
    assert ask(issuer).content == b"\xef\xbb\xbf{}"
    assert (ask(issuer).content, len(issuer.token_requests)) == (b"", 2)


def test_redirects_are_answered(http, issuer, ask):
    issuer.redirect_to("http://elsewhere.example/token", status=308)
    answer = ask(issuer)
    assert (answer.status_code, answer.headers["location"]) == (308, "http://elsewhere.example/token")


@pytest.mark.parametrize("processed", [False, True])
def test_a_dropped_answer_may_have_had_its_effect(processed, ask):
    with Issuer(refresh_tokens=True) as issuer:
        first = ask(issuer, grant_type="password", username="alice", password=issuer.user.password).json()
        issuer.drop(processed=processed)
        refresh = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
        with pytest.raises(httpx2.RemoteProtocolError):
            ask(issuer, **refresh)
        time.sleep(0.01)
        assert ask(issuer, **refresh).status_code == (400 if processed else 200)
        assert len(issuer.token_requests) == 3


def test_a_hanging_request_times_out(issuer, ask):
    issuer.hang()
    with httpx2.Client(timeout=0.1) as hasty, pytest.raises(httpx2.ReadTimeout):
        hasty.post(issuer.token_endpoint)
    assert ask(issuer).status_code == 200


def test_recovery_drops_hanging_requests(issuer, ask):
    issuer.hang()
    issuer.on_request = lambda _: threading.Timer(0.1, issuer.recover).start()
    with pytest.raises(httpx2.RemoteProtocolError):  # and no timeout, which comes after five seconds
        ask(issuer)
    issuer.on_request = None
    assert ask(issuer).status_code == 200


def test_a_drip_is_whole_but_slow(issuer, ask):
    issuer.opaque = True
    issuer.drip(0.001)
    start = time.monotonic()
    answer = ask(issuer)
    assert issuer.is_live(answer.json()["access_token"])
    assert time.monotonic() - start >= 0.001 * len(answer.content)


def test_an_unreachable_server_refuses_connections_and_returns_at_the_same_port(issuer, ask):
    url = issuer.url
    assert ask(issuer).status_code == 200
    issuer.unreachable()
    with pytest.raises(httpx2.ConnectError):
        ask(issuer)
    issuer.recover()
    assert ask(issuer).status_code == 200
    assert issuer.url == url


def test_recovery_empties_the_queue_of_faults(issuer, ask):
    issuer.answer_with(500, times=5)
    issuer.drop(times=5)
    issuer.recover()
    assert ask(issuer).status_code == 200


def test_it_counts_how_many_requests_were_answered_at_one_time(issuer, ask):
    for _ in range(3):
        ask(issuer)
    assert issuer.most_at_once == 1
    everybody = threading.Barrier(6)

    def shape(members):
        everybody.wait(20)
        return members

    issuer.shape = shape
    threads = [threading.Thread(target=ask, args=(issuer,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert issuer.most_at_once == 6


def test_a_request_is_traced_before_it_is_answered(issuer, ask):
    seen = []
    issuer.on_request = lambda request: seen.append(request.path)
    issuer.on_response = lambda _, answer: seen.append(answer and answer.status)
    issuer.answer_with(503)
    ask(issuer)
    assert seen == ["/oauth2/token", 503]


def test_each_response_is_traced(issuer, ask):
    seen = []
    issuer.on_response = lambda request, answer: seen.append((request.path, answer and answer.status))
    ask(issuer)
    issuer.drop()
    with pytest.raises(httpx2.RemoteProtocolError):
        ask(issuer)
    assert seen == [("/oauth2/token", 200), ("/oauth2/token", None)]
