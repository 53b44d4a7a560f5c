import sys
import textwrap

import pytest
from tests.support.child_process import ChildProcess


def child(program: str) -> ChildProcess:
    return ChildProcess([sys.executable, "-c", textwrap.dedent(program)])


def test_its_first_line_says_where_it_serves_and_it_ends_with_its_stdin():
    running = child(
        """
        import sys
        print('{"url": "http://127.0.0.1:1", "secret": "rosebud"}', flush=True)
        sys.stdin.read()
        sys.exit(3)
        """
    )
    assert running.started["url"] == "http://127.0.0.1:1"
    assert "rosebud" not in repr(running)
    assert running.stop() == 3


def test_one_that_ends_before_it_serves_is_an_error():
    with pytest.raises(RuntimeError, match="stderr says why"):
        child("raise SystemExit(1)")
