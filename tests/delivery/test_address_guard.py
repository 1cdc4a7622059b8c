"""R22: where outbound requests may go. Every address below is refused by the guard, and for the right reason."""

import socket
from ipaddress import ip_address
from pathlib import Path

import pytest

from stockwire.address_guard import (
    REFUSED_PORTS,
    AddressGuard,
    AllowList,
    Refused,
    SystemResolver,
    Target,
    is_global,
    read_address,
)

HERE = Path(__file__).parent

# Literal hosts: refused whether or not the request is encrypted.
NOT_GLOBAL = (HERE / "not_global.txt").read_text(encoding="utf-8").split()

# Texts that other parsers read as an address of this machine, or as another host than a person sees.
MALFORMED = (HERE / "malformed.txt").read_text(encoding="utf-8").split()
MALFORMED += [
    "", " ", "http://example.com/ ", " http://example.com/", "http://exa mple.com/", "http://example.com/a b",
    "http://example.com/\r\nHost: x", "http://example.com/\n", "http://example.com\t/", "http://127.0.0.1\x00/",
    "http://example.com/\x7f", "\nhttp://example.com/", "http://\u202eexample.com/",
    "http://example.com/" + "a" * 2_100, "http://" + "a" * 64 + ".com/", "http://" + "a." * 140 + "com/",
]  # fmt: skip


async def no_names(host: str, port: int) -> list[str]:
    raise AssertionError("a literal is not resolved")


def answering(*addresses: str) -> AddressGuard:
    """A guard for which every name has these addresses."""

    async def resolve(host: str, port: int) -> list[str]:
        return list(addresses)

    return AddressGuard(AllowList(), resolve)


def test_the_tables_are_long_enough() -> None:
    assert len(set(NOT_GLOBAL)) + len(set(MALFORMED)) >= 250
    assert sum(host.startswith("[") for host in NOT_GLOBAL) >= 90


@pytest.mark.parametrize("host", NOT_GLOBAL)
async def test_literal_that_is_not_global(host: str) -> None:
    guard = AddressGuard(AllowList(), no_names)
    for scheme in ("http", "https"):
        assert isinstance(read_address(f"{scheme}://{host}/hook"), Target), "refused for its text, not for its meaning"
        refused = await guard.vet(f"{scheme}://{host}/hook", live=False)
        assert refused is not None
        assert "address" in refused.reason


@pytest.mark.parametrize("host", NOT_GLOBAL)
async def test_name_that_resolves_to_it(host: str) -> None:
    address = host.strip("[]")
    for found in ([address], ["93.184.215.14", address], [address, "2606:2800:21f:cb07:6820:80da:af6b:8b2c"]):
        assert await answering(*found).vet("https://hooks.example.com/", live=False), "any one answer refuses"


@pytest.mark.parametrize("address", MALFORMED, ids=ascii)
async def test_malformed(address: str) -> None:
    assert isinstance(read_address(address), Refused)
    assert await answering("93.184.215.14").vet(address, live=False)


@pytest.mark.parametrize(
    "port", [1, 21, 22, 23, 25, 53, 81, 110, 135, 139, 389, 443 + 2, 587, 993, 1023, *REFUSED_PORTS]
)
def test_ports_that_are_not_for_webhooks(port: int) -> None:
    assert isinstance(read_address(f"https://example.com:{port}/"), Refused)


@pytest.mark.parametrize("port", [80, 443, 1024, 3000, 8000, 8080, 8443, 65535])
def test_ports_that_are(port: int) -> None:
    target = read_address(f"http://example.com:{port}/")
    assert isinstance(target, Target)
    assert target.port == port


@pytest.mark.parametrize(
    "address",
    [
        "https://example.com", "https://example.com/", "https://EXAMPLE.com/Hook?a=b&c=%7E%2F", "http://example.com.:8080/x",
        "https://xn--bcher-kva.example/", "https://a_b.example.com/", "https://1a.example/", "https://example.com/?x=1",
        "https://93.184.215.14/", "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]:8443/", "https://example.com/@x:y@z",
        "https://example.com//a//b", "https://localhost.example.com/",
    ],
)  # fmt: skip
async def test_ordinary_addresses_pass_unchanged(address: str) -> None:
    target = read_address(address)
    assert isinstance(target, Target)
    assert str(target.url) == address
    assert await answering("93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c").vet(
        address, live=True
    ) is None or (address.startswith("http://"))


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.215.14", "100.128.0.1", "172.32.0.1", "2600::1", "2a00:1450::8a"]
)
def test_global(address: str) -> None:
    assert is_global(ip_address(address))


