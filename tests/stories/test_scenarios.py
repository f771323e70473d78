"""The stories of tests/scenarios/*.yml, each on its lab."""

import pytest

from tests.stories.runner import Runner, Story, read_stories


def as_parameter(story: Story):
    marks = [pytest.mark.lab(story.lab, needs=story.needs, changes=story.changes)]
    marks += [pytest.mark.extended] if story.extended else []
    return pytest.param(story, id=f"{story.file}: {story.name}", marks=marks)


@pytest.mark.parametrize("story", [*map(as_parameter, read_stories())])
def test_story(story, lab, tmp_path):
    Runner(lab, story, tmp_path).run(story.steps)
