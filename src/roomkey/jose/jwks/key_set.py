"""A key set: the keys that verify an issuer's tokens, given in code or published by the issuer (RFC 7517)."""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, final

from roomkey.clock import Clock
from roomkey.concurrency.steps import Steps, arun, run
from roomkey.errors import ConfigurationError
from roomkey.http.transport import Transport, check_endpoint_url
from roomkey.jose import strict_json
from roomkey.jose.compact import Header
from roomkey.jose.jwks.local import KeySetState, KeySetStatus, LocalKeys
from roomkey.jose.jwks.remote import KeySetLimits, RemoteKeys
from roomkey.jose.verification_key import UnusableKey, VerificationKey, read_pem, read_secret
from roomkey.secret import Secret

_log = logging.getLogger("roomkey")
_NOT_SECRETS: Final = ("-----BEGIN", "ssh-", "ecdsa-", "{")


class _KeySource(Protocol):
    def find_cached(self, header: Header) -> tuple[VerificationKey, ...]: ...
    def find(self, header: Header) -> Steps[tuple[VerificationKey, ...]]: ...
    def holds(self, key: VerificationKey) -> bool: ...
    def status(self) -> KeySetStatus: ...


@final
class KeySet:
    """The keys of one issuer; made by ``static``, ``remote`` or ``discover``. Its repr shows no key.

    A key is bound to its algorithms when it is loaded; one that is weak, broken or for something else is rejected and
    does not affect the others (``status().rejected``). Safe in any thread, in asyncio and trio, and after a fork.

    Attributes:
        find_cached: a function of a token's header: what ``find`` would return, where that takes no lock and no I/O,
            else empty. Never blocks or raises.
        find_steps: ``find`` as steps, for a caller for whom ``find_cached`` found nothing.
        holds: a function of a key: True while it is in use, not withdrawn by its issuer, and the set not too old.
            Never blocks.
    """

    __slots__ = ("_source", "find_cached", "find_steps", "holds")

    def __init__(self, source: _KeySource) -> None:
        """For the class's own use."""
        self._source = source
        # Called for every token, so each is the source's own method and not one around it.
        self.find_cached = source.find_cached
        self.find_steps = source.find
        self.holds = source.holds

    @classmethod
    def static(cls, keys: Mapping[str, Any] | str | bytes | Secret) -> "KeySet":
        """Make a set of keys that never change.

        Parameters:
            keys: a JWK or a JWK set, parsed or as JSON; a public key as PEM; or a ``Secret`` of at least 32 bytes for
                HMAC (which is read once, here). A string that is neither JSON nor PEM is never used as a secret.

        Raises ConfigurationError where no key in it can be used, TypeError where it is something else.
        """
        outcome = _read(keys)
        del keys  # an error report with local variables shows no secret
        if isinstance(outcome, LocalKeys):
            return cls(_StaticKeys(outcome))
        raise ConfigurationError(outcome)

    @classmethod
    def remote(
        cls,
        url: str,
        *,
        limits: KeySetLimits | None = None,
        transport: Transport | None = None,
        clock: Clock | None = None,
    ) -> "KeySet":
        """Make the set published at ``url`` (https, or http on loopback). Fetched when first needed; does no I/O yet.

        Parameters:
            url: the URL of a JWK set. Redirects are not followed.
            limits: how long the keys are used and how often they are fetched.
            transport: how the issuer is reached: certificates, proxy, time-outs.
            clock: the time; tests pass one of their own.

        Raises ConfigurationError for a URL that must not be used.
        """
        check_endpoint_url(url, "url")
        return cls(RemoteKeys(url=url, limits=limits, transport=transport, clock=clock))

    @classmethod
    def discover(
        cls,
        issuer: str,
        *,
        limits: KeySetLimits | None = None,
        transport: Transport | None = None,
        clock: Clock | None = None,
    ) -> "KeySet":
        """Make the set at the ``jwks_uri`` in the metadata of ``issuer`` (RFC 8414, OpenID Connect Discovery 1.0).

        The metadata must be that of ``issuer``, letter for letter, and is fetched again after an hour or when its
        ``jwks_uri`` fails. The parameters are those of ``remote``.
        """
        check_endpoint_url(issuer, "issuer")
        return cls(RemoteKeys(issuer=issuer, limits=limits, transport=transport, clock=clock))

    def find(self, header: Header) -> tuple[VerificationKey, ...]:
        """Return the one to four keys that may have signed a token with ``header``; never empty.

        A known key of a fresh set takes no lock and no I/O; else this blocks while keys are fetched, for at most
        ``limits.fetch`` seconds. Raises InvalidToken where there is no such key, and KeysUnavailable where the keys are
        unavailable now.
        """
        return self.find_cached(header) or run(self.find_steps(header))

    async def find_async(self, header: Header) -> tuple[VerificationKey, ...]:
        """``find`` for asyncio and trio: never blocks the loop, and may be cancelled without harm to others."""
        return self.find_cached(header) or await arun(self.find_steps(header))

    def status(self) -> KeySetStatus:
        """Return the status of the set, for metrics; no I/O."""
        return self._source.status()

    def __repr__(self) -> str:
        status = self.status()
        return f"KeySet({status.source}, {status.state.value}, {status.keys} keys)"


