"""What somebody else wrote is refused by its size within a second, and read as it is otherwise."""

import itertools
import time

import pytest
import yaml

from provisioner.artifacts.offer import offers
from provisioner.errors import SpecError
from provisioner.spec import read_spec
from provisioner.spec.load import MAX_BYTES, load_yaml

LEVELS = "abcdefghij"


def bomb(first, level):
    """YAML of ten lines whose last key stands for a billion values."""
    lines = [f"a: &a {first}"]
    for under, name in itertools.pairwise(LEVELS):
        lines.append(f"{name}: &{name} " + level.format(", ".join([f"*{under}"] * 9)))
    return "\n".join(lines)


TOO_MUCH = {
    "aliases in lists": (bomb("[x]", "[{}]"), "too many values"),
    "aliases in mappings": (bomb("[x]", "{{k: [{}]}}"), "too many values"),
    "aliases that are merged": (bomb("{x: 1}", "{{<<: [{}]}}"), "too many values"),
    "an unknown key with aliases": ("x: " + bomb("[x]", "[{}]")[3:], "too many values"),
    "an alias of itself": ("a: &a [*a]", "contains itself"),
    "50 MB": ("a: x\n" * 10_000_000, "larger than 1 MiB"),
    "a million values": ("- 1\n" * (MAX_BYTES // 4), "too many values"),
    "lists in lists": ("[" * 100_000, "nested too deeply"),
    "blocks in blocks": ("".join(f"{' ' * i}a:\n" for i in range(1000)), "nested too deeply"),
    "a number without an end": ("a: " + "9" * 500_000, "not valid YAML"),
    "a date that is none": ("a: 2001-99-99", "not valid YAML"),
    "a python object": ("a: !!python/object/apply:os.system [id]", "not valid YAML"),
    "a key twice": ("a: 1\na: 2", "given twice"),
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_what_is_too_much_is_refused_within_a_second(name, tmp_path):
    text, why = TOO_MUCH[name]
    file = tmp_path / "lab.yml"
    file.write_text(text)
    begin = time.process_time()
    with pytest.raises(SpecError, match=why) as refused:
        load_yaml(file)
    assert time.process_time() - begin < 1
    assert str(file) in refused.value.brief
    assert refused.value.hint


def test_a_file_without_an_end_is_refused(tmp_path):
    link = tmp_path / "lab.yml"
    link.symlink_to("/dev/zero")
    with pytest.raises(SpecError, match="larger than 1 MiB"):
        load_yaml(link)


@pytest.mark.parametrize("count", [9_000, 19_000])
def test_thousands_of_unknown_keys_are_refused_within_a_second(count, tmp_path):
    file = tmp_path / "lab.yml"
    file.write_text("".join(f"key{i}: 0\n" for i in range(count // 2)))
    begin = time.process_time()
    with pytest.raises(SpecError, match="faults in the lab spec") as refused:
        read_spec(file, offers)
    assert time.process_time() - begin < 3
    assert "more" in refused.value.details.splitlines()[-1]
    assert len(refused.value.details.splitlines()) == 51


def test_a_long_text_is_no_name(tmp_path, good):
    file = tmp_path / "lab.yml"
    good["provider"] = {"name": "vagrant", "box": {"name": "b" * 500_000}}
    file.write_text(yaml.safe_dump(good))
    with pytest.raises(SpecError, match="at most 4096 characters"):
        read_spec(file, offers)


def test_nodes_take_what_they_share_from_an_anchor(tmp_path, good):
    nodes = "".join(
        f"  - {{<<: *small, name: {n['name']}, role: {n['role']}, address: {n['address']}}}\n"
        for n in good.pop("nodes")
    )
    file = tmp_path / "lab.yml"
    file.write_text(
        "x-shared:\n"
        "  base: &base {cpus: 3, memory_mib: 4096, x-note: [1, {2: 3}]}\n"
        "  small: &small {<<: *base, memory_mib: 2048}\n"
        f"nodes:\n{nodes}" + yaml.safe_dump(good)
    )
    spec = read_spec(file, offers)
    assert {(node.cpus, node.memory_mib) for node in spec.nodes} == {(3, 2048)}
