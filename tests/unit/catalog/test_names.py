"""Keys and values of overrides that would name a file elsewhere."""

import pytest

from provisioner.artifacts.offer import workshop_of
from provisioner.catalog.load import load_catalog
from provisioner.errors import SpecError
from provisioner.spec import Artifacts

OUTSIDE = {
    "a file of a publisher": (
        {"artifacts_upstream": {"x": {"source": "upstream", "files": {"../../../x": {}}}}},
        "artifacts_upstream.x.files.../../../x: not a name",
    ),
    "a build": ({"artifacts_builds": {"../x": {"source": "file"}}}, "artifacts_builds.../x"),
    "a layer": ({"artifacts_layers": {"a/b": {"build": "base"}}}, "artifacts_layers.a/b"),
    "a box": ({"artifacts_boxes": {"..": {}}}, "artifacts_boxes...:"),
    "an image": (
        {"artifacts_cni_flannel": {"images": {"../../x": {"tag": "1"}}}},
        "artifacts_cni_flannel.images.../../x: not a name",
    ),
    "a file in an image": (
        {"artifacts_cni_flannel": {"images": {"flannel": {"files": {"/etc/passwd": "a/b"}}}}},
        "files./etc/passwd: a key may not begin",
    ),
    "a file of another build": (
        {"artifacts_cni_flannel": {"images": {"flannel": {"files": {"x": "base/../../x"}}}}},
        "leads out of its folder",
    ),
    "an archive": (
        {"artifacts_cni_flannel": {"images": {"flannel": {"archive": "base/../../../etc/shadow"}}}},
        "archive: leads out",
    ),
    "a file of a set": (
        {"artifacts_cni_flannel": {"files": {"bin/../../x": "base/x"}}},
        "files.bin/../../x: leads out",
    ),
    "a package that is emptied": (
        {"artifacts_builds": {"flannel-0.28.4": {"omit": ["../../../home"]}}},
        "omit[0]: leads out",
    ),
    "a folder of this host that is emptied": (
        {"artifacts_builds": {"flannel-0.28.4": {"omit": ["/home"]}}},
        "omit[0]: an absolute path",
    ),
    "a vendored module": (
        {"artifacts_builds": {"kubernetes-1.20.2": {"vendor": {"../../x": "v1"}}}},
        "vendor.../../x: leads out",
    ),
    "a folder of wheels": (
        {"artifacts_builds": {"kube-web-view-21.2.0": {"folder": "usr/../../../x"}}},
        "folder: leads out",
    ),
    "a file of a repository": (
        {
            "artifacts_runtime_docker": {
                "repositories": {"RedHat-7": {"base": {"file": "../cron.d/x"}}}
            }
        },
        "base.file: not a file name",
    ),
    "a checksum": (
        {"artifacts_upstream": {"etcd-3.5.24": {"files": {"release": {"sha256": "../x"}}}}},
        "files.release.sha256",
    ),
    "a tag": (
        {"artifacts_cni_flannel": {"images": {"flannel": {"tag": "1 \U0001f600"}}}},
        "images.flannel.tag: use letters",
    ),
    "a version": ({"artifacts_cni_flannel": {"version": "{{ 1 }}"}}, "version: use letters"),
    "a name with a control character": (
        {"artifacts_addon_x": {"kind": "addon", "name": "a\x1b[2J", "version": "1"}},
        "artifacts_addon_x.name: has a control character",
    ),
}


@pytest.mark.parametrize("what", OUTSIDE)
def test_nothing_of_an_override_leads_out_of_its_folder(what):
    overrides, where = OUTSIDE[what]
    with pytest.raises(SpecError) as refused:
        workshop_of(Artifacts(source="packages", overrides=overrides))
    assert where in refused.value.details
    assert "\x1b" not in str(refused.value)


def test_files_of_this_host_and_addresses_are_what_they_are():
    overrides = {
        "artifacts_builds": {"headlamp-0.44.0": {"path": "../saved/headlamp.tar"}},
        "artifacts_toolchains": {"1.19": {"path": "/opt/go/../go-1.19"}},
    }
    assert load_catalog(overrides).toolchains["1.19"].path is not None
