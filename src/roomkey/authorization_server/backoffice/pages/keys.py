"""Signing keys by state, their rotation and withdrawal."""

from dataclasses import dataclass

from starlette.responses import Response

from roomkey.authorization_server.backoffice.forms import Choice, Confirmation, PostedForm
from roomkey.authorization_server.backoffice.page import Routes, ask, done, show
from roomkey.authorization_server.backoffice.session import Visit
from roomkey.authorization_server.backoffice.time_words import duration, relative
from roomkey.authorization_server.commands.fields import convert
from roomkey.authorization_server.commands.terminal import in_terminal
from roomkey.authorization_server.keys.adoption import KeyStatus
from roomkey.authorization_server.keys.commands import ListKeys, RotateKeys, WithdrawKey
from roomkey.authorization_server.keys.key_record import KeyState
from roomkey.authorization_server.permissions import Permission

_PATH = "/keys"
_CRUMB = ("Keys", _PATH)
_STATES = (
    (KeyState.NEXT, "Next", "Published, does not sign yet"),
    (KeyState.SIGNING, "Signing", "Signs every new token"),
    (KeyState.RETIRING, "Retiring", "Published until its tokens expire"),
    (KeyState.REMOVED, "Removed", "No longer published; private key erased"),
)
_REMOVED_SHOWN = 3


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """A state with its keys."""

    state: KeyState
    name: str
    meaning: str
    keys: tuple[KeyStatus, ...]


ROUTES = Routes()


@ROUTES.get(_PATH, Permission.READ)
async def keys(visit: Visit) -> Response:
    """Show the keys of every algorithm by state."""
    every = (await visit.view(ListKeys(removed=True))).items
    by_algorithm = {
        name: tuple(KeyColumn(*state, _in(every, name, state[0])) for state in _STATES)
        for name in sorted({one.key.algorithm for one in every})
    }
    jwks = f"{visit.service.settings.issuer.rstrip('/')}/oauth2/jwks"
    may = visit.actor.may(Permission.CHANGE_KEYS) and visit.actor.tenant is None
    return await show(visit, "keys.html", algorithms=by_algorithm, jwks=jwks, may_change=may)


@ROUTES.get(f"{_PATH}/rotate", Permission.CHANGE_KEYS)
async def ask_rotation(visit: Visit) -> Response:
    """Ask which keys to rotate, and when."""
    every = (await visit.view(ListKeys())).items
    names = tuple(sorted({one.key.algorithm for one in every}))
    settings, now = visit.service.settings, visit.service.now()
    waiting = [one for one in every if one.key.state is KeyState.NEXT]
    breaks = [
        "A next key is published; it signs once every validator has fetched it. Nothing breaks.",
        "A next key that was published long enough signs from now on, and the present one retires.",
    ]
    for one in waiting:
        words = "now" if (one.signs_from or 0) <= now else relative(one.signs_from or 0, now)
        breaks.append(f"The next key for {one.key.algorithm}, {one.key.kid}, may sign {words}.")
        if one.lacking:
            breaks.append(f"These APIs have not fetched it yet: {', '.join(one.lacking)}.")
    breaks.append(
        "At once, for a key that leaked: APIs that cache keys may reject new tokens for up to "
        f"{duration(settings.jwks_max_age)}."
    )
    question = Confirmation(
        title="Rotate the keys?",
        crumbs=(_CRUMB,),
        breaks=tuple(breaks),
        label="Rotate",
        back=_PATH,
        command=in_terminal(RotateKeys),
        danger=False,
        choice=Choice(
            "rotation",
            "Algorithm and time",
            "",
            tuple((f"{name} {when}", f"{name} {word}", "") for name in names for when, word in _WHEN),
            f"{names[0]} due" if names else "",
        ),
    )
    return await ask(visit, question)


_WHEN = (("due", "when it is safe"), ("now", "at once"))


@ROUTES.post(f"{_PATH}/rotate", Permission.CHANGE_KEYS)
async def rotate(visit: Visit) -> Response:
    """Rotate the keys of one algorithm."""
    algorithm, now = _chosen(visit.form)
    await visit.perform(convert({"algorithm": algorithm, "now": now}, RotateKeys))
    return done(_PATH, "rotated")


@ROUTES.get(f"{_PATH}/{{kid}}/withdraw", Permission.CHANGE_KEYS)
async def ask_withdrawal(visit: Visit) -> Response:
    """Ask before a retiring key is withdrawn."""
    kid, followed = visit.request.path_params["kid"], duration(visit.service.settings.jwks_max_age)
    question = Confirmation(
        title=f"Withdraw the key {kid}?",
        crumbs=(_CRUMB,),
        breaks=(
            "For a key that leaked: it is removed from the JWK set now.",
            f"Every token that it signed becomes invalid, app tokens too; APIs follow within {followed}.",
            "It cannot be undone: the private key is erased.",
        ),
        label="Withdraw it",
        back=_PATH,
        command=in_terminal(WithdrawKey, kid=kid),
    )
    return await ask(visit, question)


@ROUTES.post(f"{_PATH}/{{kid}}/withdraw", Permission.CHANGE_KEYS)
async def withdraw(visit: Visit) -> Response:
    """Withdraw it."""
    await visit.perform(WithdrawKey(visit.request.path_params["kid"]))
    return done(_PATH, "revoked")


def _in(every: tuple[KeyStatus, ...], algorithm: str, state: KeyState) -> tuple[KeyStatus, ...]:
    found = tuple(one for one in every if one.key.algorithm == algorithm and one.key.state is state)
    return found[-_REMOVED_SHOWN:] if state is KeyState.REMOVED else found


def _chosen(form: PostedForm) -> tuple[str, bool]:
    algorithm, _, when = form.one("rotation").partition(" ")
    return algorithm, when == "now"
