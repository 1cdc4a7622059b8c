"""The wheel's programs where root's own account cannot run them from: what is copied runs (R24)."""

from pathlib import Path

import pytest

from stockwire.store.embedded_programs import EmbeddedFailure, Programs, copied


def test_r24_the_shared_libraries_beside_the_package_come_along(tmp_path: Path) -> None:
    installed = tmp_path / "site-packages" / "wheel" / "pginstall18"
    (installed / "bin").mkdir(parents=True)
    (installed / "bin" / "postgres").write_text("#!/bin/sh\n")
    (installed / "include").mkdir()
    libraries = tmp_path / "site-packages" / "wheel.libs"
    libraries.mkdir()
    (libraries / "libpq.so").write_text("")

    programs = copied(Programs(installed / "bin", 18), tmp_path)

    assert (programs / "postgres").is_file()
    assert (programs / "../../../wheel.libs/libpq.so").resolve().is_file()  # where the wheel's rpath looks
    assert not (programs.parent / "include").exists()
    assert copied(Programs(installed / "bin", 18), tmp_path) == programs


@pytest.mark.parametrize("odd", ['a"b', "a$b", "a`b", "a\\b"])
def test_r24_a_directory_that_initdb_could_not_name_is_refused(tmp_path: Path, odd: str) -> None:
    with pytest.raises(EmbeddedFailure, match="choose a data directory whose name has none of"):
        copied(Programs(tmp_path / "bin", 18), tmp_path / odd)
