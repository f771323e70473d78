"""The resolvers of machines, from what a host has in its files."""

import pytest

from provisioner.providers.nspawn import resolver
from provisioner.providers.nspawn.resolver import resolver_of

GATEWAY = "10.77.0.1"


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Write the host's own file, and one that systemd-resolved writes."""
    monkeypatch.setattr(resolver, "RESOLV_CONF", tmp_path / "resolv.conf")
    monkeypatch.setattr(resolver, "BEHIND", (tmp_path / "behind",))

    def write(own, behind=None):
        (tmp_path / "resolv.conf").write_text(own)
        if behind is not None:
            (tmp_path / "behind").write_text(behind)
        return resolver_of(GATEWAY)

    return write


def test_a_resolver_on_another_host_is_taken_with_domains_and_options(files):
    found = files("# by hand\nsearch lab.example\nnameserver 192.0.2.53\noptions timeout:1\n")
    assert found.text == "nameserver 192.0.2.53\nsearch lab.example\noptions timeout:1\n"
    assert found.passed_to == ""


@pytest.mark.parametrize("own", ["127.0.0.1", "127.0.0.53", "127.0.1.1", "::1", "0.0.0.0"])
def test_what_is_behind_a_resolver_on_loopback_is_taken(files, own):
    found = files(f"nameserver {own}\noptions edns0\n", "nameserver 192.0.2.53\nsearch x.example\n")
    assert found.text == "nameserver 192.0.2.53\nsearch x.example\n"
    assert found.passed_to == ""


@pytest.mark.parametrize(
    ("own", "to"), [("127.0.0.1", "127.0.0.1"), ("127.0.0.53", "127.0.0.53"), ("::1", "127.0.0.1")]
)
@pytest.mark.parametrize("behind", [None, "", "nameserver 127.0.0.1\n"])
def test_a_resolver_on_loopback_alone_is_led_to_by_the_host(files, own, to, behind):
    found = files(f"nameserver {own}\nsearch lab.example\n", behind)
    assert found.text == f"nameserver {GATEWAY}\nsearch lab.example\n"
    assert found.passed_to == to
    assert GATEWAY in found.told


def test_resolvers_that_machines_do_not_reach_are_left_out(files):
    found = files("nameserver 2001:db8::53\nnameserver 127.0.0.1\nnameserver 192.0.2.53\n")
    assert found.text == "nameserver 192.0.2.53\n"


@pytest.mark.parametrize("own", ["", "nameserver\n", "nameserver x\n", "nameserver fe80::1%eth0\n"])
def test_a_host_without_any_is_told(files, own):
    found = files(own)
    assert found.text == f"nameserver {GATEWAY}\n"
    assert "names none that machines reach" in found.told
