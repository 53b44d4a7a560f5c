"""django-oauth-toolkit 3.4.1 at ``/o`` with OpenID off as an issuer: metadata, both grants, a rejected refresh."""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import httpx2
from checks import Checks, free_port, wait_for

import roomkey

VERSION = "3.4.1"
PASSWORD = "correct horse"

SERVER = '''
import sys
import django
from django.conf import settings

settings.configure(
    SECRET_KEY="only for this run", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, USE_TZ=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1] + "/db.sqlite3"}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "oauth2_provider"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    OAUTH2_PROVIDER={"SCOPES": {"orders": "Orders"}, "REFRESH_TOKEN_EXPIRE_SECONDS": 3600},
    PASSWORD_HASHERS=["django.contrib.auth.hashers.PBKDF2PasswordHasher"],
)
django.setup()
from django.contrib.auth.models import User
from django.core.management import call_command
from django.http import JsonResponse
from django.urls import include, path
from oauth2_provider.models import Application, RefreshToken


def end_refresh_tokens(request):
    """The administrator's side of this run: every refresh token is gone."""
    RefreshToken.objects.all().delete()
    return JsonResponse({})


urlpatterns = [path("o/", include("oauth2_provider.urls")), path("end", end_refresh_tokens)]
call_command("migrate", verbosity=0)
user = User.objects.create_user("alice", password="correct horse")
for name, grant in (("reports", "client-credentials"), ("desktop", "password")):
    secret = "secret-of-" + name
    Application.objects.create(
        name=name, client_id=name, client_secret=secret, client_type="confidential", authorization_grant_type=grant
    )
call_command("runserver", "127.0.0.1:" + sys.argv[2], use_reloader=False)
'''


def main() -> int:
    checks = Checks("django-oauth-toolkit", VERSION)
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        venv.create(folder / "venv", with_pip=True)
        python = folder / "venv/bin/python"
        wanted = [f"django-oauth-toolkit=={VERSION}", "django==5.2.19"]
        subprocess.run([python, "-m", "pip", "-q", "--disable-pip-version-check", "install", *wanted], check=True)
        (folder / "server.py").write_text(SERVER)
        with (folder / "log").open("w") as log:
            command = [python, folder / "server.py", folder, str(port)]
            server = subprocess.Popen(command, stdout=log, stderr=log)
            try:
                wait_for(lambda: bool(httpx2.get(f"http://127.0.0.1:{port}/o/")), seconds=60, what="Django's start")
                with roomkey.TokenManager() as manager:
                    steps(checks, f"http://127.0.0.1:{port}", manager)
            finally:
                server.terminate()
                server.wait(10)
    return checks.finish()


def steps(checks: Checks, url: str, manager: roomkey.TokenManager) -> None:
    issuer = f"{url}/o"
    with checks.step("issuer= finds the endpoints; client credentials"):
        source = roomkey.ClientCredentials(issuer=issuer, client_id="reports", client_secret="secret-of-reports")
        assert manager.credential(source).token().expires_in > 60
    alice = manager.credential(
        roomkey.Password(
            issuer=issuer, client_id="desktop", client_secret="secret-of-desktop", username="alice", password=PASSWORD
        )
    )
    with checks.step("a password sign-in, and a refresh with its refresh token"):
        first = alice.token()
        assert alice.refresh().value != first.value
    with checks.step("a rejected refresh leads to a new sign-in"):
        httpx2.get(f"{url}/end").raise_for_status()
        assert alice.refresh().value


if __name__ == "__main__":
    sys.exit(main())
