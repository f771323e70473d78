"""The report has what failed, too: it is what its reader looks for first."""

from collections.abc import Generator

import pytest

# The last lines of a failure have what the command said.
LONGEST = 8000


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put the words of a failed test into its story."""
    report = yield
    story = getattr(item, "funcargs", {}).get("story")
    if report.failed and story is not None:
        failures = story.setdefault("failures", {})
        failures[f"{item.name}, {report.when}"] = report.longreprtext[-LONGEST:]
    return report
