"""Token-based authentication for the REST APIs that Python code calls and serves.

The public names stand here and are loaded when they are first used: ``import roomkey`` alone loads neither an HTTP
library nor cryptography.
"""

from importlib import import_module

TYPE_CHECKING = False  # type checkers know the name; importing typing would take longer than all else here
if TYPE_CHECKING:
    from typing import Any

    from roomkey.client.access_token import AccessToken as AccessToken
    from roomkey.client.api_retry import RetryPolicy as RetryPolicy
    from roomkey.client.credential import Credential as Credential
    from roomkey.client.credential_state import CredentialStatus as CredentialStatus
    from roomkey.client.credential_state import RejectOutcome as RejectOutcome
    from roomkey.client.lifetime import RefreshWindow as RefreshWindow
    from roomkey.client.lifetime import TokenState as TokenState
    from roomkey.client.manager import TokenManager as TokenManager
    from roomkey.client.resources import Limits as Limits
    from roomkey.config import Configuration as Configuration
    from roomkey.config import load as load
    from roomkey.errors import AccessDenied as AccessDenied
    from roomkey.errors import AccessError as AccessError
    from roomkey.errors import ConfigurationError as ConfigurationError
    from roomkey.errors import DPoPNonceRequired as DPoPNonceRequired
    from roomkey.errors import IntrospectionUnavailable as IntrospectionUnavailable
    from roomkey.errors import InvalidDPoPProof as InvalidDPoPProof
    from roomkey.errors import InvalidRequest as InvalidRequest
    from roomkey.errors import InvalidToken as InvalidToken
    from roomkey.errors import KeyringError as KeyringError
    from roomkey.errors import KeysUnavailable as KeysUnavailable
    from roomkey.errors import LoginRequired as LoginRequired
    from roomkey.errors import OriginNotAllowed as OriginNotAllowed
    from roomkey.errors import ReplayUnknown as ReplayUnknown
    from roomkey.errors import RevocationUnknown as RevocationUnknown
    from roomkey.errors import RoomkeyError as RoomkeyError
    from roomkey.errors import SecretUnavailable as SecretUnavailable
    from roomkey.errors import StepUpRequired as StepUpRequired
    from roomkey.errors import StoreUnavailable as StoreUnavailable
    from roomkey.errors import TokenMissing as TokenMissing
    from roomkey.errors import TokenRejected as TokenRejected
    from roomkey.errors import TokenUnavailable as TokenUnavailable
    from roomkey.errors import ValidationUnavailable as ValidationUnavailable
    from roomkey.http.transport import Transport as Transport
    from roomkey.integrations.call import CallOptions as CallOptions
    from roomkey.integrations.call import CallReport as CallReport
    from roomkey.jose.jwks.key_set import KeySet as KeySet
    from roomkey.jose.jwks.remote import KeySetLimits as KeySetLimits
    from roomkey.oauth.answer_paths import AnswerPaths as AnswerPaths
    from roomkey.oauth.client_authentication import PrivateKeyJWT as PrivateKeyJWT
    from roomkey.oauth.custom_login import CustomLogin as CustomLogin
    from roomkey.oauth.custom_login import LoginCall as LoginCall
    from roomkey.oauth.grants import ClientCredentials as ClientCredentials
    from roomkey.oauth.grants import Password as Password
    from roomkey.oauth.service_account_token import ServiceAccountToken as ServiceAccountToken
    from roomkey.resource_server.claims import ClaimMapping as ClaimMapping
    from roomkey.resource_server.claims import Claims as Claims
    from roomkey.resource_server.dpop import DPoP as DPoP
    from roomkey.resource_server.dpop_proof import DPoPRequest as DPoPRequest
    from roomkey.resource_server.error_response import ErrorResponses as ErrorResponses
    from roomkey.resource_server.introspection import Introspection as Introspection
    from roomkey.resource_server.issuer import TrustedIssuer as TrustedIssuer
    from roomkey.resource_server.protected_resource import ProtectedResource as ProtectedResource
    from roomkey.resource_server.replay_store import MemoryReplayStore as MemoryReplayStore
    from roomkey.resource_server.replay_store import ReplayStore as ReplayStore
    from roomkey.resource_server.requirements import Requirements as Requirements
    from roomkey.resource_server.revocation import DenyList as DenyList
    from roomkey.resource_server.revocation_list import ListPolicy as ListPolicy
    from roomkey.resource_server.status_list import StatusLists as StatusLists
    from roomkey.resource_server.validator import TokenValidator as TokenValidator
    from roomkey.secret import Secret as Secret
    from roomkey.stores.keyring import Keyring as Keyring
    from roomkey.stores.memory import MemoryStore as MemoryStore
    from roomkey.stores.sqlite import SQLiteStore as SQLiteStore

