"""Keys as lanes, and how they move on."""

from dataclasses import dataclass

from starlette.responses import Response

from roomkey.authorization_server.backoffice.forms import Choice, Confirmation, PostedForm
from roomkey.authorization_server.backoffice.page import Routes, ask, done, show
from roomkey.authorization_server.backoffice.session import Visit
from roomkey.authorization_server.backoffice.time_words import duration, relative
from roomkey.authorization_server.keys import rotation
from roomkey.authorization_server.keys.adoption import KeyStatus, list_key_states
from roomkey.authorization_server.keys.key_record import KeyState
from roomkey.authorization_server.permissions import Permission

_PATH = "/keys"
_CRUMB = ("Keys", _PATH)
_LANES = (
    (KeyState.NEXT, "Next", "Published, does not sign yet"),
    (KeyState.SIGNING, "Signing", "Signs every new token"),
    (KeyState.RETIRING, "Retiring", "The tokens that it signed still count"),
    (KeyState.REMOVED, "Removed", "Gone, with its private half"),
)
_REMOVED_SHOWN = 3


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """A lane with its keys."""

    state: KeyState
    name: str
    meaning: str
    keys: tuple[KeyStatus, ...]


ROUTES = Routes()


@ROUTES.get(_PATH, Permission.READ)
async def keys(visit: Visit) -> Response:
    """Every algorithm's keys in their lanes."""
    every = await visit.view(lambda uow: list_key_states(uow, removed=True))
    by_algorithm = {
        name: tuple(KeyColumn(*lane, _in(every, name, lane[0])) for lane in _LANES)
        for name in sorted({one.key.algorithm for one in every})
    }
    jwks = f"{visit.service.settings.issuer.rstrip('/')}/oauth2/jwks"
    may = visit.actor.may(Permission.CHANGE_KEYS) and visit.actor.tenant is None
    return await show(visit, "keys.html", algorithms=by_algorithm, jwks=jwks, may_change=may)


@ROUTES.get(f"{_PATH}/rotate", Permission.CHANGE_KEYS)
async def ask_rotation(visit: Visit) -> Response:
    """What happens next with the keys of one algorithm."""
    every = await visit.view(list_key_states)
    names = tuple(sorted({one.key.algorithm for one in every}))
    settings, now = visit.service.settings, visit.service.now()
    waiting = [one for one in every if one.key.state is KeyState.NEXT]
    breaks = [
        "A next key is published, and signs once every validator has had to look for keys again. Nothing breaks.",
        "Where a next key has been published for long enough, it signs from now on, and the present one retires.",
    ]
    for one in waiting:
        words = "now" if (one.signs_from or 0) <= now else relative(one.signs_from or 0, now)
        breaks.append(f"The next key for {one.key.algorithm}, {one.key.kid}, may sign {words}.")
        if one.lacking:
            breaks.append(f"These APIs do not hold it yet: {', '.join(one.lacking)}.")
    breaks.append(
        "At once, for a key that leaked: APIs that keep keys refuse new tokens for up to "
        f"{duration(settings.jwks_max_age)}."
    )
    question = Confirmation(
        title="Rotate the keys?",
        crumbs=(_CRUMB,),
        breaks=tuple(breaks),
        label="Rotate",
        back=_PATH,
        command="roomkey admin keys rotate",
        danger=False,
        choice=Choice(
            "rotation",
            "Which, and when?",
            "",
            tuple((f"{name} {when}", f"{name} {word}", "") for name in names for when, word in _WHEN),
            f"{names[0]} due" if names else "",
        ),
    )
    return await ask(visit, question)


_WHEN = (("due", "when it is safe"), ("now", "at once"))


@ROUTES.post(f"{_PATH}/rotate", Permission.CHANGE_KEYS)
async def rotate(visit: Visit) -> Response:
    """Move the keys of one algorithm on."""
    algorithm, now = _chosen(visit.form)
    await visit.perform(lambda uow: rotation.rotate(uow, algorithm=algorithm, now=now))
    return done(_PATH, "rotated")


@ROUTES.get(f"{_PATH}/{{kid}}/withdraw", Permission.CHANGE_KEYS)
async def ask_withdrawal(visit: Visit) -> Response:
    """What breaks when a retiring key is taken out before its time."""
    kid, followed = visit.request.path_params["kid"], duration(visit.service.settings.jwks_max_age)
    question = Confirmation(
        title=f"Withdraw the key {kid}?",
        crumbs=(_CRUMB,),
        breaks=(
            "For a key that somebody else has: it leaves the JWK set now.",
            f"Every token that it signed dies, app tokens too; APIs follow within {followed}.",
            "There is no way back: its private half is erased.",
        ),
        label="Withdraw it",
        back=_PATH,
        command=f"roomkey admin keys withdraw {kid}",
    )
    return await ask(visit, question)


@ROUTES.post(f"{_PATH}/{{kid}}/withdraw", Permission.CHANGE_KEYS)
async def withdraw(visit: Visit) -> Response:
    """Take it out."""
    kid = visit.request.path_params["kid"]
    await visit.perform(lambda uow: rotation.withdraw(uow, kid))
    return done(_PATH, "revoked")


def _in(every: tuple[KeyStatus, ...], algorithm: str, state: KeyState) -> tuple[KeyStatus, ...]:
    found = tuple(one for one in every if one.key.algorithm == algorithm and one.key.state is state)
    return found[-_REMOVED_SHOWN:] if state is KeyState.REMOVED else found


def _chosen(form: PostedForm) -> tuple[str, bool]:
    algorithm, _, when = form.one("rotation").partition(" ")
    return algorithm, when == "now"
