"""``roomkey init``: a first roomkey.toml with comments."""

import sys
from pathlib import Path
from typing import Final

from roomkey.cli.errors import print_error
from roomkey.cli.exit_code import ExitCode
from roomkey.cli.theme import done, shown

TEMPLATE: Final = """\
# The credentials of this project, for roomkey.load() and the command roomkey. No secret belongs into this file: each is
# read from { env = "NAME" }, { file = "PATH" } or { keyring = "SERVICE/USER" } when it is needed.

[store]
url = "sqlite:///tokens.db" # relative to this file, encrypted with the key in tokens.db.key; memory: keeps nothing

[credentials.orders]
source = "client_credentials"       # or password, service_account_token, custom_login
issuer = "https://auth.example"     # or token_endpoint = "…", which skips discovery
client_id = "reports"
client_secret = { env = "ORDERS_SECRET" }
scope = "orders:read"
base_url = "https://orders.example" # for: roomkey call orders GET /orders; the token is sent to this origin alone
# context = "acme"                  # the tenant, where there are several

# A token from the backoffice of an auth service ("app token"):
# [credentials.reports]
# source = "service_account_token"
# token = { file = "reports.token" }
# base_url = "https://orders.example"
"""


def write_configuration(path: Path) -> int:
    """Write the template to ``path``, which must not exist."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE)
    except FileExistsError:
        print_error(f"{shown(str(path))} exists already and is not replaced.", "name another file: roomkey init FILE")
        return ExitCode.USAGE
    except OSError as error:
        print_error(f"{shown(str(path))} cannot be written: {error.strerror}.")
        return ExitCode.USAGE
    done(f"{shown(str(path))} is written. Change issuer, client_id, scope and base_url in it, then: roomkey status")
    sys.stdout.flush()
    return ExitCode.OK
