"""``roomkey admin keys``: the keys that sign tokens, and the one that encrypts the database."""

from typing import Annotated

import typer

from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.keys import reencrypt
from roomkey.authorization_server.keys.adoption import KeyStatus
from roomkey.authorization_server.keys.commands import ListKeys, RotateKeys, WithdrawKey, WithdrawnKey
from roomkey.authorization_server.keys.rotation import KeyRotation
from roomkey.cli.admin.context import opened, reading
from roomkey.cli.admin.options import AsJson
from roomkey.cli.admin.printing import print_done, print_json, print_list, when
from roomkey.cli.admin.typer_command import Noun
from roomkey.cli.errors import print_error
from roomkey.cli.exit_code import ExitCode

noun = Noun("keys", "Keys: those that sign tokens, and the one that encrypts the database.")


@noun.command("list", "List the signing keys by their states.")
def list_keys(
    context: typer.Context,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Removed keys, too.")] = False,
    as_json: AsJson = False,
) -> int:
    """List the signing keys: next, signing, retiring; and the APIs that reported not to hold them."""
    with reading(context) as uow:
        found = ListKeys(removed=everything)(uow).items
    if as_json:
        print_json(
            keys=[
                {name: getattr(one.key, name) for name in type(one.key).__slots__}
                | {"signs_from": one.signs_from, "held_by": one.held_by, "lacking": one.lacking}
                for one in found
            ]
        )
        return ExitCode.OK
    print_list(
        (
            {
                "key": one.key.kid,
                "algorithm": one.key.algorithm,
                "state": one.key.state.value,
                "next step": _next(one),
                "lacking": " ".join(one.lacking),
            }
            for one in found
        ),
        *("key", "algorithm", "state", "next step", "lacking"),
        folded="next step",
        spared=("algorithm", "lacking"),
        empty="There are no keys.",
    )
    return ExitCode.OK


@noun.shows(RotateKeys)
def show_rotated(made: KeyRotation) -> None:
    """Print the state of the new key, and a warning where tokens may be rejected."""
    signs = made.state.value == "signing"
    print_done(
        f"The key {made.kid} {'signs now' if signs else 'is published, and does not sign yet'}.",
        ("may sign", "" if signs else when(made.signs_from)),
        ("retires", made.replaced or ""),
    )
    if made.warning:
        print_error(made.warning)


@noun.shows(WithdrawKey)
def show_withdrawn(withdrawn: WithdrawnKey) -> None:
    """Print that it is not published any more."""
    print_done(f"The key {withdrawn.kid} is no longer published, and the tokens that it signed are rejected.")


@noun.command("rotate-seal", "Make a new key that encrypts the database.")
def rotate_seal(context: typer.Context, *, as_json: AsJson = False) -> int:
    """Make a new key that encrypts the secrets in the database, and encrypt them all with it."""
    with opened(context) as service:
        encrypted = reencrypt.rotate_encryption_key(service, Actor.console())
    if as_json:
        print_json(key_id=encrypted.key_id, rewrapped=encrypted.rewrapped)
    else:
        print_done(f"The key {encrypted.key_id} encrypts {encrypted.rewrapped} values of the database.")
    return ExitCode.OK


def _next(one: KeyStatus) -> str:
    if one.signs_from is not None:
        return f"may sign from: {when(one.signs_from)}"
    if one.key.removed_at is not None:
        return f"was removed {when(one.key.removed_at)}"
    if one.key.remove_at is not None:
        return f"is removed when its last token has expired, {when(one.key.remove_at)}"
    return f"signs since {when(one.key.activated_at)}"
