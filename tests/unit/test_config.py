"""Settings come from flags and variables, and a wrong one is named."""

from pathlib import Path

import pytest

from stockwire import config
from stockwire.config import TABLE, Settings, WrongSetting, load


def test_defaults_need_no_environment() -> None:
    settings = load({}, {})
    assert settings.embedded
    assert settings.role == ("api", "deliver", "housekeep")
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8080, 1)
    assert settings.webhook_allow == ()


def test_a_flag_beats_a_variable_and_a_variable_beats_the_default() -> None:
    environ = {"STOCKWIRE_PORT": "9000", "STOCKWIRE_WORKERS": "3", "PATH": "/bin"}
    settings = load({"port": 9001, "workers": None}, environ)
    assert (settings.port, settings.workers) == (9001, 3)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PORT", "70000"),
        ("PORT", "-1"),
        ("PORT", "80 80"),
        ("PORT", "٣"),
        ("WORKERS", "0"),
        ("ROLE", "api,cook"),
        ("ROLE", ","),
        ("DATABASE", "mysql://x"),
        ("LOG_LEVEL", "loud"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("WEBHOOK_ALLOW", "10.0.0.0/33"),
        ("WEBHOOK_ALLOW", "exa mple.com"),
        ("HOST", "a\nb"),
    ],
)
def test_a_wrong_value_names_its_setting(name: str, text: str) -> None:
    with pytest.raises(WrongSetting) as refused:
        load({}, {f"STOCKWIRE_{name}": text})
    assert refused.value.setting == name.lower()
    assert str(refused.value).startswith(f"{name.lower()}: ")


def test_an_unknown_variable_is_a_mistake_and_not_ignored() -> None:
    with pytest.raises(WrongSetting, match="STOCKWIRE_WEBHOOK_ALOW: there is no such setting"):
        load({}, {"STOCKWIRE_WEBHOOK_ALOW": "127.0.0.0/8"})
    load({}, {"STOCKWIRE_TEST_ENGINE": "system"})


def test_an_empty_variable_counts_as_not_given() -> None:
    assert load({}, {"STOCKWIRE_DATABASE": ""}).embedded


def test_a_secret_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "dsn"
    file.write_text("postgresql://stockwire:hush@db/stockwire\n")
    settings = load({}, {"STOCKWIRE_DATABASE_FILE": str(file)})
    assert settings.database == "postgresql://stockwire:hush@db/stockwire"
    with pytest.raises(WrongSetting, match="both given"):
        load({}, {"STOCKWIRE_DATABASE_FILE": str(file), "STOCKWIRE_DATABASE": "postgresql://x"})


def test_several_keys_in_a_file_stand_a_line_each(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("newest\nolder\n\n")
    assert load({}, {"STOCKWIRE_SECRET_KEY_FILE": str(file)}).secret_key == ("newest", "older")


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"x" * (config.SECRET_FILE_MAX_BYTES + 1)])
def test_a_file_that_cannot_be_used_names_its_variable(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "file"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(WrongSetting, match="STOCKWIRE_KEY_FILE"):
        load({}, {"STOCKWIRE_KEY_FILE": str(file)})


def test_secrets_are_in_neither_the_text_of_settings_nor_of_errors() -> None:
    environ = {"STOCKWIRE_DATABASE": "postgresql://u:hush@h/d", "STOCKWIRE_KEY": "hush", "STOCKWIRE_SECRET_KEY": "hush"}
    assert "hush" not in repr(load({}, environ))
    with pytest.raises(WrongSetting) as refused:
        load({}, {"STOCKWIRE_DATABASE": "hush"})
    assert "hush" not in str(refused.value)


def test_a_child_reads_what_its_parent_had() -> None:
    environ = {
        "STOCKWIRE_DATABASE": "postgresql://u:p@h/d",
        "STOCKWIRE_ROLE": "housekeep,api",
        "STOCKWIRE_WEBHOOK_ALLOW": "127.0.0.0/8,::1,hooks.Example.com",
        "STOCKWIRE_DATA_DIR": "~/somewhere",
        "STOCKWIRE_SECRET_KEY": "a,b",
    }
    settings = load({"port": 0}, environ)
    assert load({}, settings.environ()) == settings
    assert settings.webhook_allow == ("127.0.0.0/8", "::1/128", "hooks.example.com")
    assert settings.role == ("api", "housekeep")
    assert settings.data_dir == Path("~/somewhere").expanduser()


def test_the_table_tells_everything_about_every_setting() -> None:
    assert {row.name for row in TABLE} == set(Settings.__dataclass_fields__)
    for row in TABLE:
        assert row.kind
        assert row.default
        assert row.doc.endswith(".")
        assert row.variable == f"STOCKWIRE_{row.name.upper()}"
    assert {row.name for row in TABLE if row.secret} == {"database", "secret_key", "egress_proxy", "key"}
