"""``roomkey demo``: a managed token calls a protected API before your eyes, with real servers on loopback."""


def demo() -> int:
    """Show tokens at work."""

    from roomkey.cli.demo.play import play
    from roomkey.cli.look import output

    return play(output())
