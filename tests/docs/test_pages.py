"""The documentation's pages: links lead somewhere, public names exist, and Python snippets run as they are pasted."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import roomkey
from roomkey.testing import Issuer, ProtectedAPI

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")])
HOME = "https://github.com/roomkey/roomkey/blob/main/"


def snippets(language: str) -> list[tuple[str, str]]:
    """Page and number, and the text, of each snippet in ``language``."""
    found = []
    for page in PAGES:
        for number, text in enumerate(re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S), 1):
            found.append((f"{page.relative_to(ROOT)} {number}", text))
    return found


PYTHON = snippets("python")
WHOLE = [(name, text) for name, text in PYTHON if text.startswith("import ") and "TENANT" not in text]


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_page_and_its_heading(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, fragment = target.removeprefix(HOME).partition("#")
        if path.startswith("https:"):
            continue
        linked = (ROOT / path if target.startswith(HOME) else page.parent / path) if path else page
        assert linked.exists(), f"no {target}"
        assert not fragment or fragment in anchors(linked), f"no heading for {target}"


def test_every_page_is_in_the_navigation_and_every_entry_is_a_page() -> None:
    nav = str(tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"])
    assert set(re.findall(r"[\w/-]+\.md", nav)) == {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_name_that_a_page_calls_public_exists(page: Path) -> None:
    for name in re.findall(r"\broomkey\.([A-Z]\w+|load)\b", page.read_text()):
        assert hasattr(roomkey, name), name


@pytest.mark.parametrize("text", [text for _, text in PYTHON], ids=[name for name, _ in PYTHON])
def test_every_python_snippet_is_python(text: str) -> None:
    ast.parse(text)


@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.parametrize("text", [text for _, text in WHOLE], ids=[name for name, _ in WHOLE])
def test_a_snippet_with_its_imports_runs_as_pasted(
    text: str, issuer: Issuer, api: ProtectedAPI, tmp_path: Path
) -> None:
    """Against an issuer and an API on loopback in place of those of the page."""
    (tmp_path / "reports.pem").write_text(private_key())
    settings = 'source = "client_credentials"\nclient_id = "reports"\nclient_secret = { env = "ORDERS_SECRET" }\n'
    settings += f'issuer = "{issuer.url}"\n'
    (tmp_path / "roomkey.toml").write_text(f"[credentials.orders]\n{settings}[credentials.example]\n{settings}")
    code = text.replace("https://auth.example", issuer.url)
    for host in ("https://orders.example", "http://127.0.0.1:8401"):
        code = code.replace(host, api.url)
    environment = os.environ | {
        "AUTH_ISSUER": issuer.url,
        "ORDERS_URL": api.url,
        "ORDERS_SECRET": str(issuer.client.client_secret),
        "ORDERS_API_SECRET": str(issuer.add_client("orders-api").client_secret),
        "HOME": str(tmp_path),
    }
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(
        command, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def private_key() -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()


@pytest.mark.parametrize("text", [text for _, text in snippets("toml")], ids=[name for name, _ in snippets("toml")])
def test_every_toml_snippet_is_toml(text: str) -> None:
    tomllib.loads(text)
