"""Labs that send their boxes to one libvirt, at its driver for tests in this process."""

import threading

import libvirt
import pytest

from provisioner.errors import LabError
from provisioner.model import PublishedBox
from provisioner.providers.libvirt.boxes import pool_with_box, uploads_blocked
from provisioner.providers.libvirt.hypervisor import Hypervisor
from provisioner.providers.libvirt.pool import BOX_VOLUME, POOL
from provisioner.render import BoxFile

BOX = BoxFile("kubelab/box-x")
VOLUME = f"kubelab-VAGRANTSLASH-box-x{BOX_VOLUME}0_1_box.img"


@pytest.fixture
def hypervisor(libvirt_for_tests):
    found = Hypervisor(libvirt_for_tests, "kubelab-a-1-", "kubelab lab a-1")
    found.pool.ensure()
    return found


def test_one_lab_at_a_time_sends_a_box(hypervisor, tmp_path):
    events, entered = [], threading.Event()

    def other():
        with pool_with_box(hypervisor, tmp_path, BOX, events.append):
            entered.set()

    thread = threading.Thread(target=other)
    with pool_with_box(hypervisor, tmp_path, BOX, events.append):
        thread.start()
        assert not entered.wait(1)
        with uploads_blocked(tmp_path) as blocked:
            assert not blocked
    thread.join(10)
    assert entered.is_set()
    assert [event.detail for event in events] == [
        "waiting for another lab that uploads its box to libvirt"
    ]


def test_nobody_waits_for_a_lab_whose_box_is_there(hypervisor, tmp_path):
    pool = hypervisor.link.storagePoolLookupByName(POOL)
    pool.createXML(f"<volume><name>{VOLUME}</name><capacity>1048576</capacity></volume>")
    with (
        pool_with_box(hypervisor, tmp_path, BOX, print),
        uploads_blocked(tmp_path) as blocked,
    ):
        assert blocked


def test_the_pool_goes_with_its_boxes_unless_one_is_on_its_way(hypervisor):
    pool = hypervisor.link.storagePoolLookupByName(POOL)
    pool.createXML(f"<volume><name>{VOLUME}</name><capacity>1048576</capacity></volume>")
    hypervisor.sweep(with_boxes=False)
    assert [volume.name() for volume in hypervisor.pool.volumes()] == [VOLUME]
    hypervisor.sweep(with_boxes=True)
    with pytest.raises(libvirt.libvirtError):
        hypervisor.link.storagePoolLookupByName(POOL)


def test_the_pool_stays_for_another_lab_that_has_a_disk_in_it(hypervisor):
    pool = hypervisor.link.storagePoolLookupByName(POOL)
    names = [VOLUME, "kubelab-b-2-one.img"]
    for name in names:
        pool.createXML(f"<volume><name>{name}</name><capacity>1048576</capacity></volume>")
    hypervisor.sweep(with_boxes=True)
    assert sorted(volume.name() for volume in hypervisor.pool.volumes()) == sorted(names)


def test_a_published_box_with_another_content_is_refused_by_both_sums(hypervisor, tmp_path):
    def use(sum_):
        found = PublishedBox("centos/7", "1", "https://example.org/x.box", sum_)
        box = BoxFile("centos/7", tmp_path / "package.box", found)
        with pool_with_box(hypervisor, tmp_path, box, print):
            pass

    for _ in range(2):
        use("a" * 64)
    with pytest.raises(LabError, match="another one of this name") as caught:
        use("b" * 64)
    assert "a" * 64 in caught.value.details
    assert "b" * 64 in caught.value.details
    use("a" * 64)
