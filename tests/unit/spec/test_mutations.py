"""Hundreds of mutations of a good spec: each is read, or refused by name. Nothing else happens."""

import copy

import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from provisioner.artifacts.offer import offers
from provisioner.errors import SpecError
from provisioner.lab import profiles
from provisioner.spec import LabSpec, parse_spec

GOOD = yaml.safe_load(profiles()["embedded"].read_text())
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**6), 10**6),
    st.floats(),
    st.text(max_size=40),
    st.sampled_from(["10.77.0.0/24", "10.77.0.10", "master", "::1", "0.0.0.0/0", "10.0.0.0/8"]),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=8), st.integers(), max_size=3),
)


def places(data, path=()):
    yield path
    if isinstance(data, dict | list):
        for key in data if isinstance(data, dict) else range(len(data)):
            yield from places(data[key], (*path, key))


PLACES = [path for path in places(GOOD) if path]


def mutate(data, path, value, how):
    changed = copy.deepcopy(data)
    place = changed
    for key in path[:-1]:
        place = place[key]
    if how == "drop":
        del place[path[-1]]
    elif how == "add" and isinstance(place, dict):
        place[str(value)] = value
    else:
        place[path[-1]] = value
    return changed


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(PLACES), JUNK, st.sampled_from(["set", "drop", "add"]))
@example(("networks",), None, "set")
@example(("artifacts", "overrides"), {"": 0}, "set")
def test_a_mutated_spec_is_read_or_refused_by_key(path, value, how):
    mutated = mutate(GOOD, path, value, how)
    try:
        assert isinstance(parse_spec(mutated, "lab.yml", offers), LabSpec)
    except SpecError as error:
        assert error.exit_code == 2
        for line in error.details.splitlines():
            assert line.startswith(("lab.yml: ", "artifacts.overrides.")), line