async def test_live_mode_needs_https_unless_listed() -> None:
    guard = answering("93.184.215.14")
    assert await guard.vet("http://example.com/", live=True)
    assert await guard.vet("http://example.com/", live=False) is None
    assert await guard.vet("https://example.com/", live=True) is None
    listed = AddressGuard(AllowList.of(["127.0.0.0/8", "::1"]), no_names)
    assert await listed.vet("http://127.0.0.1:8080/", live=True) is None
    assert await listed.vet("http://[::1]:8080/", live=True) is None
    assert await listed.vet("http://93.184.215.14/", live=True)


async def vetted(allow: list[str], address: str, *resolved: str) -> bool:
    async def resolve(host: str, port: int) -> list[str]:
        return list(resolved)

    return await AddressGuard(AllowList.of(allow), resolve).vet(address, live=False) is None


async def test_allow_list() -> None:
    assert await vetted(["10.0.0.0/8"], "http://10.1.2.3/")
    assert await vetted(["10.0.0.0/8"], "http://hooks.internal/", "10.1.2.3")
    assert not await vetted(["10.0.0.0/8"], "http://hooks.internal/", "10.1.2.3", "192.168.0.1")
    assert await vetted(["hooks.internal"], "http://hooks.internal/", "10.1.2.3", "192.168.0.1", "fd00::1")
    assert await vetted(["hooks.internal"], "http://HOOKS.internal./", "10.1.2.3")
    assert not await vetted(["hooks.internal"], "http://other.internal/", "10.1.2.3")
    assert not await vetted(["internal"], "http://hooks.internal/", "10.1.2.3"), "a listed name is that name alone"
    assert not await vetted(["127.0.0.0/8"], "http://[::ffff:127.0.0.1]/")
    assert not await vetted(["hooks.internal", "127.0.0.0/8"], "http://127.0.0.1:6379/"), "ports stay refused"


@pytest.mark.parametrize(
    "sensitive", ["169.254.169.254", "168.63.129.16", "100.100.100.200", "fe80::1", "fd00:ec2::254", "fd20:ce::254"]
)
async def test_listed_names_and_wide_networks_do_not_reach_metadata(sensitive: str) -> None:
    address = f"http://{f'[{sensitive}]' if ':' in sensitive else sensitive}/"
    assert not await vetted(["meta.internal"], "http://meta.internal/", sensitive)
    assert not await vetted(["0.0.0.0/0", "::/0", "100.64.0.0/10", "fc00::/7"], address)
    assert await vetted([sensitive], address), "its own network, listed literally"
    assert await vetted([sensitive], "http://meta.internal/", sensitive)


@pytest.mark.parametrize("nobody", ["0.0.0.0", "0.1.2.3", "224.0.0.1", "255.255.255.255", "::", "ff02::1"])
async def test_what_names_no_host_is_not_reached_at_all(nobody: str) -> None:
    assert not await vetted(["0.0.0.0/0", "::/0", nobody, "any.internal"], "http://any.internal/", nobody)


@pytest.mark.parametrize(
    "entry", ["", "10.0.0.0/33", "10.0.0.1/8", "1.2.3", "host/8", "a b", "-x", "::1::", "*", "*.x"]
)
def test_wrong_entries_of_the_allow_list(entry: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        AllowList.of([entry])


async def test_a_name_without_an_address_may_get_one_later() -> None:
    async def nothing(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    assert await AddressGuard(AllowList(), nothing).vet("https://not-yet.example.com/", live=True) is None


async def test_the_refusal_does_not_tell_what_the_name_resolved_to() -> None:
    refused = await answering("10.11.12.13").vet("https://hooks.example.com/", live=False)
    assert refused is not None
    assert "10.11" not in refused.reason


async def test_system_resolver_and_its_names_for_this_machine() -> None:
    found = await SystemResolver().resolve("localhost", 80)
    assert set(found) <= {"127.0.0.1", "::1"}
    assert found
    assert await AddressGuard(AllowList()).vet("http://localhost:8080/", live=False)
