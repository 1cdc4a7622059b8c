"""Who is at the other end, and by which name it reached this server; of a trusted proxy, what it says (R25)."""

from __future__ import annotations

from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

from stockwire.api.request import Request

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_FORWARDED = (b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip")


class Peer(NamedTuple):
    """`address` is None where it cannot be told: a Unix socket, or a proxy that nobody trusts."""

    address: Address | None
    host: str  # the name in the address that the client asked for, without port and brackets

    @property
    def on_this_machine(self) -> bool:
        """Whether the client sits here, and is no browser that some page led here under another name."""
        local = self.address is not None and self.address.is_loopback
        return local and self.host in ("localhost", "127.0.0.1", "::1")

    def asked_for(self, names: tuple[str, ...]) -> bool:
        """Whether the name is one that this server goes by: its own, an address, or one of these (R15)."""
        return self.host == "localhost" or _address(self.host) is not None or self.host in names


def peer_of(request: Request) -> Peer:
    """The client of a request."""
    headers = request.headers
    client = request.scope["client"]
    address = _address(client[0]) if client else None
    host = headers.get(b"host", b"")
    if not any(name in headers for name in _FORWARDED):
        return Peer(address, _name(host))
    trusted = _networks(request.doors.settings.trusted_proxies)
    if not _within(address, trusted):
        return Peer(None, _name(host))
    hops = headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")
    return Peer(_first_untrusted(hops, trusted), _name(headers.get(b"x-forwarded-host", host)))


def _first_untrusted(hops: list[str], trusted: tuple[Network, ...]) -> Address | None:
    """Seen from here, the first hop that is no proxy of ours: what stands before it anybody may have written."""
    for hop in reversed(hops):
        address = _address(hop.strip())
        if not _within(address, trusted):
            return address
    return None


def _within(address: Address | None, networks: tuple[Network, ...]) -> bool:
    return address is not None and any(address in network for network in networks)


@cache
def _networks(names: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ip_network(name) for name in names)


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _name(host: bytes) -> str:
    text = host.decode("latin-1").strip().lower()
    name, _, port = text.rpartition(":")
    return (name if name and port.isdigit() and not name.endswith(":") else text).strip("[]")
