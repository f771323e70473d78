"""Keys and values of overrides that would name a file elsewhere."""

from functools import reduce

import pytest

from provisioner.artifacts.offer import workshop_of
from provisioner.catalog.load import load_catalog
from provisioner.errors import SpecError
from provisioner.spec import Artifacts

# Keys of an override one below the other, the value there, and what is said of it.
OUTSIDE = {
    "a file of a publisher": ("upstream x files ../../../x", {}, "files.../../../x: not a name"),
    "a build": ("builds ../x source", "file", "artifacts_builds.../x"),
    "a layer": ("layers a/b build", "base", "artifacts_layers.a/b"),
    "a box": ("boxes ..", {}, "artifacts_boxes...:"),
    "an image": ("cni_flannel images ../../x tag", "1", "images.../../x: not a name"),
    "a file in an image": ("cni_flannel images flannel files /x", "a/b", "a key may not begin"),
    "a file of another build": ("cni_flannel images flannel files x", "a/../../x", "leads out"),
    "an archive": ("cni_flannel images flannel archive", "a/../../shadow", "archive: leads out"),
    "a file of a set": ("cni_flannel files bin/../../x", "base/x", "files.bin/../../x: leads out"),
    "a package that is emptied": ("builds flannel-0.28.4 omit", ["../../x"], "omit[0]: leads out"),
    "a folder of this host": ("builds flannel-0.28.4 omit", ["/home"], "omit[0]: an absolute path"),
    "a vendored module": ("builds kubernetes-1.20.2 vendor ../../x", "v1", "../../x: leads out"),
    "wheels": ("builds kube-web-view-21.2.0 folder", "usr/../../../x", "folder: leads out"),
    "a repository": ("runtime_docker repositories RedHat-7 base file", "../cron.d/x", "not a file"),
    "a checksum": ("upstream etcd-3.5.24 files release sha256", "../x", "files.release.sha256"),
    "a tag": ("cni_flannel images flannel tag", "1 \U0001f600", "images.flannel.tag: use letters"),
    "a version": ("cni_flannel version", "{{ 1 }}", "version: use letters"),
    "a file as an address": (
        "upstream etcd-3.5.24 files release url",
        "file:///x",
        "not an address",
    ),
    "a list of sums": ("upstream etcd-3.5.24 files release sums", "/etc/shadow", "not an address"),
    "an option of apt": (
        "host_packages apt build",
        ["-oDPkg::Pre-Invoke::=x"],
        "build[0]: may not",
    ),
    "a package": ("builds base packages", ["-oDir::Bin::dpkg=/x"], "packages[0]: may not begin"),
    "a source package": ("builds kubernetes-1.20.2 package", "-t", "package: may not begin"),
    "a module": ("builds flannel-0.28.4 module", "-modfile=/x", "module: may not begin"),
    "a suite": ("machine_root suite", "--no-check-gpg", "suite: may not begin"),
    "a unit": ("machine_root disabled", ["--root=/"], "disabled[0]: may not begin"),
    "a stamp": ("builds flannel-0.28.4 stamps x", "1 -extld=/x", "stamps.x: has a space"),
    "a stamp's name": ("builds flannel-0.28.4 stamps", {"x -extld=/x": "1"}, "has a space"),
    "a name": ("addon_x name", "a\x1b[2J", "artifacts_addon_x.name: has a control character"),
}


@pytest.mark.parametrize("what", OUTSIDE)
def test_nothing_of_an_override_leads_out_of_its_folder(what):
    keys, value, said = OUTSIDE[what]
    overrides = reduce(lambda below, key: {key: below}, reversed(keys.split()), value)
    overrides = {f"artifacts_{key}": below for key, below in overrides.items()}
    with pytest.raises(SpecError) as refused:
        workshop_of(Artifacts(source="packages", overrides=overrides))
    assert said in refused.value.details
    assert "\x1b" not in str(refused.value)


def test_files_of_this_host_and_addresses_are_what_they_are():
    overrides = {
        "artifacts_builds": {"headlamp-0.44.0": {"path": "../saved/headlamp.tar"}},
        "artifacts_toolchains": {"1.19": {"path": "/opt/go/../go-1.19"}},
    }
    assert load_catalog(overrides).toolchains["1.19"].path is not None
