import itertools
import os
import shutil
import subprocess
from ipaddress import IPv4Network
from pathlib import Path

import jinja2
import pytest

from provisioner import render
from provisioner.artifacts.offer import offers
from provisioner.context import make_context
from provisioner.lab import Lab, profiles
from provisioner.phases import machines
from provisioner.render import BoxFile, VagrantLab, render_vagrantfile
from provisioner.spec import VagrantOptions, parse_spec, read_spec

VIRTUAL = [
    name
    for name, path in profiles().items()
    if isinstance(read_spec(path, offers).provider, VagrantOptions)
]
RICH = {
    "uri": "qemu+ssh://me@far/system",
    "cpu_model": "Skylake-Server",
    "nested": True,
    "bridge": "br0",
    "mtu": 1400,
    "docker_disk_gib": 40,
    "synced_folder": '/home/me/#{`reboot`} "quoted"',
}


def vagrantfile(spec, driver="qemu", box=None):
    lab = VagrantLab(
        lab=spec.name,
        nodes=spec.machines,
        network=IPv4Network(spec.networks.node),
        driver=driver,
        box=box or BoxFile("kubelab/box", Path("/cache/package.box")),
        prefix=f"kubelab-{spec.name}-0a1b2c-",
        mark=f"kubelab lab {spec.name}-0a1b2c",
        pool="kubelab",
        consoles="/var/lib/libvirt/kubelab",
        folder=Path("/home/me/.lab/embedded"),
    )
    return render_vagrantfile(lab, spec.provider)


def plain(good):
    good["provider"] = {"name": "vagrant", "box": {"name": "debian12"}}
    return parse_spec(good, "lab.yml", offers)


def rich(good):
    good["provider"] = {"name": "vagrant", "box": {"name": "debian12", "baked": False}, **RICH}
    good["nodes"][1]["disks_gib"] = [5, 6]
    return parse_spec(good, "lab.yml", offers)


def test_there_is_a_profile_of_virtual_machines():
    assert VIRTUAL


def box_of(spec):
    """The box of a profile, as a lab of it has it."""
    context = make_context(Lab(spec.name), spec)
    published = machines._published(context)
    name = published.name if published else "kubelab/box"
    return BoxFile(name, Path("/cache/package.box"), published)


@pytest.mark.parametrize("name", VIRTUAL)
def test_the_vagrantfile_of_each_profile_is_as_it_was(name, snapshot):
    spec = read_spec(profiles()[name], offers)
    assert vagrantfile(spec, box=box_of(spec)) == snapshot


def test_a_fetched_box_has_its_public_name_address_and_sum():
    spec = read_spec(profiles()["centos7"], offers)
    text = vagrantfile(spec, "kvm", box_of(spec))
    fetched = make_context(Lab("x"), spec).catalog.boxes["centos7"]
    assert 'config.vm.box = "centos/7"\n' in text
    assert f'# Version "{fetched.version}", ' in text
    way = 'File.exist?(fetched) ? "file:///cache/package.box" : '
    assert f'config.vm.box_url = {way}"{fetched.file.url}"\n' in text
    assert f'config.vm.box_download_checksum = "{fetched.file.sha256}"\n' in text
    # Vagrant refuses a version beside the address of a box.
    assert "config.vm.box_version" not in text


def test_every_lab_of_virtual_machines_has_networks_of_its_own():
    specs = [read_spec(profiles()[name], offers) for name in VIRTUAL]
    ranges = [IPv4Network(spec.networks.node) for spec in specs]
    ranges += [IPv4Network(spec.provider.management) for spec in specs]
    # What vagrant-libvirt itself takes for the first lab of anybody.
    ranges.append(IPv4Network("192.168.121.0/24"))
    for one, other in itertools.combinations(ranges, 2):
        assert not one.overlaps(other), (one, other)


def test_the_vagrantfile_with_every_option_is_as_it_was(good, snapshot):
    assert vagrantfile(rich(good), "kvm", BoxFile("centos/7")) == snapshot


def test_only_all_that_emulation_offers_is_cut_down(good):
    assert "max-x86_64-cpu.erms=off" in vagrantfile(plain(good), "qemu")
    assert "max-x86_64-cpu" not in vagrantfile(rich(good), "qemu")
    assert "max-x86_64-cpu" not in vagrantfile(plain(good), "kvm")


def test_text_of_the_user_is_not_run_by_ruby(good):
    text = vagrantfile(rich(good))
    assert '"/home/me/\\#{`reboot`} \\"quoted\\""' in text
    if not shutil.which("ruby"):
        pytest.skip("no ruby on this host")
    quoted = next(line for line in text.splitlines() if "reboot" in line)
    said = subprocess.run(
        ["ruby", "-e", f"puts({quoted.split('synced_folder ')[1].split(', ')[0]})"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said == RICH["synced_folder"] + "\n"


def test_a_name_that_the_template_does_not_get_is_an_error(good, monkeypatch, tmp_path):
    template = tmp_path / "Vagrantfile.j2"
    template.write_text("{{ not_there }}")
    monkeypatch.setattr(render, "VAGRANTFILE", template)
    with pytest.raises(jinja2.UndefinedError):
        vagrantfile(rich(good))


def test_vagrant_accepts_the_file_of_centos7(tmp_path):
    if not shutil.which("vagrant"):
        pytest.skip("no vagrant on this host")
    spec = read_spec(profiles()["centos7"], offers)
    (tmp_path / "Vagrantfile").write_text(vagrantfile(spec, "kvm"))
    done = subprocess.run(
        ["vagrant", "validate"],
        cwd=tmp_path,
        env={**os.environ, "VAGRANT_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
