"""The receiver's file, read while it grows."""

from pathlib import Path

from stockwire.replay.proving import ReceiversFile


def line(number: int) -> bytes:
    return b'{"id":"e%d","type":"t","data":{"object":{}},"position":%d}\n' % (number, number)


def test_only_whole_lines_are_read_and_each_once(tmp_path: Path) -> None:
    path = tmp_path / "received"
    file = ReceiversFile(path)
    assert file.read_more() == []
    path.write_bytes(line(1) + line(2)[:20])
    assert [event.id for event in file.read_more()] == ["e1"]
    path.write_bytes(line(1) + line(2) + line(3))
    assert [event.id for event in file.read_more()] == ["e2", "e3"]
    assert file.read_more() == []
    assert [event.position for event in file.told] == [1, 2, 3]
