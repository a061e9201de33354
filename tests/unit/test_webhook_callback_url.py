"""Which callback URLs are accepted, by their text and by the address that is dialled."""

from ipaddress import ip_network

import pytest

from agent_adapters.webhook import AddressPolicy, callback_url_problem

LOCAL = AddressPolicy(allow_private=True)
PUBLIC = AddressPolicy()

IN_EVERY_CASE = [
    "ftp://example.com/x",
    "javascript:alert(1)",
    "//example.com/x",
    "example.com/x",
    "",
    "http://",
    "http:///x",
    "https://user:p@example.com/",
    "https://user@example.com/",
    "https://@example.com/",
    "https://example.com/\r\nX-Evil: 1",
    "https://example.com/a b",
    "https://example.com\\@127.0.0.1/",
    "https://example.com:0/",
    "https://example.com:99999/",
    "https://example.com:x/",
    "https://[::1/",
    "https://[fe80::1%25eth0]/",
    "https://example.com/" + "a" * 2048,
    "http://169.254.169.254/",
    "http://[::ffff:169.254.169.254]/",
    "http://[fe80::1]/",
    "http://[fd00:ec2::254]/",
    "http://100.100.100.200/",
    "http://0.0.0.0/",
    "http://[::]/",
    "http://224.0.0.1/",
    "http://[ff02::1]/",
    "http://255.255.255.255/",
    "http://2130706433/",
    "http://0x7f.1/",
    "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://127.1/",
    "http://127.0.0.1./",
    "http://a.0x/",
    "http://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/",
]

LOOPBACK_OR_PRIVATE = [
    "http://127.0.0.1:8080/x",
    "http://localhost/x",
    "http://localhost./x",
    "http://LOCALHOST/x",
    "http://hooks.localhost/x",
    "http://[::1]/x",
    "http://10.0.0.1/",
    "https://192.168.1.1/",
    "http://172.16.0.1/",
    "http://100.64.0.1/",
    "http://[fd12::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::127.0.0.1]/",
    "http://[2002:7f00:1::]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b:1::7f00:1]/",
]


@pytest.mark.parametrize("policy", [LOCAL, PUBLIC], ids=["local", "public"])
@pytest.mark.parametrize("url", IN_EVERY_CASE)
def test_these_are_refused_in_every_case(url: str, policy: AddressPolicy) -> None:
    assert callback_url_problem(url, policy) is not None


@pytest.mark.parametrize("url", LOOPBACK_OR_PRIVATE)
def test_loopback_and_private_ones_are_accepted_only_where_allowed(url: str) -> None:
    assert callback_url_problem(url, LOCAL) is None
    assert callback_url_problem(url, PUBLIC) is not None


@pytest.mark.parametrize(
    "url",
    [
        "https://os.opskings.com/api/webhooks/agent",
        "https://example.com:8443/x?token=a%2Fb#frag",
        "https://93.184.216.34/",
        "https://[2606:2800:220:1::]/",
        "https://xn--bcher-kva.example/",
        "https://v1.2x/",
        "HTTPS://Example.COM/x",
        "http://name-of-which-nothing-is-known.example/x",
    ],
)
def test_public_ones_are_accepted(url: str) -> None:
    assert callback_url_problem(url) is None


def test_plain_http_to_a_public_address_must_be_allowed() -> None:
    assert "https" in str(callback_url_problem("http://93.184.216.34/", LOCAL))
    assert callback_url_problem("http://93.184.216.34/", AddressPolicy(allow_http=True)) is None


def test_single_networks_can_be_allowed_but_never_the_metadata_address() -> None:
    networks = ("fd00::/8", "10.1.0.0/16", "169.254.0.0/16", "127.0.0.0/8")
    policy = AddressPolicy(allowed_networks=tuple(ip_network(text) for text in networks))
    assert callback_url_problem("http://10.1.2.3/", policy) is None
    assert callback_url_problem("http://localhost/", policy) is None
    assert callback_url_problem("http://10.2.0.1/", policy) is not None
    assert callback_url_problem("http://169.254.169.254/", policy) is not None
    assert callback_url_problem("http://[fd00:ec2::254]/", policy) is not None


@pytest.mark.parametrize("listen", ["127.0.0.1", "0.0.0.0", "::", "localhost"])
def test_the_server_does_not_call_itself(listen: str) -> None:
    policy = AddressPolicy(allow_private=True, own=(listen, 3456))
    assert callback_url_problem("http://127.0.0.1:3456/x", policy) is not None
    assert callback_url_problem("http://[::1]:3456/x", policy) is not None
    assert callback_url_problem("http://127.0.0.1:3457/x", policy) is None
