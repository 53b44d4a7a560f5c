"""Code to paste from pages: files, shell lines and Python that run as they stand (pure).

No secret is an argument of a command, where every process could read it: curl reads it from standard input, to which
the shell's own ``printf`` writes, and ``roomkey`` from the environment.
"""

from typing import Final

from roomkey.authorization_server.accounts.apis.model import Api
from roomkey.authorization_server.accounts.app_tokens.model import AppToken
from roomkey.authorization_server.accounts.service_accounts.model import ServiceAccount

Snippets = tuple[tuple[str, str], ...]  # titles and texts
_LOAD: Final = "set -a; . ./.env; set +a"


def for_app_token(token: AppToken, value: str) -> Snippets:
    """Files and commands that call an API with an app token."""
    name, variable = _credential_name(token.client_id), _variable(token.client_id, "TOKEN")
    url = _api_url(token.audience)
    toml = (
        f"[credentials.{name}]\n"
        'source = "service_account_token"\n'
        f'token = {{ env = "{variable}" }}\n'
        f'base_url = "{url}"  # the URL of the API'
    )
    curl = f"""printf 'header = "Authorization: Bearer %s"\\n' "${variable}" | curl --config - {url}/"""
    return (
        (".env", f"{variable}={value}"),
        ("roomkey.toml", toml),
        ("Shell", f"{_LOAD}\nroomkey call {name} GET /"),
        ("Python", _python_client(name, url)),
        ("curl", f"{_LOAD}\n{curl}"),
    )


def for_service_account(account: ServiceAccount, secret: str, issuer: str) -> Snippets:
    """Files and commands that get a token for a service account and call an API with it."""
    name, variable = _credential_name(account.client_id), _variable(account.client_id, "SECRET")
    access = account.apis[0] if account.apis else None
    scope = " ".join(access.scopes if access.default_scopes is None else access.default_scopes) if access else ""
    url = _api_url(access.audience if access else "api")
    toml = (
        f"[credentials.{name}]\n"
        'source = "client_credentials"\n'
        f'issuer = "{issuer}"\n'
        f'client_id = "{account.client_id}"\n'
        f'client_secret = {{ env = "{variable}" }}\n'
        f'scope = "{scope}"\n'
        f'base_url = "{url}"  # the URL of the API'
    )
    curl = (
        f"""printf 'user = "{account.client_id}:%s"\\n' "${variable}" | curl --config - """
        f"--data grant_type=client_credentials --data-urlencode 'scope={scope}' {issuer}/oauth2/token"
    )
    return (
        (".env", f"{variable}={secret}"),
        ("roomkey.toml", toml),
        ("Shell", f"{_LOAD}\nroomkey call {name} GET /"),
        ("Python", _python_client(name, url)),
        ("curl", f"{_LOAD}\n{curl}"),
    )


def for_api_secret(api: Api, secret: str, issuer: str) -> Snippets:
    """Files and commands that introspect tokens with the secret of an API."""
    curl = (
        f"""printf 'user = "{api.client_id}:%s"\\n' "$INTROSPECTION_SECRET" | curl --config - """
        f"--data-urlencode token@token.txt {issuer}/oauth2/introspect"
    )
    return (
        (".env", f"INTROSPECTION_SECRET={secret}"),
        ("curl, with the token in token.txt", f"{_LOAD}\n{curl}"),
        *for_api(api, issuer),
    )


def for_api(api: Api, issuer: str) -> Snippets:
    """Python code that validates the tokens of an API."""
    introspection = (
        "import roomkey\n\n"
        'secret = roomkey.Secret.from_env("INTROSPECTION_SECRET")\n'
        f'introspection = roomkey.Introspection(client_id="{api.client_id}", client_secret=secret)\n'
        "validator = roomkey.TokenValidator(\n"
        f'    issuer="{issuer}", audience="{api.audience}", introspection=introspection\n)'
    )
    by_introspection = ("Python: introspect each token here", f"{introspection}\n{_VALIDATE}")
    if api.token_format == "opaque":  # noqa: S105 - a format
        return (by_introspection,)
    if api.algorithm == "HS256":
        return ("Python: verify the signature with the shared secret", by_shared_secret(api, issuer)), by_introspection
    validator = f'import roomkey\n\nvalidator = roomkey.TokenValidator(issuer="{issuer}", audience="{api.audience}")'
    return ("Python: verify the signature", f"{validator}\n{_VALIDATE}"), by_introspection


def for_shared_secret(api: Api, secret: str, issuer: str) -> Snippets:
    """Files for an API whose tokens are signed with a shared secret."""
    return (".env", f"TOKEN_KEY={secret}"), ("Python", by_shared_secret(api, issuer))


def by_shared_secret(api: Api, issuer: str) -> str:
    """Python code that verifies HS256."""
    return (
        "import roomkey\n\n"
        'keys = roomkey.KeySet.static(roomkey.Secret.from_env("TOKEN_KEY"))\n'
        f'validator = roomkey.TokenValidator(issuer="{issuer}", audience="{api.audience}", keys=keys)\n{_VALIDATE}'
    )


_VALIDATE: Final = "# claims = validator.validate(token): raises roomkey.InvalidToken where the token is not valid"


def _python_client(name: str, url: str) -> str:
    return (
        "import httpx2\n"
        "import roomkey\n"
        "from roomkey.integrations.httpx2 import BearerAuth\n\n"
        f'credential = roomkey.load().credential("{name}")\n'
        f'with httpx2.Client(base_url="{url}", auth=BearerAuth(credential)) as api:\n'
        '    response = api.get("/")\n'
        "    response.raise_for_status()\n"
        "    print(response.text)"
    )


def _credential_name(client_id: str) -> str:
    return client_id.replace(".", "-")


def _variable(client_id: str, kind: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in client_id.upper()) + f"_{kind}"


def _api_url(audience: str) -> str:
    return audience.rstrip("/") if audience.startswith(("https://", "http://")) else f"https://{audience}.example"
