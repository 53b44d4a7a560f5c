"""The ``[credentials.NAME]`` tables of roomkey.toml: the source of each credential's tokens, and its API."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final, cast

from roomkey.config.table import REFERENCE_FORM, SECRET_KINDS, Table, needed_secret, read_secret
from roomkey.errors import ConfigurationError
from roomkey.http.transport import check_endpoint_url
from roomkey.oauth.answer_paths import AnswerPaths
from roomkey.oauth.client_authentication import METHODS, ClientAuthentication, PrivateKeyJWT
from roomkey.oauth.custom_login import CustomLogin, LoginCall, Value
from roomkey.oauth.grants import ClientCredentials, Password
from roomkey.oauth.service_account_token import ServiceAccountToken

if TYPE_CHECKING:
    from roomkey.client.credential import Credential

CredentialSource = ClientCredentials | Password | ServiceAccountToken | CustomLogin

_GRANT: Final = (
    "issuer",
    "token_endpoint",
    "client_id",
    "client_secret",
    "scope",
    "audience",
    "resource",
    "extra",
    "authentication",
    "repeat_on_refresh",
    "default_lifetime",
    "answer",
)
_COMMON: Final = ("source", "base_url", "context")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KEY_PAIR: Final = ("private_key", "key_id", "algorithm", "audience")
_CALL: Final = ("url", "method", "body", "fields", "headers")
_PATHS: Final = tuple(one.name for one in fields(AnswerPaths))
_SECRET_NAME: Final = re.compile(
    r"(.*[-_.])?(authorization|cookie|credentials?|pin)"
    r"|.*(token|pwd|passw(or)?d|passcode|passphrase|secret|(api|private|access)[-_]?key)",
    re.IGNORECASE,
)


def _client_credentials(table: Table) -> ClientCredentials:
    table.required("client_id")
    if not isinstance(method := _authentication(table), PrivateKeyJWT) and method != "none":
        needed_secret(table, "client_secret")
    return ClientCredentials(**_grant(table))


def _password(table: Table) -> Password:
    username = table.required("username")
    return Password(username=username, password=needed_secret(table, "password"), **_grant(table))


def _grant(table: Table) -> Mapping[str, Any]:
    if "issuer" in table and "token_endpoint" in table:
        raise table.problem("token_endpoint", "and issuer exclude each other; keep one.")
    if "token_endpoint" not in table:
        table.required("issuer")
    return _given(
        issuer=_url(table, "issuer"),
        token_endpoint=_url(table, "token_endpoint"),
        client_id=table.string("client_id"),
        client_secret=read_secret(table, "client_secret"),
        scope=table.string("scope"),
        audience=table.string("audience"),
        resource=table.strings("resource"),
        extra=_extra(table),
        authentication=_authentication(table),
        repeat_on_refresh=table.flag("repeat_on_refresh"),
        default_lifetime=table.number("default_lifetime"),
        answer=_answer(table),
    )


def _authentication(table: Table) -> ClientAuthentication | PrivateKeyJWT | None:
    """Return the name of a method, or a private key from a table."""
    if "authentication" not in table:
        return None
    pair = table.table("authentication") if table.is_table("authentication") else None
    if pair is None and table.string("authentication") == PrivateKeyJWT.name:
        raise table.problem("authentication", 'must name its key: { private_key = { file = "PATH" }, key_id = "…" }.')
    if pair is None:
        return cast("ClientAuthentication", table.choice("authentication", METHODS))
    pair.expect(_KEY_PAIR)
    key = needed_secret(pair, "private_key")
    return PrivateKeyJWT(private_key=key, **_given(**{name: pair.string(name) for name in _KEY_PAIR[1:]}))


def _service_account_token(table: Table) -> ServiceAccountToken:
    token = needed_secret(table, "token")
    return ServiceAccountToken(token, **_given(warn_before=table.number("warn_before")))


def _custom_login(table: Table) -> CustomLogin:
    refresh = table.table("refresh")
    if refresh is not None:
        refresh.expect(_CALL)
    return CustomLogin(
        **_call(table),
        **_given(
            answer=_answer(table),
            scheme=table.string("scheme"),
            refresh=None if refresh is None else LoginCall(**_call(refresh)),
            refresh_field=table.string("refresh_field"),
            app_header=table.string("app_header"),
            default_lifetime=table.number("default_lifetime"),
        ),
    )


def _call(table: Table) -> Mapping[str, Any]:
    table.required("url")
    return _given(
        url=_url(table, "url"),
        method=table.string("method"),
        body=table.choice("body", ("json", "form", "none")) if "body" in table else None,
        fields=_values(table.table("fields")),
        headers=_values(table.table("headers")),
    )


def _url(table: Table, key: str) -> str | None:
    """Return the URL at ``key``; a secret in its query would stand in every message and log that names it."""
    url = table.string(key)
    names = (part.partition("=")[0] for part in ("" if url is None else url).partition("?")[2].split("&"))
    if any(_SECRET_NAME.fullmatch(name) for name in names):
        raise table.problem(key, "has a secret in its query, in plain text; send it in a field or header of a login.")
    return url


def _answer(table: Table) -> AnswerPaths | None:
    paths = table.table("answer")
    if paths is None:
        return None
    paths.expect(_PATHS)
    strings = {name: paths.string(name) for name in _PATHS if name != "whole_body"}
    return AnswerPaths(**_given(**strings, whole_body=paths.flag("whole_body")))


def _extra(table: Table) -> Mapping[str, tuple[str, ...]] | None:
    extra = table.table("extra")
    if extra is None:
        return None
    for name in extra.keys:
        if _SECRET_NAME.fullmatch(name):
            raise extra.problem(name, "looks like a secret in plain text; extra parameters cannot be secret.")
    return {name: extra.strings(name) for name in extra.keys}


def _values(table: Table | None, prefix: str = "") -> dict[str, Value]:
    """Return a login's fields or headers; a table in it is a secret's reference, or a part of dotted names."""
    found: dict[str, Value] = {}
    for name in () if table is None else table.keys:
        assert table is not None  # noqa: S101 - it has names
        inner = table.table(name) if table.is_table(name) else None
        if inner is not None and not set(inner.keys) <= set(SECRET_KINDS):
            found |= _values(inner, f"{prefix}{name}.")
        elif inner is not None:
            found[prefix + name] = needed_secret(table, name)
        elif _SECRET_NAME.fullmatch(name):
            raise table.problem(name, f"looks like a secret in plain text; write {name} = {REFERENCE_FORM}.")
        else:
            found[prefix + name] = table.required(name)
    return found


def _given(**values: object) -> Mapping[str, Any]:
    """Return ``values`` without those that the file leaves to the source's own defaults."""
    return {name: value for name, value in values.items() if value is not None}


