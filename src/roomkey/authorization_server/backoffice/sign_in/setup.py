"""The page of the one-time setup link, which creates the first administrator."""

from starlette.responses import Response

from roomkey.authorization_server.actor import Actor, ActorKind
from roomkey.authorization_server.backoffice.page import Routes, show_sign_in
from roomkey.authorization_server.backoffice.session import Visit, begin_session, see_other
from roomkey.authorization_server.errors import Invalid, NotFound
from roomkey.authorization_server.identity import sessions, setup_links, totp
from roomkey.authorization_server.identity.sessions import NewSession, Stage
from roomkey.authorization_server.permissions import Role
from roomkey.authorization_server.unit_of_work import UnitOfWork

ROUTES = Routes()


@ROUTES.get("/setup", stage=None)
async def show(visit: Visit) -> Response:
    """Ask the first administrator for a username and a password; raises NotFound for an expired link."""
    token = visit.request.query_params.get("token", "")
    if not await visit.view(lambda uow: setup_links.is_valid(uow, token)):
        raise _expired()
    return show_sign_in(visit, "setup.html", token=token)


@ROUTES.post("/setup", stage=None)
async def make(visit: Visit) -> Response:
    """Create the first administrator, who then sets up a second factor; the link cannot be used again."""
    token, username = visit.form.one("token"), visit.form.one("username")
    if not await visit.view(lambda uow: setup_links.is_valid(uow, token)):
        raise _expired()  # before a hash is spent on it

    def act(uow: UnitOfWork) -> NewSession:
        user = setup_links.use(uow, token, username=username, password=hashed)
        own = visit.service.on(uow.connection, user.actor(visit.address))
        totp.begin(own, user)
        agent = visit.request.headers.get("user-agent", "")
        return sessions.begin(own, user, stage=Stage.ENROLMENT, user_agent=agent, password_asked=True)

    # The link, which the console printed, authorizes this: there is no administrator yet.
    actor = Actor(ActorKind.SERVICE, name="service", roles=frozenset({Role.ADMINISTRATOR.value}), address=visit.address)
    try:
        hashed = await visit.hashing.hash_new_async(visit.form.one("password"), username=username)
        begun = await visit.service.perform(actor, act)
    except Invalid as problem:
        return show_sign_in(visit, "setup.html", status=422, problem=problem, token=token)
    return begin_session(see_other("/sign-in/enrol"), visit, begun)


def _expired() -> NotFound:
    return NotFound("The setup link was used already or has expired. The service prints a new one when it starts.")
