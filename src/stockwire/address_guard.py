"""Where outbound requests may go (R22): one door for every connection whose host a user chose.

Three steps, each of which must pass: the text of an address (`read_address`), every address that its name resolves to
(`AddressGuard.resolve`, which also pins the connection), and the peer of the open socket (`AddressGuard.refusal`).
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from yarl import URL

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

LONGEST_ADDRESS = 2_048
RESOLVING_THREADS = 32  # names that hang hold a thread each; they must not hold everybody's


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in texts)


# Not reached through a listed name, only through a listed network inside one of these: machines' credentials live here.
SENSITIVE = _networks(
    "169.254.0.0/16", "168.63.129.16/32", "100.100.100.200/32", "192.0.0.192/32",
    "fe80::/10", "fd00:ec2::/32", "fd20:ce::254/128",
)  # fmt: skip

# Never reached at all: they name no host.
NOBODY = _networks("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::/128", "ff00::/8")

# Of the IPv4 space, what is not globally reachable, and what carries another address inside.
NOT_GLOBAL_4 = _networks(
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
    "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
)  # fmt: skip

# Of the IPv6 space only 2000::/3 is handed out as global unicast; that leaves out mapped, compatible, translated
# (NAT64), discard, local, link-local, site-local, multicast and segment-routing addresses at once. Inside it these are
# not global: protocol assignments with Teredo, benchmarking and ORCHID, documentation, 6to4, and anycast sinks.
GLOBAL_6 = IPv6Network("2000::/3")
NOT_GLOBAL_6 = _networks("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
ISATAP = (0x0000_5EFE, 0x0200_5EFE)  # an interface id of this form carries an IPv4 address

# Ports from 1024 up that belong to services which take commands from anybody who can write lines to them.
REFUSED_PORTS = frozenset({
    1080, 1099, 1433, 1434, 1521, 1719, 1720, 1723, 1883, 2049, 2181, 2375, 2376, 2379, 2380, 3128, 3306, 3389, 3659,
    4045, 4190, 4222, 4369, 5060, 5061, 5432, 5433, 5671, 5672, 5900, 5984, 5985, 5986, 6000, 6379, 6380, 6443, 6432,
    6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 7000, 7001, 7199, 8086, 8500, 9042, 9092, 9160, 9200, 9300, 10080,
    10250, 10255, 11211, 15672, 25672, 26379, 26257, 27017, 27018, 27019, 33060, 50070, 61616,
})  # fmt: skip

_PLAIN = re.compile(
    r"[!#-;=?-\[\]_a-z~]+"
)  # visible ASCII without quotes, angle brackets, backslash, caret, braces, bar
_PARTS = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f.]*:[0-9a-f:.]*\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?(?:[/?][^#]*)?",
    re.IGNORECASE,
)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


@dataclass(frozen=True, slots=True)
class Refused:
    """Why an address is not used; a sentence for its owner."""

    reason: str


@dataclass(frozen=True, slots=True)
class Target:
    """An address that may be tried: its text is in order, its host is not vetted yet unless it is a literal."""

    url: URL
    host: str
    port: int
    literal: Address | None

    @property
    def encrypted(self) -> bool:
        return self.url.scheme == "https"


@dataclass(frozen=True, slots=True)
class AllowList:
    """Networks and host names that may be reached although they are not global."""

    networks: tuple[Network, ...] = ()
    names: frozenset[str] = frozenset()

    @classmethod
    def of(cls, entries: Iterable[str]) -> AllowList:
        """Each entry is a network, an address or a host name. Raises ValueError on anything else."""
        networks: list[Network] = []
        names: set[str] = set()
        for entry in entries:
            if "/" in entry or ":" in entry or _NUMBER.fullmatch(entry.rpartition(".")[2].lower()):
                networks.append(ip_network(entry))
            else:
                names.add(_listed_name(entry))
        return cls(tuple(networks), frozenset(names))

    def has_network_of(self, address: Address) -> bool:
        """Whether a listed network holds the address; a sensitive one only by a network that is sensitive itself."""
        holding = [network for network in self.networks if address in network]
        return any(not _is_in(address, SENSITIVE) or _within(network, SENSITIVE) for network in holding)


def _listed_name(entry: str) -> str:
    name = entry.strip().lower().rstrip(".")
    if not _is_host_name(name):
        raise ValueError(f"{entry!r} is neither a network nor a host name")
    return name


def _is_in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _within(network: Network, outer: Iterable[Network]) -> bool:
    return any(network.version == of.version and network.subnet_of(of) for of in outer)  # type: ignore[arg-type]


def is_global(address: Address) -> bool:
    """Whether anybody on the internet could reach the address. The standard library's answer varies by version."""
    if isinstance(address, IPv4Address):
        return not _is_in(address, NOT_GLOBAL_4)
    if address.scope_id is not None or address not in GLOBAL_6 or _is_in(address, NOT_GLOBAL_6):
        return False
    return (int(address) >> 32) & 0xFFFF_FFFF not in ISATAP