KINDS: Final[Mapping[str, tuple[tuple[str, ...], Callable[[Table], CredentialSource]]]] = {
    "client_credentials": (_GRANT, _client_credentials),
    "password": (("username", "password", *_GRANT), _password),
    "service_account_token": (("token", "warn_before"), _service_account_token),
    "custom_login": (
        (*_CALL, "answer", "scheme", "refresh", "refresh_field", "authenticated_by", "app_header", "default_lifetime"),
        _custom_login,
    ),
}
"""By kind: the keys of its table, and the function that reads them."""


@dataclass(frozen=True, slots=True)
class CredentialSettings:
    """The settings of one table.

    Attributes:
        name: of the credential.
        made: its source, without the client's own credential.
        authenticated_by: the name of the credential whose token the login sends, or None.
        base_url: the URL of the API that it is for, or None.
        context: the tenant or technical client, or "".
    """

    name: str
    made: CredentialSource
    authenticated_by: str | None = None
    base_url: str | None = None
    context: str = ""

    def source(self, client: "Credential | None") -> CredentialSource:
        """Return the source, with the client's own credential in it where it has one."""
        if client is None or not isinstance(self.made, CustomLogin):
            return self.made
        return replace(self.made, authenticated_by=client)


def read_credential(group: Table, name: str) -> CredentialSettings:
    """Return the settings of the table ``name`` in ``[credentials]``; raises ConfigurationError, reads no secret."""
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{group.file}: [credentials] has a name that is not 1 to 64 letters, digits, dots, dashes or "
            "underscores; choose another one."
        )
    if not group.is_table(name):
        raise group.problem(name, f"must be a table; write [credentials.{name}] and its settings below it.")
    table = group.table(name)
    assert table is not None  # noqa: S101 - it was looked at the line before
    kind = table.choice("source", tuple(KINDS))
    keys, read = KINDS[kind]
    table.expect((*_COMMON, *keys))
    base_url = table.string("base_url")
    try:
        if base_url is not None:
            check_endpoint_url(base_url, "base_url")
        made = read(table)
    except ConfigurationError as error:
        problem = str(error)
    else:
        return CredentialSettings(
            name=name,
            made=made,
            authenticated_by=table.string("authenticated_by"),
            base_url=base_url,
            context=table.string("context") or "",
        )
    # An error of the source itself names neither file nor table; one of the reader names them already.
    prefix = "" if problem.startswith(f"{table.file}: ") else f"{table.file}: [{table.name}] "
    raise ConfigurationError(prefix + problem)
