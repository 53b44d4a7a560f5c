"""The BearerAuth that every HTTP library's is made of: one request with its token, for sync and async clients alike."""

import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Generic, NoReturn, Protocol, TypeVar, final

from roomkey.client.api_retry import Action, Answered, Decision, Reason, RetryPolicy, Sent, decide, token_rejected
from roomkey.client.credential import Credential
from roomkey.client.credential_state import RejectOutcome
from roomkey.concurrency.steps import Wait, arelay, relay
from roomkey.errors import TokenUnavailable
from roomkey.integrations.call import EXTENSION, NOT_ATTACHED, CallReport, options_in
from roomkey.integrations.origins import AllowedOrigins, origin_of, origin_text
from roomkey.integrations.request_body import Body
from roomkey.oauth.challenge import Challenge, parse_challenges
from roomkey.secret import Confidential, fingerprint

_ONCE: Final = RetryPolicy()
_MOST_ORIGINS: Final = 256
_SENT_TWICE: Final = (Action.RENEW, Action.WIDEN)
_REJECTED_FOR_GOOD: Final = (Reason.REJECTED_AGAIN, Reason.SCOPE_AGAIN, Reason.CIRCUIT, Reason.SAME_TOKEN)


class _Request(Protocol):
    """A library's request: ``extensions`` hold options, names of headers are in any case."""

    @property
    def method(self) -> str: ...
    @property
    def url(self) -> Any: ...
    @property
    def headers(self) -> MutableMapping[str, str]: ...
    @property
    def extensions(self) -> MutableMapping[str, Any]: ...
    @property
    def stream(self) -> object: ...
    def read(self) -> bytes: ...
    async def aread(self) -> bytes: ...


class _Response(Protocol):
    """A library's response: its headers are there, its body may not be; ``request`` is the last one after redirects."""

    history: list[Any]

    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Any: ...
    @property
    def extensions(self) -> MutableMapping[str, Any]: ...
    @property
    def request(self) -> Any: ...
    def read(self) -> bytes: ...
    async def aread(self) -> bytes: ...


RequestT = TypeVar("RequestT", bound=_Request)
ResponseT = TypeVar("ResponseT", bound=_Response)


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Attached(Confidential):
    """The header value that went with a request, and the report of a call that needed nothing else."""

    header: str
    report: CallReport = field(init=False)

    def __post_init__(self) -> None:
        report = CallReport("attached", token=fingerprint(self.header.rpartition(" ")[2]))
        object.__setattr__(self, "report", report)

    def __repr__(self) -> str:
        return f"Attached({self.report.token}…)"


