"""``roomkey admin tenant``: whose data is kept apart."""

from roomkey.authorization_server.accounts.tenants.commands import CreateTenant, ListTenants, Tenant
from roomkey.cli.admin.printing import print_done, print_list, when
from roomkey.cli.admin.typer_command import Noun

noun = Noun("tenant", "Tenants: whose data is kept apart.")


@noun.shows(CreateTenant)
def show_created(tenant: Tenant) -> None:
    """Say that it is there."""
    print_done(f"The tenant {tenant.name} is there.")


@noun.shows(ListTenants)
def show_list(tenants: tuple[Tenant, ...]) -> None:
    """Print the table."""
    rows = ({"tenant": one.name, "created": when(one.created_at)} for one in tenants)
    print_list(rows, "tenant", "created", folded="created", empty="There are no tenants: all see everything.")
