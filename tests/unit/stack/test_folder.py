"""A run folder is private, held by one process and never mistaken for another's."""

import os
import stat
from pathlib import Path

import pytest

from stack.folder import FolderInUse, FolderNotOurs, RunFolder, run_path, sweep
from stack.identity import Identity, identify


def test_the_folder_of_a_checkout_has_no_space_and_lies_outside_it(tmp_path: Path) -> None:
    checkout = tmp_path / "a folder with spaces"
    checkout.mkdir()
    path = run_path(checkout, "run")
    assert " " not in str(path)
    assert not path.is_relative_to(checkout)
    assert path == run_path(checkout, "run")
    assert path != run_path(tmp_path, "run")


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    RunFolder(tmp_path / "run")
    mode = stat.S_IMODE((tmp_path / "run").stat().st_mode)
    assert mode == (0o711 if os.geteuid() == 0 else 0o700)
    assert stat.S_IMODE((tmp_path / "run" / "log").stat().st_mode) == 0o700


def test_two_cannot_hold_it_and_the_second_learns_who_does(tmp_path: Path) -> None:
    held = RunFolder(tmp_path / "run")
    with pytest.raises(FolderInUse, match=str(os.getpid())):
        RunFolder(tmp_path / "run")
    held.close()
    RunFolder(tmp_path / "run").close()


def test_a_link_that_somebody_planted_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FolderNotOurs):
        RunFolder(tmp_path / "run")


def test_a_new_holder_finds_nothing_of_the_old_one(tmp_path: Path) -> None:
    held = RunFolder(tmp_path / "run")
    (held.path / "postgres" / "data").mkdir(parents=True)
    (held.log / "otp.log").write_text("old")
    held.close(keep_log=True)
    assert (tmp_path / "run" / "log" / "otp.log").exists()
    again = RunFolder(tmp_path / "run")
    assert sorted(path.name for path in again.path.iterdir()) == ["lock", "log"]
    assert list(again.log.iterdir()) == []


def test_a_sweep_removes_what_the_dead_left_and_nothing_of_the_living(tmp_path: Path) -> None:
    living = RunFolder(tmp_path / "boothline-test-living")
    (tmp_path / "boothline-test-dead").mkdir()
    (tmp_path / "other").mkdir()
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["boothline-test-living", "other"]
    living.close()


def test_a_process_is_ours_only_with_its_start_time_and_folder() -> None:
    me = identify(os.getpid())
    assert me is not None
    assert me.alive
    assert me.works_in(Path.cwd())
    assert not me.works_in(Path("/nowhere"))
    assert not Identity(me.pid, me.started + 1).works_in(Path.cwd())
    assert identify(2**22 + 1) is None