@final
class _StaticKeys:
    __slots__ = ("_keys", "find_cached")

    def __init__(self, keys: LocalKeys) -> None:
        self._keys = keys
        self.find_cached = keys.find

    def find(self, header: Header) -> Steps[tuple[VerificationKey, ...]]:
        yield from ()
        raise self._keys.explain(header)

    def holds(self, key: VerificationKey) -> bool:
        return key in self._keys.members

    def status(self) -> KeySetStatus:
        keys = self._keys
        return KeySetStatus(source="static", state=KeySetState.FIXED, keys=len(keys.keys), rejected=keys.rejected)


def _read(given: object) -> LocalKeys | str:
    """Return the keys, or why there are none: an exception would have the secret in its frames."""
    if isinstance(given, Secret):
        return _one(_read_secret, given.reveal())
    if isinstance(given, Mapping):
        try:
            return _jwks(json.dumps(dict(given)).encode())
        except (TypeError, ValueError, RecursionError):
            return "The JWK or JWK set holds a value that JSON cannot hold."
    if not isinstance(given, str | bytes):
        raise TypeError(f"keys must be a JWK, a JWK set, PEM or a Secret, not {type(given).__name__}")
    encoded = given.decode("utf-8", "replace") if isinstance(given, bytes) else given
    encoded = encoded.lstrip()
    if encoded.startswith("-----BEGIN"):
        return _one(read_pem, encoded)
    if encoded.startswith("{"):
        return _jwks(encoded.encode("utf-8", "replace"))
    return "The keys are neither JSON nor PEM; wrap a shared secret in roomkey.Secret(...)."


def _jwks(data: bytes) -> LocalKeys | str:
    document = strict_json.read_object_of_objects(data)
    if document is None:
        return "The keys are not a JSON object, or it has a member twice; give a JWK or a JWK set."
    jwks = [document] if "kty" in document else document.get("keys")
    if not isinstance(jwks, list):
        return "The keys have neither kty, as a JWK, nor keys, as a JWK set."
    keys = LocalKeys.read(jwks, published=False)
    if not keys.keys:
        why = "; ".join(f"key {one.position}: {one.reason}" for one in keys.rejected)
        return f"No key of the set can be used ({why or 'it is empty'})."
    for one in keys.rejected:
        _log.warning("Key %d of a static key set is not used: %s.", one.position, one.reason)
    return keys


def _one(read: Callable[[str], VerificationKey], text: str) -> LocalKeys | str:
    try:
        return LocalKeys([read(text)])
    except UnusableKey as error:
        return f"The key cannot be used: {error.reason}."


def _read_secret(text: str) -> VerificationKey:
    if text.lstrip().startswith(_NOT_SECRETS):
        raise UnusableKey("malformed")  # a public key in place of a secret would let anyone sign
    return read_secret(text.encode("utf-8", "surrogatepass"))
