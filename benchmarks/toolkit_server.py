"""django-oauth-toolkit as its documentation sets it up, on SQLite: `toolkit_server.py clear|hashed`.

It prints a line of JSON that says where it is and what to ask, and ends with its stdin.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import sys
import tempfile
import threading
from pathlib import Path

import django
import uvicorn
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.management import call_command
from django.urls import include, path

FOLDER = tempfile.mkdtemp()
DATABASE = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(Path(FOLDER) / "toolkit.db")}
urlpatterns: list[object] = []  # filled once Django is set up


def main() -> None:
    settings.configure(
        SECRET_KEY=secrets.token_hex(32),
        ALLOWED_HOSTS=["127.0.0.1"],
        DATABASES={"default": DATABASE},
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"],
        MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        OAUTH2_PROVIDER={"SCOPES": {"orders:read": "Read orders", "introspection": "Introspect"}},
        ROOT_URLCONF=__name__,
        LOGGING_CONFIG=None,
    )
    django.setup()
    call_command("migrate", verbosity=0)
    urlpatterns.append(path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")))

    from oauth2_provider.models import get_application_model

    secret = secrets.token_hex(32)
    get_application_model().objects.create(
        name="reports",
        client_id="reports",
        client_secret=secret,
        hash_client_secret=sys.argv[1] == "hashed",
        client_type="confidential",
        authorization_grant_type="client-credentials",
    )
    listener = socket.create_server(("127.0.0.1", 0))
    origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
    asked = {"token_path": "/o/token/", "token_body": "grant_type=client_credentials&scope=orders%3Aread"}
    print(json.dumps({"origin": origin, "app": ["reports", secret], **asked}), flush=True)

    def until_the_end() -> None:
        sys.stdin.read()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=until_the_end, daemon=True).start()
    config = uvicorn.Config(get_asgi_application(), log_level="critical", lifespan="off", loop="uvloop")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
