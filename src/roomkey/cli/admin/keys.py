"""``roomkey admin keys``: the keys that sign tokens, and the one that seals the database."""

from typing import TYPE_CHECKING, Annotated

import typer

from roomkey.cli.admin.options import AsJson
from roomkey.cli.exit_code import ExitCode
from roomkey.cli.help import Command, Group

if TYPE_CHECKING:
    from roomkey.authorization_server.keys.adoption import KeyStatus

app = typer.Typer(cls=Group, help="Keys: those that sign tokens, and the one that seals the database.")


@app.command("list", cls=Command, short_help="List the signing keys in their lanes.")
def list_keys(
    context: typer.Context,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Those too that were removed.")] = False,
    as_json: AsJson = False,
) -> int:
    """List the signing keys: next, signing, retiring; and which APIs have said that they lack one."""
    from roomkey.authorization_server.keys.adoption import list_key_states
    from roomkey.authorization_server.plain import plain
    from roomkey.cli.admin.context import seen
    from roomkey.cli.admin.printing import print_json, print_list

    found = seen(context, lambda uow: list_key_states(uow, removed=everything))
    if as_json:
        print_json(
            keys=[
                plain(one.key)
                | {"signs_from": one.signs_from, "held_by": plain(one.held_by), "lacking": plain(one.lacking)}
                for one in found
            ]
        )
        return ExitCode.OK
    print_list(
        (
            {
                "key": one.key.kid,
                "algorithm": one.key.algorithm,
                "lane": one.key.state.value,
                "what happens": _next(one),
                "lacking": " ".join(one.lacking),
            }
            for one in found
        ),
        *("key", "algorithm", "lane", "what happens", "lacking"),
        folded="what happens",
        spared=("algorithm", "lacking"),
        empty="There are no keys.",
    )
    return ExitCode.OK


@app.command("rotate", cls=Command, short_help="Make the next signing key, or let it sign.")
def rotate(
    context: typer.Context,
    *,
    algorithm: Annotated[str, typer.Option(metavar="ES256|RS256|EdDSA", help="Of the key.")] = "ES256",
    now: Annotated[bool, typer.Option("--now", help="Let it sign at once, also where it is too new.")] = False,
    as_json: AsJson = False,
) -> int:
    """Make the next key and publish it; once validators have had time to see it, the same command lets it sign.

    The service does that by itself when the time has come. --now is for a key that somebody else has.
    """
    from roomkey.authorization_server.keys import rotation
    from roomkey.authorization_server.plain import plain
    from roomkey.cli.admin.context import done
    from roomkey.cli.admin.printing import print_done, print_json, when
    from roomkey.cli.errors import print_error

    made = done(context, lambda uow: rotation.rotate(uow, algorithm=algorithm, now=now))
    if as_json:
        print_json(**plain(made))
        return ExitCode.OK
    signs = made.state.value == "signing"
    print_done(
        f"The key {made.kid} {'signs now' if signs else 'is published, and does not sign yet'}.",
        ("may sign", "" if signs else when(made.signs_from)),
        ("retires", made.replaced or ""),
    )
    if made.warning:
        print_error(made.warning)
    return ExitCode.OK


@app.command("withdraw", cls=Command, short_help="Take a retiring key out of the JWK set at once.")
def withdraw(
    context: typer.Context,
    kid: Annotated[str, typer.Argument(metavar="KEY", help="Its name: key_…", show_default=False)],
    *,
    as_json: AsJson = False,
) -> int:
    """Take a retiring key out of the JWK set at once; the tokens that it signed are refused from then on."""
    from roomkey.authorization_server.keys import rotation
    from roomkey.cli.admin.context import done
    from roomkey.cli.admin.printing import print_done, print_json

    done(context, lambda uow: rotation.withdraw(uow, kid))
    if as_json:
        print_json(kid=kid, state="removed")
    else:
        print_done(f"The key {kid} is no longer published, and the tokens that it signed are dead.")
    return ExitCode.OK


@app.command("rotate-seal", cls=Command, short_help="Make a new key that seals the database.")
def rotate_seal(context: typer.Context, *, as_json: AsJson = False) -> int:
    """Make a new key that seals what the database must not show, and seal everything with it."""
    from roomkey.authorization_server.actor import Actor
    from roomkey.authorization_server.keys import reencrypt
    from roomkey.authorization_server.plain import plain
    from roomkey.cli.admin.context import opened
    from roomkey.cli.admin.printing import print_done, print_json

    with opened(context) as service:
        sealed = reencrypt.rotate_encryption_key(service, Actor.console())
    if as_json:
        print_json(**plain(sealed))
    else:
        print_done(f"The key {sealed.key_id} seals {sealed.rewrapped} values of the database.")
    return ExitCode.OK


def _next(one: "KeyStatus") -> str:
    from roomkey.cli.admin.printing import when

    if one.signs_from is not None:
        return f"may sign from then on: {when(one.signs_from)}"
    if one.key.removed_at is not None:
        return f"was removed {when(one.key.removed_at)}"
    if one.key.remove_at is not None:
        return f"goes when its last token has ended, {when(one.key.remove_at)}"
    return f"signs since {when(one.key.activated_at)}"
