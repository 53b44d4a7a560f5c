#!/usr/bin/env bash
# Clients of google-auth, azure-core and MSAL ask the token endpoint for every single call where its tokens live 200 s.
#
# Each of them has a fixed margin (225 s, 300 s, 300 s) before a token's end from which on it takes the token for expired,
# and none looks at how long the token lives. So an issuer that shortens its tokens below the margin turns each API call
# into a token request, without an error or a warning anywhere. Authlib (60 s) is shown beside them. An issuer's default
# lifetime must therefore stay well above 300 s; a client's margin must be a share of the lifetime.
#
# Installs pinned packages in a temporary folder; needs Python 3.11 or newer and a package index. Talks to loopback only.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install google-auth==2.63.0 azure-core==1.41.0 msal==1.39.0 authlib==1.9.10 requests
"$folder/venv/bin/python" - <<'PYTHON'
import http.server
import importlib.metadata
import json
import sys
import threading
import time

CALLS, LIFETIME = 10, 200
count = 0


class TokenEndpoint(http.server.BaseHTTPRequestHandler):
    """Answers each token request with a new token, as RFC 6749 section 5.1 has it."""

    def do_POST(self):
        global count
        count += 1
        self.rfile.read(int(self.headers["content-length"]))
        body = {"access_token": f"token-{count}", "token_type": "Bearer", "expires_in": LIFETIME}
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), TokenEndpoint)
threading.Thread(target=server.serve_forever, daemon=True).start()
endpoint = f"http://127.0.0.1:{server.server_port}/token"


def google():
    import google.auth.transport.requests
    import google.oauth2.credentials

    credentials = google.oauth2.credentials.Credentials(
        None, refresh_token="r", token_uri=endpoint, client_id="app", client_secret="s"
    )
    transport = google.auth.transport.requests.Request()
    return lambda: credentials.before_request(transport, "GET", "https://api.example/", {})


def azure():
    import requests
    from azure.core.credentials import AccessToken
    from azure.core.pipeline import Pipeline
    from azure.core.pipeline.policies import BearerTokenCredentialPolicy
    from azure.core.pipeline.transport import HttpTransport
    from azure.core.rest import HttpRequest

    class Credential:
        def get_token(self, *scopes, **_):
            answer = requests.post(endpoint, data={"grant_type": "client_credentials"}).json()
            return AccessToken(answer["access_token"], int(time.time()) + answer["expires_in"])

    class Answer:
        status_code, headers = 200, {}

    class Api(HttpTransport):
        open = close = __exit__ = lambda *_: None

        def __enter__(self):
            return self

        def send(self, request, **_):
            return Answer()

    pipeline = Pipeline(Api(), [BearerTokenCredentialPolicy(Credential(), "orders")])
    return lambda: pipeline.run(HttpRequest("GET", "https://api.example/"))


def microsoft():
    import msal
    import requests

    class Http:
        """The network as MSAL sees it: metadata as its documentation gives it, tokens from our endpoint."""

        def get(self, url, **_):
            base = "https://login.microsoftonline.com/tenant"
            document = {"tenant_discovery_endpoint": url, "metadata": [], "issuer": base, "token_endpoint": base + "/token",
                        "authorization_endpoint": base + "/authorize", "device_authorization_endpoint": base + "/device"}
            return self.answer(document)

        def post(self, url, **arguments):
            return self.answer(requests.post(endpoint, data=arguments.get("data")).json())

        def answer(self, document):
            class Answer:
                status_code, text, headers = 200, json.dumps(document), {}

                def raise_for_status(self):
                    pass

            return Answer()

        def close(self):
            pass

    app = msal.ConfidentialClientApplication(
        "app", client_credential="s", authority="https://login.microsoftonline.com/tenant", instance_discovery=False,
        http_client=Http(),
    )
    return lambda: app.acquire_token_for_client(["orders/.default"])["access_token"]


def authlib():
    from authlib.integrations.requests_client import OAuth2Session

    session = OAuth2Session("app", "s", token_endpoint=endpoint, grant_type="client_credentials")
    session.fetch_token(endpoint)
    return lambda: session.ensure_active_token(session.token)


seen = {}
for package, make in {"google-auth": google, "azure-core": azure, "msal": microsoft, "authlib": authlib}.items():
    count = 0
    call = make()
    for _ in range(CALLS):
        call()
    seen[package] = count
    print(f"{package} {importlib.metadata.version(package)}: {count} token requests for {CALLS} calls")
expected = {"google-auth": 10, "azure-core": 10, "msal": 10, "authlib": 1}
sys.exit(0 if seen == expected else f"this has changed: {expected} was seen before")
PYTHON
