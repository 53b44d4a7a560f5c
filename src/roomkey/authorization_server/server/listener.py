"""The socket that the service listens on: taken before anything else is done, so that a taken port changes nothing."""

import dataclasses
import errno
import socket

from roomkey.authorization_server.settings import Settings
from roomkey.errors import ConfigurationError


def listener(settings: Settings) -> socket.socket:
    """A socket bound to the address of ``settings``; nobody is served before the server listens on it.

    Raises ConfigurationError with one sentence where the address cannot be had. May ask the resolver for a name.
    """
    host, port = settings.host, settings.port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError):
        raise ConfigurationError(f"--listen names {host}, which is no address of this machine.") from None
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(0)  # two that have bound an address learn only here that one of them is too late
    except OSError as error:
        made.close()
        raise ConfigurationError(_sentence(host, port, error)) from None
    return made


def _sentence(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} of {host} is taken: another program listens there; end it, or choose another --listen."
    if error.errno == errno.EACCES:
        return f"Port {port} needs rights that this user lacks; choose one above 1023 with --listen."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"--listen names {host}, which is no address of this machine."
    return f"--listen {host}:{port} cannot be used: {error.strerror}."


def bound(settings: Settings, taken: socket.socket) -> Settings:
    """``settings`` with the port that ``taken`` has got, where any was asked for (port 0)."""
    if settings.port:
        return settings
    port = taken.getsockname()[1]
    guessed = Settings.at(settings.data, host=settings.host, port=0).issuer
    issuer = f"{guessed.removesuffix(':0')}:{port}" if settings.issuer == guessed else settings.issuer
    return dataclasses.replace(settings, port=port, issuer=issuer)
