"""Only what is asked for is imported, and a missing library is named."""

import subprocess
import sys

import pytest


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("module", ["roomkey", "roomkey.integrations", "roomkey.client.api_retry"])
def test_no_http_library_is_imported_without_need(module):  # client 70
    found = run(f"import sys, {module}; print([name for name in ('httpx', 'httpx2') if name in sys.modules])")
    assert found.strip() == "[]"


@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.parametrize(("library", "other"), [("httpx", "httpx2"), ("httpx2", "httpx")])
def test_each_library_is_enough_by_itself(library, other):  # client 70
    found = run(
        f"import sys; sys.modules['{other}'] = None\n"
        f"from roomkey.integrations.{library} import BearerAuth; print(BearerAuth.library)"
    )
    assert found.strip() == library


@pytest.mark.parametrize(
    ("integration", "library", "package"),
    [
        ("httpx", "httpx", "httpx"),
        ("httpx2", "httpx2", "httpx2"),
        ("fastapi", "fastapi", "fastapi"),
        ("flask", "flask", "flask"),
        ("django", "django", "django"),
        ("django_rest_framework", "rest_framework", "djangorestframework"),
    ],
)
def test_a_missing_library_is_named_with_what_to_do(integration, library, package):  # client 70
    said = run(f"import sys; sys.modules['{library}'] = None\nimport roomkey.integrations.{integration}")
    assert f"ImportError: roomkey.integrations.{integration} needs the package {package}" in said
    assert f"pip install {package}" in said
    assert "During handling" not in said


def test_the_middleware_for_asgi_needs_no_framework():
    frameworks = ["fastapi", "starlette", "flask", "django", "rest_framework", "uvicorn", "httpx"]
    program = (
        "import sys; from roomkey.integrations.asgi import BearerTokenMiddleware; print(sorted({} & set(sys.modules)))"
    )
    assert run(program.format(set(frameworks))).strip() == "[]"
