"""URLs of proxies: what is taken, and that nothing secret is shown."""

from __future__ import annotations

import pytest

from wa_api.domain.errors import InvalidProxy
from wa_api.domain.proxies import Proxy, parse_proxy


@pytest.mark.parametrize(
    ("url", "proxy", "shown"),
    [
        ("http://proxy.example:3128", ("http", "proxy.example", 3128), "http://proxy.example:3128"),
        ("https://proxy.example/", ("https", "proxy.example", 443), "https://proxy.example:443"),
        ("http://my_proxy", ("http", "my_proxy", 80), "http://my_proxy:80"),
        ("socks5://10.0.0.1", ("socks5", "10.0.0.1", 1080), "socks5://10.0.0.1:1080"),
        ("socks5://[2001:db8::1]:9", ("socks5", "2001:db8::1", 9), "socks5://[2001:db8::1]:9"),
        (
            "http://me:s%40cret%3A@h:1",
            ("http", "h", 1, "me", "s@cret:"),
            "http://***@h:1",
        ),
        ("socks5://me@h:1", ("socks5", "h", 1, "me", ""), "socks5://***@h:1"),
    ],
)
def test_a_proxy_is_read(url: str, proxy: tuple[object, ...], shown: str):
    """Its parts are decoded; what is shown has no user and no password, nor has its `repr`."""
    read = parse_proxy(url)
    assert read == Proxy(*proxy)  # type: ignore[arg-type]
    assert read.shown == shown
    assert "s@cret" not in repr(read)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "proxy.example:3128",
        "ftp://proxy.example:21",
        "http://",
        "http://:3128",
        "http://h:0",
        "http://h:99999",
        "http://h:80/path",
        "http://h:80?x=secret",
        "http://h:80#x",
        "http://:secret@h:80",
        "http://a%3Ab:secret@h:80",
        "http://h h:80",
        "http://h\r\nX: y:80",
        "http://é.example:80",
        "socks5://" + "u" * 256 + ":secret@h:1",
        "http://[::1:80",
    ],
)
def test_what_is_no_proxy_is_refused_without_repeating_it(url: str):
    """A URL that was mistyped still has its password in it."""
    with pytest.raises(InvalidProxy) as refused:
        parse_proxy(url)
    assert "secret" not in str(refused.value)
