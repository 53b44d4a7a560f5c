"""Sign-in and sign-out, the first administrator, and the user's own account."""

from roomkey.authorization_server.backoffice.sign_in import account, enrol, entry, setup

ROUTES = (*entry.ROUTES, *enrol.ROUTES, *setup.ROUTES, *account.ROUTES)
