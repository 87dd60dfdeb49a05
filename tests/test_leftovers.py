"""What looks for leftovers after each module finds them."""

import os
import subprocess
import sys
import threading
import time

import leftovers
from processes import wait_for

# Goes on without its parent, in a session of its own.
ORPHAN = """
import subprocess, sys
code = "import time; time.sleep(60)"
command = [sys.executable, "-c", code]
silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
print(subprocess.Popen(command, start_new_session=True, **silent).pid)
"""


def test_a_process_whose_parent_has_ended():
    with leftovers.marked() as mark:
        assert leftovers.processes(mark) == []
        command = [sys.executable, "-c", ORPHAN]
        number = int(subprocess.run(command, capture_output=True, check=True).stdout)
        try:
            [found] = leftovers.processes(mark)
        finally:
            os.kill(number, 9)
        assert found.startswith(f"process {number}: ")
        assert "time.sleep(60)" in found
        wait_for(lambda: not leftovers.processes(mark))


def test_a_thread_and_files(tmp_path, monkeypatch):
    monkeypatch.setattr(leftovers, "ROOT", tmp_path / "checkout")
    for name in ("checkout/docs/_build", "checkout/.git", "temporary"):
        (tmp_path / name).mkdir(parents=True)
    found = leftovers.Leftovers("none", tmp_path / "temporary")
    before = set(threading.enumerate())
    assert found.since(before) == []

    thread = threading.Thread(target=time.sleep, args=(0.3,), name="busy")
    thread.start()
    for name in ("docs/left", "docs/_build/made", ".git/made"):
        (tmp_path / "checkout" / name).touch()
    (tmp_path / "temporary" / "scratch").touch()
    files = [f"file {tmp_path / name}" for name in ("checkout/docs/left", "temporary/scratch")]
    assert found.since(before, patience=0) == ["thread busy (Thread)", *files]
    assert found.since(before) == []  # the thread has ended, the files have been told
