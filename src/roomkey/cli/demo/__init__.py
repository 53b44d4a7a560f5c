"""``roomkey demo``: a managed token calls a protected API before your eyes, with real servers on loopback."""


def demo() -> int:
    """Show a managed token at work: real servers on loopback, seven steps, every claim counted. About six seconds."""

    from roomkey.cli.demo.play import play
    from roomkey.cli.look import output

    return play(output())
