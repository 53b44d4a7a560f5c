"""The ``[credentials.NAME]`` tables: who signs in where, and for which API."""

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from roomkey.config.sources import KINDS, MadeSource
from roomkey.config.table import Table
from roomkey.errors import ConfigurationError
from roomkey.http.address import check_endpoint_url
from roomkey.oauth.custom_login import CustomLogin

if TYPE_CHECKING:
    from roomkey.client.credential import Credential

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_COMMON: Final = ("source", "base_url", "context")


@dataclass(frozen=True, slots=True)
class CredentialSettings:
    """What one table says.

    Attributes:
        name: of the credential.
        made: its source, but for the app's own credential.
        authenticated_by: the name of the credential whose token the login carries, or None.
        base_url: the API that it is for, or None.
        context: the tenant or technical client, or "".
    """

    name: str
    made: MadeSource
    authenticated_by: str | None = None
    base_url: str | None = None
    context: str = ""

    def source(self, app: "Credential | None") -> MadeSource:
        """The source with the app's own credential in it, where it has one."""
        if app is None or not isinstance(self.made, CustomLogin):
            return self.made
        return replace(self.made, authenticated_by=app)


def read_credential(group: Table, name: str) -> CredentialSettings:
    """The settings of the credential ``name`` in ``[credentials]``; raises ConfigurationError, reads no secret."""
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{group.file}: [credentials] holds a name that is not 1 to 64 letters, digits, dots, dashes or "
            "underscores; choose another one."
        )
    if not group.is_table(name):
        raise group.problem(name, f"must be a table; write [credentials.{name}] and its settings below it.")
    table = group.table(name)
    assert table is not None  # noqa: S101 - it was looked at the line before
    kind = table.choice("source", tuple(KINDS))
    keys, read = KINDS[kind]
    table.expect((*_COMMON, *keys))
    base_url = table.text("base_url")
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
            authenticated_by=table.text("authenticated_by"),
            base_url=base_url,
            context=table.text("context") or "",
        )
    # What the source itself refuses knows neither file nor table; what the reader refuses names them already.
    place = f"{table.file}: [{table.name}]"
    raise ConfigurationError(problem if problem.startswith(f"{table.file}: ") else f"{place} {problem}")
