"""One way to read ``dotted.key=value``, whatever the flag."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gaze_insight.cli.dotted_settings import settings_from
from gaze_insight.cli.gaze_options import compose_gaze_source
from gaze_insight.cli.weak_labels import compose_weak_labels
from gaze_insight.config.loading import compose
from gaze_insight.errors import SettingsError
from gaze_insight.gaze.case_quality import QualityThresholds

READERS = {
    "--set": lambda text: compose(overrides=[text]),
    "--gaze-set": lambda text: compose_gaze_source(overrides=(text,)),
    "--study-set": lambda text: settings_from(QualityThresholds, (text,), "--study-set"),
    "--set of weak labels": lambda text: compose_weak_labels("box", (text,)),
}


@pytest.mark.parametrize("flag", READERS)
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("key", "expects dotted.key=value, found 'key'"),
        (" =3", "expects dotted.key=value, found ' =3'"),
        ("key=[", "is not valid YAML"),
        ("no_such.key=1", "no_such"),
    ],
)
def test_every_flag_refuses_the_same_in_the_same_words(flag, text, says):
    with pytest.raises(SettingsError) as caught:
        READERS[flag](text)
    assert says in str(caught.value)
    if "expects" in says:
        assert caught.value.message.startswith(flag.split(" of ")[0])


def test_later_values_win_over_earlier_ones_and_those_over_the_base():
    texts = ("min_fixations=3", "phases.consecutive=5", "min_fixations=4")
    found = settings_from(QualityThresholds, texts, "--set", {"min_fixations": 2, "mad_factor": 2.5})
    assert (found.min_fixations, found.phases.consecutive, found.mad_factor) == (4, 5, 2.5)
    assert settings_from(QualityThresholds, (), "--set") == QualityThresholds()


def test_a_value_and_settings_below_it_are_the_later_one():
    found = settings_from(QualityThresholds, ("phases=1", "phases.consecutive=5"), "--set")
    assert found.phases.consecutive == 5
    with pytest.raises(SettingsError, match="--set: phases: expected a mapping"):
        settings_from(QualityThresholds, ("phases.consecutive=5", "phases=1"), "--set")


def test_settings_of_gaze_are_read_without_networks():
    program = (
        "import sys; from gaze_insight.cli.dotted_settings import settings_from; "
        "from gaze_insight.gaze.case_quality import QualityThresholds; "
        "settings_from(QualityThresholds, ('min_fixations=3',), '--set'); "
        "from gaze_insight.cli.gaze_options import compose_gaze_source; "
        "compose_gaze_source(overrides=('settings.time_unit=s',)); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
