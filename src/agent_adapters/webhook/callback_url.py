"""Which callback URLs can be accepted, as far as the text alone tells: names are looked up when they are dialled."""

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from agent_adapters.webhook.address_policy import AddressPolicy

MAX_LENGTH = 2048
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]")
_NUMERIC = re.compile(r"(?:\d+|0x[0-9a-f]*)", re.IGNORECASE)
_LOOPBACK = (ip_address("127.0.0.1"), ip_address("::1"))
_DEFAULT_PORTS = {"http": 80, "https": 443}
_STRICT = AddressPolicy()


def callback_url_problem(url: str, policy: AddressPolicy = _STRICT) -> str | None:
    """Say why callbacks cannot go to `url`, or None when nothing in its text speaks against it."""
    if len(url) > MAX_LENGTH:
        return f"must not be longer than {MAX_LENGTH} characters"
    if _FORBIDDEN.search(url):
        return "must not hold spaces, line ends, control characters or backslashes"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "must be a valid URL"
    if parts.scheme not in _DEFAULT_PORTS:
        return "must begin with https:// or http://"
    if "@" in parts.netloc:
        return "must not hold a user name or a password"
    if port == 0 or not parts.hostname:
        return "must name a host, and no port 0"
    return _host_problem(parts, parts.hostname, port or _DEFAULT_PORTS[parts.scheme], policy)


def _host_problem(parts: SplitResult, host: str, port: int, policy: AddressPolicy) -> str | None:
    if not host.isascii():
        return "must name its host in ASCII letters (xn--... for others)"
    if ":" not in host and not _NUMERIC.fullmatch(host.rstrip(".").rpartition(".")[2]):
        return _name_problem(host, policy)
    try:
        ip_address(host)
    except ValueError:
        return "must write a numeric host as a plain IP address, like 192.0.2.1"
    if "%" in host:
        return "must not name a network interface"
    return policy.problem(host, port, parts.scheme)


def _name_problem(host: str, policy: AddressPolicy) -> str | None:
    if host.rstrip(".").rpartition(".")[2] != "localhost" or policy.allow_private:
        return None
    if any(loopback in network for loopback in _LOOPBACK for network in policy.allowed_networks):
        return None
    return "must not name this machine: allow it with CALLBACK_ALLOWED_NETWORKS"
