"""Settings: one frozen object, read once from flags and from STOCKWIRE_<NAME> (or STOCKWIRE_<NAME>_FILE)."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

ROLES = ("api", "deliver", "housekeep")
PREFIX = "STOCKWIRE_"
FILE_SUFFIX = "_FILE"
OWN_TO_TESTS = "STOCKWIRE_TEST_"  # variables of the test suite; never settings
SECRET_FILE_MAX_BYTES = 64 * 1024


class WrongSetting(Exception):  # noqa: N818 - it names what is wrong, as it is said to the person who set it
    """A setting that cannot be used. `setting` is its name as in the table of settings; the text says what is wrong."""

    def __init__(self, setting: str, problem: str) -> None:
        super().__init__(f"{setting}: {problem}")
        self.setting = setting
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Kind:
    """How a setting is written: its name in the documents, text to value (ValueError: not one), value to text."""

    name: str
    parse: Callable[[str], Any]
    write: Callable[[Any], str] = str


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table of settings."""

    name: str
    kind: str
    default: str
    doc: str
    secret: bool

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")


def _text(raw: str) -> str:
    if any(ord(character) < 0x20 for character in raw):
        raise ValueError("holds a control character")
    return raw


def _whole(lowest: int, highest: int) -> Kind:
    def parse(raw: str) -> int:
        if not (raw.isascii() and raw.isdigit() and lowest <= int(raw[:20]) <= highest):
            raise ValueError(f"must be a whole number from {lowest} to {highest}, not {raw!r}")
        return int(raw)

    return Kind("whole number", parse)


def _names(raw: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in _text(raw).split(",") if part.strip())


def _roles(raw: str) -> tuple[str, ...]:
    given = _names(raw)
    if not given or any(role not in ROLES for role in given):
        raise ValueError(f"must be one or more of {', '.join(ROLES)}, not {raw!r}")
    return tuple(role for role in ROLES if role in given)


def _one_of(*choices: str) -> Kind:
    def parse(raw: str) -> str:
        if raw not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}, not {raw!r}")
        return raw

    return Kind("one of " + ", ".join(choices), parse)


def _networks(raw: str) -> tuple[str, ...]:
    from ipaddress import ip_network  # only where networks are given: the supervisor stays small

    return tuple(str(ip_network(name)) for name in _names(raw))


def _networks_or_hosts(raw: str) -> tuple[str, ...]:
    return tuple(_network_or_host(name) for name in _names(raw))


def _network_or_host(name: str) -> str:
    from ipaddress import ip_network

    if "/" in name or ":" in name or name.replace(".", "").isdigit():
        return str(ip_network(name))
    labels = name.rstrip(".").lower().split(".")
    if not all(label and label.replace("-", "").isalnum() and label.isascii() for label in labels):
        raise ValueError(f"{name!r} is neither a network (10.0.0.0/8) nor a host name")
    return ".".join(labels)


def _postgresql(raw: str) -> str:
    if not raw.startswith(("postgresql://", "postgres://")):
        raise ValueError("must be an address such as postgresql://user:password@host/database")  # never repeats it
    return _text(raw)


def _http(raw: str) -> str:
    if not raw.startswith(("http://", "https://")) or len(raw) < 10:
        raise ValueError("must be an address such as http://127.0.0.1:8080")
    return _text(raw).rstrip("/")


TEXT = Kind("text", _text)
NAMES = Kind("names, comma-separated", _names, ",".join)
NETWORKS = Kind("networks, comma-separated", _networks, ",".join)
NETWORKS_OR_HOSTS = Kind("networks or host names, comma-separated", _networks_or_hosts, ",".join)
ROLE_LIST = Kind("of api, deliver, housekeep, comma-separated", _roles, ",".join)
PATH = Kind("path", lambda raw: Path(_text(raw)).expanduser().absolute())
DATABASE = Kind("address", _postgresql)
WEB_ADDRESS = Kind("address", _http)


def default_data_dir() -> Path:
    """Where the embedded database lives unless told: a place for everybody as root, one's own place otherwise (R24)."""
    if os.geteuid() == 0:
        return Path("/var/lib/stockwire")
    own = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(own).expanduser() / "stockwire"