def read_address(address: str) -> Target | Refused:
    """Take an address apart, once, with the parser of the client that will use it. No name is resolved here."""
    if len(address) > LONGEST_ADDRESS:
        return Refused(f"An address has at most {LONGEST_ADDRESS} characters.")
    if not _PLAIN.fullmatch(address):
        return Refused("An address is written in plain visible ASCII; write other characters as %.. or in punycode.")
    parts = _PARTS.fullmatch(address)
    if parts is None:
        return Refused("An address looks like https://host/path, without user name, password or fragment.")
    host = _host(parts["host"].lower())
    if isinstance(host, Refused):
        return host
    return _target(address, host, parts["port"], encrypted=parts["scheme"].lower() == "https")


def _target(address: str, host: str, port_text: str | None, encrypted: bool) -> Target | Refused:
    port = int(port_text) if port_text else 443 if encrypted else 80
    if not _is_open_port(port):
        return Refused(f"Port {port} is not for webhooks.")
    url = URL(address, encoded=True)
    if (url.raw_host or "").lower() != host or url.port != port or url.user is not None:
        return Refused("The address can be read in two ways.")
    return Target(url, host, port, _literal(host))


def _is_open_port(port: int) -> bool:
    return port in (80, 443) or (1024 <= port <= 65_535 and port not in REFUSED_PORTS)


def _host(written: str) -> str | Refused:
    """The host in lower case, an IPv6 address without brackets. Numbers that are not four plain ones are refused."""
    if written.startswith("["):
        literal = _literal(written[1:-1])
        return written[1:-1] if literal is not None else Refused("The host is no IPv6 address.")
    if _NUMBER.fullmatch(written.rstrip(".").rpartition(".")[2]):
        return written if _literal(written) is not None else Refused("Write an IPv4 address as four decimal numbers.")
    return written if _is_host_name(written.removesuffix(".")) else Refused("The host is no host name.")


def _is_host_name(name: str) -> bool:
    return len(name) <= 253 and all(_LABEL.fullmatch(label) for label in name.split("."))


def _literal(host: str) -> Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return None if "%" in host else address


class AddressRefused(OSError):  # noqa: N818 - a refusal that has to travel through the client as an exception
    """Raised inside the client where a connection is about to be made to an address that the guard refuses."""


class AddressGuard:
    """Vets hosts against the allow-list. One per process; it holds no connection, only threads that resolve names."""

    def __init__(self, allow: AllowList, resolve: Resolve | None = None) -> None:
        self._allow = allow
        self._resolve = resolve or SystemResolver().resolve

    def refusal(self, address: Address, host: str, must_be_listed: bool) -> str | None:
        """Why no connection is made to `address` under the name `host`, or None. Tells no address."""
        if _is_in(address, NOBODY):
            return "The host leads to an address that names no host."
        if self._allow.has_network_of(address):
            return None
        if host.rstrip(".") in self._allow.names and not _is_in(address, SENSITIVE):
            return None
        if must_be_listed:
            return "Live webhooks need https."
        return None if is_global(address) else "The host leads to an address that is not globally reachable."

    async def resolve(self, host: str, port: int, must_be_listed: bool) -> tuple[Address, ...] | Refused:
        """Every address of a name, or the refusal if any one of them is refused. Raises OSError where it has none."""
        found = tuple(ip_address(text) for text in await self._resolve(host, port))
        if not found:
            raise OSError(f"{host} has no address")
        reasons = [reason for address in found if (reason := self.refusal(address, host, must_be_listed))]
        return Refused(reasons[0]) if reasons else found

    async def vet(self, address: str, live: bool) -> Refused | None:
        """Whether a webhook may be made with this address. A name that does not resolve now may do so later."""
        target = read_address(address)
        if isinstance(target, Refused):
            return target
        must_be_listed = live and not target.encrypted
        if target.literal is not None:
            reason = self.refusal(target.literal, target.host, must_be_listed)
            return Refused(reason) if reason else None
        try:
            found = await self.resolve(target.host, target.port, must_be_listed)
        except OSError:
            return None
        return found if isinstance(found, Refused) else None


class SystemResolver:
    """Names by the system's resolver, on threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(RESOLVING_THREADS, thread_name_prefix="resolve")

    async def resolve(self, host: str, port: int) -> list[str]:
        """All addresses of the name, IPv4 and IPv6. Raises socket.gaierror (an OSError)."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))