__version__ = "0.1.0"

_MODULES = {
    "client.access_token": "AccessToken",
    "client.resources": "Limits",
    "client.credential": "Credential",
    "client.lifetime": "RefreshWindow TokenState",
    "client.manager": "TokenManager",
    "client.api_retry": "RetryPolicy",
    "client.credential_state": "CredentialStatus RejectOutcome",
    "http.transport": "Transport",
    "config": "Configuration load",
    "errors": (
        "AccessDenied AccessError ConfigurationError DPoPNonceRequired IntrospectionUnavailable InvalidDPoPProof "
        "InvalidRequest InvalidToken KeyringError KeysUnavailable LoginRequired OriginNotAllowed ReplayUnknown "
        "RevocationUnknown RoomkeyError "
        "SecretUnavailable StepUpRequired StoreUnavailable TokenMissing TokenRejected TokenUnavailable "
        "ValidationUnavailable"
    ),
    "integrations.call": "CallOptions CallReport",
    "jose.jwks.remote": "KeySetLimits",
    "jose.jwks.key_set": "KeySet",
    "oauth.custom_login": "CustomLogin LoginCall",
    "oauth.grants": "ClientCredentials Password",
    "oauth.client_authentication": "PrivateKeyJWT",
    "oauth.service_account_token": "ServiceAccountToken",
    "oauth.answer_paths": "AnswerPaths",
    "resource_server.error_response": "ErrorResponses",
    "resource_server.claims": "ClaimMapping Claims",
    "resource_server.revocation": "DenyList",
    "resource_server.dpop": "DPoP",
    "resource_server.dpop_proof": "DPoPRequest",
    "resource_server.introspection": "Introspection",
    "resource_server.revocation_list": "ListPolicy",
    "resource_server.status_list": "StatusLists",
    "resource_server.protected_resource": "ProtectedResource",
    "resource_server.replay_store": "MemoryReplayStore ReplayStore",
    "resource_server.requirements": "Requirements",
    "resource_server.issuer": "TrustedIssuer",
    "resource_server.validator": "TokenValidator",
    "secret": "Secret",
    "stores.keyring": "Keyring",
    "stores.memory": "MemoryStore",
    "stores.sqlite": "SQLiteStore",
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names.split()}

RENAMED = {
    "roomkey.Answering": "ErrorResponses",
    "roomkey.PresentedProof": "DPoPRequest",
    "roomkey.Rejection": "RejectOutcome",
    "roomkey.jose.RefusedKey": "RejectedKey",
    "roomkey.testing.TokenRequest": "RecordedTokenRequest",
}
"""Public names of 0.1.0 and their new names in the same module; an old one works for one version, with a warning."""

__all__ = sorted(_MODULE_OF)  # noqa: PLE0605 - one list of names, above


def renamed(module: str, name: str) -> str | None:
    """Return the new name of ``module``'s old ``name`` and warn (DeprecationWarning), or None where it is no old name.

    For a module's ``__getattr__``; the warning points to the code that asked for the name.
    """
    new = RENAMED.get(f"{module}.{name}")
    if new is not None:
        import warnings

        message = f"{module}.{name} is now {module}.{new}; the old name will be removed in the next version"
        warnings.warn(message, DeprecationWarning, stacklevel=3)
    return new


def __getattr__(name: str) -> "Any":
    module = _MODULE_OF.get(name)
    if module is not None:
        value = globals()[name] = getattr(import_module(f"roomkey.{module}"), name)
        return value
    new = renamed("roomkey", name)
    if new is None:
        raise AttributeError(f"module 'roomkey' has no attribute {name!r}")
    return __getattr__(new)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})
