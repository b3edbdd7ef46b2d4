"""The file of master keys: made once, read by its owner only."""

from __future__ import annotations

import base64
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from candela.vault.keyfile import KeyFileExposed, KeyFileMissing, master_keys_from_file
from candela.vault.masterkeys import BadMasterKeys

KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a file that is not there yet, in a folder that is not there either."""
    return tmp_path / "state" / "master.key"


def test_file_when_missing_then_made_once_for_its_owner_alone(path: Path) -> None:
    made = master_keys_from_file(path, create=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert made.is_generated
    again = master_keys_from_file(path, create=True)
    assert again.key(1) == made.key(1)
    assert [file.name for file in path.parent.iterdir()] == ["master.key"]


def test_file_when_made_in_production_then_refused(path: Path) -> None:
    master_keys_from_file(path, create=True)
    with pytest.raises(BadMasterKeys, match="generated for development"):
        master_keys_from_file(path, create=False, allow_generated=False)


def test_file_when_written_by_a_person_then_read_with_its_remarks(tmp_path: Path) -> None:
    path = tmp_path / "own.key"
    other = base64.b64encode(bytes(range(100, 132))).decode()
    path.write_text(f"# of the safe\n1:{KEY}\n\n  # newer\n2:{other}\n", encoding="ascii")
    path.chmod(0o400)
    keys = master_keys_from_file(path, create=False, allow_generated=False)
    assert keys.versions == (1, 2)
    assert not keys.is_generated


def test_file_when_missing_and_not_to_be_made_then_says_what_to_set(path: Path) -> None:
    with pytest.raises(KeyFileMissing, match="CANDELA_MASTER_KEYS"):
        master_keys_from_file(path, create=False)
    assert not path.parent.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610, 0o601, 0o777])
def test_file_when_others_have_rights_then_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "master.key"
    path.write_text(f"1:{KEY}\n", encoding="ascii")
    path.chmod(mode)
    with pytest.raises(KeyFileExposed, match=f"has mode {mode:o}") as refused:
        master_keys_from_file(path, create=True)
    assert KEY not in str(refused.value)


def test_file_when_a_link_a_folder_or_a_pipe_then_refused(tmp_path: Path) -> None:
    target = tmp_path / "target.key"
    master_keys_from_file(target, create=True)
    link, dangling, folder, pipe = (
        tmp_path / name for name in ("link", "dangling", "folder", "pipe")
    )
    link.symlink_to(target)
    dangling.symlink_to(tmp_path / "nowhere")
    folder.mkdir(mode=0o700)
    os.mkfifo(pipe, 0o600)
    for path in (link, dangling, folder, pipe):
        with pytest.raises(KeyFileExposed):
            master_keys_from_file(path, create=True)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("text", ["", "# only a remark\n", "1:short\n", "\u00e9\n"])
def test_file_when_it_holds_no_key_then_refused_without_its_text(tmp_path: Path, text: str) -> None:
    path = tmp_path / "master.key"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(BadMasterKeys) as refused:
        master_keys_from_file(path, create=True)
    assert "short" not in refused.value.message


def test_file_when_many_start_together_then_all_read_one_key(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from candela.vault.keyfile import master_keys_from_file\n"
        "sys.stdin.read()\n"
        "keys = master_keys_from_file(Path(sys.argv[1]), create=True)\n"
        "print(keys.key(1).reveal_bytes().hex())\n"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    found = {process.communicate()[0] for process in started}
    assert [process.returncode for process in started] == [0] * len(started)
    assert len(found) == 1
    assert [file.name for file in path.parent.iterdir()] == ["master.key"]


def not_there(path: Path) -> bool:
    return False


def test_file_when_another_process_made_it_meanwhile_then_its_key_stays(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = master_keys_from_file(path, create=True)
    with monkeypatch.context() as late:
        # This process looked before the other one had linked its file.
        late.setattr(os.path, "lexists", not_there)
        assert master_keys_from_file(path, create=True).key(1) == first.key(1)
    assert [file.name for file in path.parent.iterdir()] == ["master.key"]