class BearerFlow(Generic[RequestT, ResponseT]):
    """The base of the ``BearerAuth`` of each HTTP library; its documentation is there.

    A call is a generator: a request that it yields is sent and its response comes back; a ``Wait`` is waited for in
    the caller's way (``concurrency/steps.py``), and its result comes back.
    """

    library: ClassVar[str]
    parse_url: ClassVar[type[Any]]
    bytes_type: ClassVar[type[Any]]

    def __init__(
        self,
        credential: Credential,
        *,
        origins: Iterable[str] | None = None,
        retry: RetryPolicy = _ONCE,
        rejected: Callable[[ResponseT], bool] | None = None,
        raise_on_rejection: bool = False,
    ) -> None:
        """Attach the token of ``credential``; raises TypeError and ConfigurationError. Does no I/O."""
        if not isinstance(credential, Credential):
            raise TypeError(
                f"BearerAuth takes a Credential, as manager.credential(...) makes it, not {type(credential).__name__}"
            )
        if not isinstance(retry, RetryPolicy):
            raise TypeError(f"BearerAuth(retry=...) takes a RetryPolicy, not {type(retry).__name__}")
        if inspect.iscoroutinefunction(rejected):
            raise TypeError("BearerAuth(rejected=...) takes a plain function; the response's body is read before it")
        self._credential = credential
        self._widened: Credential | None = None
        self._accepted: dict[object, Attached] = {}
        self._origins = AllowedOrigins(origins, self.parse_url)
        self._policy = retry
        self._watched = self._policy.statuses
        self._rejected = rejected
        self._raise = raise_on_rejection
        self._latest: Attached | None = None

    def __repr__(self) -> str:
        return f"<BearerAuth for {self.library}: {self._credential!r}, {self._origins}>"

    def sync_auth_flow(self, request: RequestT) -> Generator[RequestT, ResponseT, None]:
        """For the library's synchronous client."""
        return relay(self._call(request))

    def async_auth_flow(self, request: RequestT) -> AsyncGenerator[RequestT, ResponseT]:
        """For the library's asynchronous client, on asyncio and trio; never blocks the event loop."""
        return arelay(self._call(request))

    def auth_flow(self, _request: RequestT) -> NoReturn:
        """Raise: the libraries' own version of this method would send the request without a token."""
        raise TypeError("BearerAuth is driven by sync_auth_flow or async_auth_flow; auth_flow alone cannot wait")

    # -- one call ------------------------------------------------------------------------------------------------------

    def _call(self, request: RequestT) -> Generator[RequestT | Wait[Any], Any, None]:
        options = options_in(request.extensions) if EXTENSION in request.extensions else None
        if options is not None and not options.attach:
            response = yield request
            response.extensions[EXTENSION] = NOT_ATTACHED
            return
        origin = origin_of(request.url)
        if origin not in self._origins.known:
            self._origins.admit(request.url)
        credential = self._widened or self._credential
        body = None if isinstance(request.stream, self.bytes_type) else Body(request.stream)
        if options is not None:
            if options.scope is not None:
                credential = self._credential.with_scope(options.scope)
            if options.refresh:
                yield Wait(credential.refresh, credential.refresh_async)
            if options.buffer_body and body is not None:
                yield Wait(request.read, request.aread)
        try:
            attached = self._attached(credential.held_header() or (yield from credential.header_steps()))
        except TokenUnavailable:
            if credential is not self._widened:
                raise
            self._widened = None  # the wider scope was taken away; what was asked for at first may do
            credential = self._credential
            attached = self._attached((yield from credential.header_steps()))
        request.headers["Authorization"] = attached.header
        response = yield request
        if response.status_code in self._watched or self._rejected is not None:
            yield from self._answered(response, credential, attached, body)
        else:
            response.extensions[EXTENSION] = attached.report
            if self._accepted.get(origin) is not attached:
                self._take_note(credential, attached, response)

    def _take_note(self, credential: Credential, attached: Attached, response: ResponseT) -> None:
        """The API took the token: should it reject the same one later, that was a revocation."""
        origin = origin_of(response.request.url)
        if len(self._accepted) >= _MOST_ORIGINS:
            self._accepted.clear()
        self._accepted[origin] = attached
        credential.accept(attached.header, origin=origin_text(origin))

    def _answered(
        self, response: ResponseT, credential: Credential, attached: Attached, body: Body | None
    ) -> Generator[RequestT | Wait[Any], Any, None]:
        """Decide what a response means, and send its request (after redirects the last) once more if that helps."""
        request = response.request
        decision = yield from self._decision(response, credential, attached, body, attempt=1)
        decision = self._dropped(decision, response, credential, attached)
        if decision.action not in _SENT_TWICE:
            self._close(response, decision, attached, attempts=1)
            return
        yield Wait(response.read, response.aread)  # gives the connection back before a token is fetched
        redirects = list(response.history)
        if body is not None and body.is_in(request) and not body.rewind():
            self._close(response, Decision(Action.RETURN, Reason.BODY), attached, attempts=1)
            return
        other, reason = yield from self._other(decision, credential, attached)
        if other is None:
            self._close(response, Decision(Action.RETURN, reason), attached, attempts=1)
            return
        if decision.scope is not None:
            credential = credential.with_scope(decision.scope)
        request.headers["Authorization"] = other.header
        response = yield request
        response.history = redirects + response.history
        final = yield from self._decision(response, credential, other, body, attempt=2)
        self._dropped(final, response, credential, other)
        if final.reason is Reason.FINE:
            action: Any = "renewed" if decision.action is Action.RENEW else "widened"
            self._take_note(credential, other, response)
            if decision.action is Action.WIDEN:
                self._widened = credential
            response.extensions[EXTENSION] = CallReport(action, decision.reason, 2, other.report.token)
        else:
            self._close(response, final, other, attempts=2)

    def _other(
        self, decision: Decision, credential: Credential, attached: Attached
    ) -> Generator[Wait[Any], Any, tuple[Attached | None, Reason]]:
        """Another token to send, or None with the reason why the response goes to the caller."""
        if decision.scope is not None:
            try:
                header = yield from credential.with_scope(decision.scope).header_steps()
            except TokenUnavailable:
                return None, Reason.SCOPE
        elif decision.certain:
            header = yield from credential.header_steps()
        elif (found := (yield from credential.other_header_steps(attached.header))) is None:
            return None, Reason.KEPT
        else:
            header = found
        return (None, Reason.SAME_TOKEN) if header == attached.header else (self._attached(header), decision.reason)

    def _decision(
        self, response: ResponseT, credential: Credential, attached: Attached, body: Body | None, *, attempt: int
    ) -> Generator[RequestT | Wait[Any], Any, Decision]:
        request, status = response.request, response.status_code
        ours = request.url in self._origins and request.headers.get("Authorization") == attached.header
        rejected = False
        if self._rejected is not None and ours and status not in self._policy.rejecting_statuses:
            yield Wait(response.read, response.aread)
            rejected = bool(self._rejected(response))
        replayable = isinstance(request.stream, self.bytes_type)
        if body is not None and body.is_in(request):
            replayable = body.replayable
        sent = Sent(request.method, replayable, ours, attempt, credential.scope)
        return decide(self._policy, sent, Answered(status, self._challenges(response), rejected))

    def _dropped(self, decision: Decision, response: ResponseT, credential: Credential, attached: Attached) -> Decision:
        if decision.action not in (Action.DROP, Action.RENEW):
            return decision
        report = credential.reject if decision.certain else credential.doubt
        outcome = report(attached.header, origin=origin_text(origin_of(response.request.url)))
        if outcome is RejectOutcome.CIRCUIT_OPEN and decision.action is Action.RENEW:
            return Decision(Action.RETURN, Reason.CIRCUIT)
        return decision

    def _close(self, response: ResponseT, decision: Decision, attached: Attached, *, attempts: int) -> None:
        """Report that the response goes to the caller as it is, or raise TokenRejected (the client closes it then)."""
        if decision.reason is Reason.FINE:
            response.extensions[EXTENSION] = attached.report
            return
        response.extensions[EXTENSION] = CallReport("returned", decision.reason, attempts, attached.report.token)
        if self._raise and decision.reason in _REJECTED_FOR_GOOD:
            raise token_rejected(
                origin=origin_text(origin_of(response.request.url)),
                credential=self._credential.description,
                status=response.status_code,
                challenges=self._challenges(response),
                reason=decision.reason,
                attempts=attempts,
            )

    def _challenges(self, response: ResponseT) -> tuple[Challenge, ...]:
        return parse_challenges(response.headers.get_list("WWW-Authenticate"))

    def _attached(self, header: str) -> Attached:
        latest = self._latest
        if latest is None or latest.header != header:
            latest = self._latest = Attached(header)
        return latest
