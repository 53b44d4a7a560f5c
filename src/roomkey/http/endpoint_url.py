"""The rule for URLs that secrets may be sent to: https, or http on loopback (pure)."""

import ipaddress
from urllib.parse import SplitResult, urlsplit

from roomkey.errors import ConfigurationError


def check_endpoint_url(url: str, setting: str) -> str:
    """``url`` where secrets may be sent to it: https, or http on a loopback address, without user and fragment.

    Raises ConfigurationError, which names ``setting``.
    """
    problem = url_problem(url)
    if problem:
        raise ConfigurationError(f"{setting} {problem}; give an https:// URL (http:// is for loopback alone).")
    return url


def url_problem(url: str) -> str:
    """The end of a sentence that says what is wrong with ``url``; empty where secrets may be sent to it."""
    if not isinstance(url, str):
        return "must be a string"
    if not url.isascii() or any(character.isspace() or not character.isprintable() for character in url):
        return "holds characters that a URL cannot have"
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return "is not a URL"
    return _part_problem(parts, host)


def _part_problem(parts: SplitResult, host: str) -> str:
    if parts.scheme not in {"https", "http"} or not host:
        return "is not an https:// URL"
    if parts.scheme == "http" and not is_loopback(host):
        return "is not https"
    if _is_link_local(host):
        return "is a link-local address, which only this machine's own network knows"
    if parts.username is not None or parts.password is not None:
        return "has a user name or password in it"
    return "has a fragment" if parts.fragment else ""


def is_loopback(host: str) -> bool:
    """True for ``localhost`` and the loopback addresses, as names or numbers. Looks nothing up."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_link_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_link_local
    except ValueError:
        return False
