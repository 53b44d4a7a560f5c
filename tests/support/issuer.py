"""The test issuer with what only our own tests need: custom logins, a status list and a deny list."""

from collections.abc import Mapping
from typing import Any

from tests.support import custom_logins
from tests.support.published_lists import PublishedLists

from roomkey.testing import Issuer, LoopbackRequest
from roomkey.testing.ledger import Authorization


class ExtendedIssuer(Issuer):
    """An issuer with login endpoints that are not OAuth, and with lists of revoked tokens.

    Attributes:
        lists: its status list and deny list; ``faulty`` knows them as ``status_list`` and ``deny_list``.
        status_claims: put every JWT into the status list.
    """

    def __init__(self, lifetime: float = 300.0, **settings: Any) -> None:
        super().__init__(lifetime, **settings)
        self.lists = PublishedLists(self)
        self.status_claims = False
        for path, answer in custom_logins.LOGINS.items():
            self._endpoints[self._path + path] = ("token", self._login(answer))
        self._endpoints[f"{self._path}/oauth2/status-list"] = ("status_list", self.lists.answer_status_list)
        self._endpoints[f"{self._path}/oauth2/deny-list"] = ("deny_list", self.lists.answer_deny_list)

    def login_endpoint(self, name: str) -> str:
        """The absolute URL of a custom login; raises KeyError for an unknown one."""
        path = f"/login/{name}"
        if path not in custom_logins.LOGINS:
            raise KeyError(name)
        return self.url + path

    def _login(self, answer: custom_logins.Login) -> Any:
        return lambda request: answer(self, request)

    def _record(self, request: LoopbackRequest) -> None:
        if request.path.removeprefix(self._path) in custom_logins.LOGINS:
            self.token_requests.append(custom_logins.record(request))
        else:
            super()._record(request)

    def _sign_access(self, claims: Mapping[str, Any], authorization: Authorization, lifetime: float, typ: str) -> str:
        if not self.status_claims or "status" in claims:
            return super()._sign_access(claims, authorization, lifetime, typ)
        status = self.lists.reserve()
        token = super()._sign_access({**claims, "status": status}, authorization, lifetime, typ)
        self.lists.hold(status, token)
        return token
