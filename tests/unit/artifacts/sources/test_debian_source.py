from provisioner.artifacts.sources.debian_source import _served_packages, _stamps
from provisioner.catalog.load import load_catalog


def test_stamps_name_the_vendored_packages():
    flags = _stamps(load_catalog({}).builds["kubernetes-1.20.2"]).split()
    assert "k8s.io/kubernetes/vendor/k8s.io/component-base/version.gitVersion=v1.20.2" in flags
    assert "k8s.io/kubernetes/vendor/k8s.io/client-go/pkg/version.gitMinor=20" in flags


def test_only_tagged_packages_that_a_server_serves_are_in_the_openapi(tmp_path):
    tagged = "// +k8s:openapi-gen=true\npackage v1\n"
    for path, text in {
        "pkg/apis/core/v1/doc.go": tagged,
        "pkg/util/util.go": "package util\n",
        "pkg/only/x_test.go": tagged,
        "staging/src/k8s.io/api/core/v1/doc.go": tagged,
        "staging/src/k8s.io/sample-apiserver/v1/doc.go": tagged,
    }.items():
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(text)
    found = set(_served_packages(tmp_path))
    assert found == {"pkg/apis/core/v1", "staging/src/k8s.io/api/core/v1"}
