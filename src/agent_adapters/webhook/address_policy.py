"""Which network addresses a callback may be sent to.

A callback's URL comes from outside and is requested from inside: without a rule it would reach the machine's own
services and the cloud's metadata server. The rule is kept where an address is dialled, whatever name led to it.
"""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from attrs import frozen

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NEVER = tuple(
    (ip_network(network), what)
    for network, what in (
        ("0.0.0.0/8", "an unspecified address"),
        ("::/128", "an unspecified address"),
        ("169.254.0.0/16", "a link-local or metadata address"),
        ("fe80::/10", "a link-local address"),
        ("100.100.100.200/32", "a cloud's metadata address"),
        ("168.63.129.16/32", "a cloud's metadata address"),
        ("fd00:ec2::254/128", "a cloud's metadata address"),
        ("224.0.0.0/4", "a multicast address"),
        ("ff00::/8", "a multicast address"),
        ("240.0.0.0/4", "a reserved address"),
    )
)
_NAT64 = ip_network("64:ff9b::/96")
_IPV4_COMPATIBLE = ip_network("::/96")
_LOCAL_NAT64 = ip_network("64:ff9b:1::/48")


@frozen(kw_only=True)
class AddressPolicy:
    """What is allowed beyond public hosts by https.

    `allow_private`: loopback and private addresses, right while the server itself is bound to loopback only.
    `allowed_networks`: such addresses one by one. `allow_http`: plain http to public hosts. `own`: address and port
    that the server listens on, never called back. Metadata, link-local, multicast and unspecified addresses are
    refused in every case.
    """

    allow_private: bool = False
    allowed_networks: tuple[Network, ...] = ()
    allow_http: bool = False
    own: tuple[str, int] | None = None

    def problem(self, address: str, port: int, scheme: str) -> str | None:
        """Say why `address`, a plain IP address, may not be called, or None when it may."""
        for ip in _meanings(ip_address(address.partition("%")[0])):
            for network, what in _NEVER:
                if ip in network:
                    return f"{ip} is {what}, which callbacks never go to"
            if self._is_own(ip, port):
                return f"{ip} port {port} is this server itself"
            private = not ip.is_global or ip in _LOCAL_NAT64
            if private and not self.allow_private and not any(ip in network for network in self.allowed_networks):
                return f"{ip} is a loopback or private address: allow it with CALLBACK_ALLOWED_NETWORKS"
            if not private and scheme == "http" and not self.allow_http:
                return f"{ip} is a public address: use https, or allow plain http with CALLBACK_ALLOW_HTTP=1"
        return None

    def _is_own(self, ip: Address, port: int) -> bool:
        if self.own is None or self.own[1] != port:
            return False
        try:
            listen = ip_address(self.own[0])
        except ValueError:  # a name: the server's own machine
            return ip.is_loopback
        return ip == listen or (ip.is_loopback and (listen.is_loopback or listen.is_unspecified))


def _meanings(ip: Address) -> Iterator[Address]:
    """Yield the address that is reached: an IPv6 address may carry an IPv4 one, which is then what counts.

    `is_global` alone says yes to 6to4 and NAT64 forms of 127.0.0.1.
    """
    if isinstance(ip, IPv4Address):
        yield ip
        return
    embedded = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
    if embedded is None and (ip in _NAT64 or (ip in _IPV4_COMPATIBLE and int(ip) > 1)):
        embedded = IPv4Address(int(ip) & 0xFFFFFFFF)
    yield embedded or ip
