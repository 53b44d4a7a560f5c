"""The page behind the one-time link: it makes the first administrator."""

from starlette.responses import Response

from roomkey.authorization_server.actor import Actor, ActorKind
from roomkey.authorization_server.backoffice.session import Visit, begin_session, requires, see_other
from roomkey.authorization_server.backoffice.sign_in.answer import page
from roomkey.authorization_server.errors import Invalid, NotFound
from roomkey.authorization_server.identity import sessions, setup_links, totp
from roomkey.authorization_server.identity.sessions import NewSession, Stage
from roomkey.authorization_server.permissions import Role
from roomkey.authorization_server.unit_of_work import UnitOfWork


@requires(stage=None)
async def show(visit: Visit) -> Response:
    """Ask the first administrator for a name and a password; raises NotFound where the link has ended."""
    token = visit.request.query_params.get("token", "")
    if not await visit.view(lambda uow: setup_links.is_valid(uow, token)):
        raise _ended()
    return page(visit, "setup.html", token=token)


@requires(stage=None)
async def make(visit: Visit) -> Response:
    """Make the first administrator, who then sets up a second factor; the link ends by it."""
    token, username = visit.form.one("token"), visit.form.one("username")
    if not await visit.view(lambda uow: setup_links.is_valid(uow, token)):
        raise _ended()  # before a hash is spent on it

    def act(uow: UnitOfWork) -> NewSession:
        user = setup_links.use(uow, token, username=username, password=hashed)
        own = visit.service.on(uow.connection, user.actor(visit.address))
        totp.begin(own, user)
        agent = visit.request.headers.get("user-agent", "")
        return sessions.begin(own, user, stage=Stage.ENROLMENT, user_agent=agent, password_asked=True)

    # The link, which the console printed, is what stands for the administrator that there is not yet.
    actor = Actor(ActorKind.SERVICE, name="service", roles=frozenset({Role.ADMINISTRATOR.value}), address=visit.address)
    try:
        hashed = await visit.hashing.hash_new_async(visit.form.one("password"), username=username)
        begun = await visit.service.perform(actor, act)
    except Invalid as problem:
        return page(visit, "setup.html", status=422, problem=problem, token=token)
    return begin_session(see_other("/sign-in/enrol"), visit, begun)


def _ended() -> NotFound:
    return NotFound("This link has been used or is older than an hour. The service prints another one when it starts.")