def _setting(kind: Kind, default: Any, doc: str, *, shown: str = "", secret: bool = False) -> Any:
    known = {"kind": kind, "doc": doc, "shown": shown, "secret": secret}
    if callable(default):
        return field(default_factory=default, metadata=known, repr=not secret)
    return field(default=default, metadata=known, repr=not secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting there is. A field is a flag of `stockwire serve` and a variable STOCKWIRE_<NAME>."""

    host: str = _setting(TEXT, "127.0.0.1", "Address to listen on.")
    port: int = _setting(_whole(0, 65535), 8080, "Port to listen on; 0 takes a free one.")
    database: str | None = _setting(
        DATABASE, None, "PostgreSQL 15 or newer to use.", shown="the embedded PostgreSQL", secret=True
    )
    data_dir: Path = _setting(  # noqa: RUF009 - a field, not a default
        PATH,
        default_data_dir,
        "Directory of the embedded database, the secret key and the first keys.",
        shown="/var/lib/stockwire as root, otherwise ~/.local/share/stockwire",
    )
    role: tuple[str, ...] = _setting(ROLE_LIST, ROLES, "What this server does.")
    workers: int = _setting(_whole(1, 64), 1, "Number of API processes.")
    pg_bin: Path | None = _setting(  # noqa: RUF009
        PATH, None, "Directory of the PostgreSQL programs to embed.", shown="those installed with Stockwire"
    )
    secret_key: tuple[str, ...] = _setting(
        NAMES,
        (),
        "Keys that encrypt stored secrets, newest first. Needed with a database of your own.",
        shown="made in the data directory",
        secret=True,
    )
    hosts: tuple[str, ...] = _setting(
        NAMES, (), "Names by which browsers reach this server, besides localhost and addresses."
    )
    trusted_proxies: tuple[str, ...] = _setting(NETWORKS, (), "Networks whose X-Forwarded-* headers are believed.")
    webhook_allow: tuple[str, ...] = _setting(
        NETWORKS_OR_HOSTS, (), "Where webhooks may go although the address is not global."
    )
    egress_proxy: str | None = _setting(WEB_ADDRESS, None, "Proxy for all webhook traffic.", secret=True)
    egress_addresses: tuple[str, ...] = _setting(NETWORKS, (), "Addresses that webhooks come from, told to receivers.")
    log_level: str = _setting(_one_of("debug", "info", "warning", "error"), "info", "Least important line to log.")
    url: str = _setting(WEB_ADDRESS, "http://127.0.0.1:8080", "Server that client commands talk to.")
    key: str | None = _setting(TEXT, None, "API key that client commands use.", secret=True)

    @property
    def embedded(self) -> bool:
        return self.database is None

    def environ(self) -> dict[str, str]:
        """These settings as variables, for a child process; `load({}, settings.environ())` gives them back."""
        known = ((row.name, row.metadata["kind"], getattr(self, row.name)) for row in fields(self))
        return {PREFIX + name.upper(): kind.write(value) for name, kind, value in known if value not in (None, ())}


def _row(name: str, known: Mapping[str, Any], default: Any) -> Setting:
    kind: Kind = known["kind"]
    shown = known["shown"] or ("none" if default in (None, ()) else kind.write(default))
    return Setting(name, kind.name, shown, known["doc"], known["secret"])


TABLE: tuple[Setting, ...] = tuple(_row(row.name, row.metadata, row.default) for row in fields(Settings))
_KINDS: dict[str, Kind] = {row.name: row.metadata["kind"] for row in fields(Settings)}


def load(flags: Mapping[str, object], environ: Mapping[str, str]) -> Settings:
    """Settings from flags (None: not given) over variables over defaults. WrongSetting names the wrong one."""
    raw = _variables(environ)
    raw.update({name: _flag_text(value) for name, value in flags.items() if value not in (None, [], ())})
    return Settings(**{name: _parsed(name, text) for name, text in raw.items()})


def _variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Text of every setting in the environment. An empty variable counts as not given, an unknown one is a mistake."""
    found: dict[str, str] = {}
    for variable, text in environ.items():
        if not variable.startswith(PREFIX) or variable.startswith(OWN_TO_TESTS) or not text:
            continue
        name, from_file = _named(variable)
        if name in found:
            raise WrongSetting(name, f"{PREFIX}{name.upper()} and {PREFIX}{name.upper()}{FILE_SUFFIX} are both given")
        found[name] = _file_text(variable, Path(text)) if from_file else text
    return found


def _named(variable: str) -> tuple[str, bool]:
    name = variable.removeprefix(PREFIX).lower()
    if name in _KINDS:
        return name, False
    plain = name.removesuffix(FILE_SUFFIX.lower())
    if plain in _KINDS:
        return plain, True
    raise WrongSetting(variable, "there is no such setting")


def _file_text(variable: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(SECRET_FILE_MAX_BYTES + 1)
        text = raw.decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as fault:
        raise WrongSetting(variable, f"cannot read {path}: {getattr(fault, 'strerror', None) or fault}") from None
    if not text or len(raw) > SECRET_FILE_MAX_BYTES:
        raise WrongSetting(variable, f"{path} is {'too long' if text else 'empty'}")
    return ",".join(text.split()) if "\n" in text else text


def _flag_text(value: object) -> str:
    return ",".join(str(part) for part in value) if isinstance(value, list | tuple) else str(value)


def _parsed(name: str, text: str) -> Any:
    if name not in _KINDS:
        raise WrongSetting(name, "there is no such setting")
    try:
        return _KINDS[name].parse(text)
    except ValueError as fault:
        raise WrongSetting(name, str(fault)) from None
