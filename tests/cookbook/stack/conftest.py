"""A local stack, and programs that are started on it both cold and warm."""

import pytest

from cookbook.stack.local import LocalStack


@pytest.fixture
def local(project, tmp_path):
    running = LocalStack(project, tmp_path / "stack")
    yield running
    running.close()


@pytest.fixture
def both(local):
    """Start a script cold and warm, with these arguments, and return the two processes, the cold one first."""

    def start(source, *arguments, env=None):
        script = local.folder / "script.py"
        script.write_text(source)
        return [local.start(["python", str(script), *arguments], env=env, cold=cold) for cold in (True, False)]

    return start
