from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaze_insight.chest.findings import FINDINGS
from gaze_insight.chest.label_states import LABEL_SOURCES, reader_states, table_states
from gaze_insight.chest.labels import LabelSettings, choose_findings, label_matrix
from gaze_insight.cohort.case import Case
from gaze_insight.cohort.chest_facts import ChestFacts, ChestReading
from gaze_insight.errors import DataError, SettingsError

NAN = float("nan")
PUBLISHED = {
    "Edema": -1, "Pneumonia": 1, "Fracture": None, "Pneumothorax": 0, "Support Devices": None,
    "No Finding": None,
}  # fmt: skip


def case(one: str = "a", readings: tuple[ChestReading, ...] = (), **labels: Mapping[str, int | None]) -> Case:
    return Case(one, Path(f"{one}.png"), patient=one, chest=ChestFacts(labels=labels, readings=readings))


def read(*certainties: Mapping[str, int | None]) -> tuple[ChestReading, ...]:
    return tuple(
        ChestReading(f"R{index}", "reflacx", certainties=values) for index, values in enumerate(certainties)
    )


def valued(given: Case, **settings) -> dict[str, float]:
    matrix = label_matrix([given], LabelSettings(**settings))
    return dict(zip(matrix.findings, matrix.values[0].tolist(), strict=True))


@pytest.mark.parametrize(("policy", "edema"), [("ones", 1.0), ("zeros", 0.0), ("ignore", NAN)])
@pytest.mark.parametrize(("blank", "fracture"), [("negative", 0.0), ("ignore", NAN)])
def test_the_policies_move_uncertain_and_unmentioned_labels_alone(policy, edema, blank, fracture):
    found = valued(case(chexpert=PUBLISHED), uncertain=policy, not_mentioned=blank)
    np.testing.assert_equal(
        [found["Edema"], found["Fracture"], found["Support Devices"]], [edema, fracture, fracture]
    )
    assert (found["Pneumonia"], found["Pneumothorax"], found["No Finding"]) == (1.0, 0.0, 0.0)


def test_no_finding_makes_what_is_not_mentioned_negative_but_for_devices():
    found = valued(
        case(chexpert=dict.fromkeys(FINDINGS) | {"No Finding": 1, "Pneumonia": 1}), not_mentioned="ignore"
    )
    assert found["No Finding"] == found["Pneumonia"] == 1
    assert np.isnan(found["Support Devices"])
    assert all(found[name] == 0 for name in set(FINDINGS) - {"No Finding", "Pneumonia", "Support Devices"})


def test_a_blank_no_finding_stays_unknown_where_only_uncertain_things_are_said():
    assert np.isnan(
        valued(case(chexpert={"No Finding": None, "Edema": -1}), not_mentioned="ignore")["No Finding"]
    )


def test_the_account_adds_up_and_says_what_became_what():
    cases = [case("a", chexpert=PUBLISHED), case("b", nih={"Mass": 1, "Hernia": 0}), Case("c", Path("c.png"))]
    matrix = label_matrix(cases, LabelSettings(uncertain="ones"))
    assert matrix.ids == ("a", "b", "c")
    assert matrix.sources == {"chexpert": 1, "nih": 1, "none": 1}
    assert matrix.values.dtype == np.float32
    assert all(sum(matrix.row(name)) == sum(matrix.states[name].values()) == 3 for name in matrix.findings)
    assert matrix.states["Edema"] == {"uncertain": 1, "not offered": 2}
    assert matrix.row("Edema") == (1, 0, 2)
    assert matrix.findings[-1] == "Hernia"
    empty = label_matrix([], findings=["Edema"])
    assert empty.values.shape == (0, 1)


def test_readers_were_not_offered_every_finding():
    phase_1 = {
        "Mass": 0,
        "Nodule": 4,
        "Pleural effusion": 0,
        "Lung nodule or mass": None,
        "Pleural abnormality": None,
    }
    found = valued(case(readings=read(phase_1)))
    assert (found["Lung Lesion"], found["Pleural Effusion"], found["No Finding"]) == (1, 0, 0)
    assert "Pneumonia" not in found
    phase_3 = {"Lung nodule or mass": 2, "Pleural abnormality": 4, "Mass": None, "Pleural effusion": None}
    found = valued(case(readings=read(phase_3)))
    assert found["Lung Lesion"] == 0
    assert np.isnan([found["Pleural Effusion"], found["Pleural Other"]]).all()
    assert (found["Pleural abnormality"], found["No Finding"]) == (1, 0)
    absent = valued(case(readings=read({**phase_3, "Pleural abnormality": 0, "Quality issue": 5})))
    assert (absent["Pleural Effusion"], absent["Pleural Other"], absent["No Finding"]) == (0, 0, 1)
    assert "Quality issue" not in absent


@pytest.mark.parametrize(("threshold", "lesion"), [(1, 1.0), (3, 1.0), (4, 0.0)])
def test_the_threshold_on_certainty(threshold: int, lesion: float):
    found = valued(case(readings=read({"Mass": 3, "Support devices": 5})), certainty_threshold=threshold)
    assert found["Lung Lesion"] == lesion
    assert found["No Finding"] == 1 - lesion
    assert found["Support Devices"] == 1


@given(
    st.lists(st.one_of(st.none(), st.integers(0, 5)), min_size=1, max_size=6),
    st.integers(1, 5),
    st.sampled_from(["any", "majority", "mean"]),
)
def test_several_readers_against_a_loop(votes: list[int | None], threshold: int, rule: str):
    offered = [vote for vote in votes if vote is not None]
    readings = read(*({"Consolidation": vote, "Fracture": None} for vote in votes))
    state = reader_states(readings, threshold, rule).get("Consolidation")
    if not offered:
        assert state is None
        return
    present = 0
    for vote in offered:
        present += vote >= threshold
    expected = {
        "any": present >= 1,
        "majority": present > len(offered) / 2,
        "mean": np.mean(offered) >= threshold,
    }[rule]
    assert state == ("positive" if expected else "negative")


@given(st.dictionaries(st.sampled_from(FINDINGS), st.sampled_from([1, 0, -1, None]), min_size=1))
def test_what_is_published_as_positive_or_negative_never_changes(values: dict[str, int | None]):
    states = table_states(values, "chexpert")
    for name, value in values.items():
        if value == 1:
            assert states[name] == "positive"
        if value == 0:
            assert states[name] == "negative"
        if value == -1:
            assert states[name] == "uncertain"


def test_auto_takes_the_first_source_and_a_named_one_only_itself():
    both = case(chexpert={"Edema": 0}, nih={"Edema": 1}, readings=read({"Pulmonary edema": 5}))
    assert valued(both)["Edema"] == 0
    assert valued(both, source="nih")["Edema"] == 1
    assert valued(both, source="reflacx")["Edema"] == 1
    missing = label_matrix([both], LabelSettings(source="egd"), ["Edema"])
    assert np.isnan(missing.values).all()
    assert missing.sources == {"none": 1}
    assert set(LABEL_SOURCES) < set(LabelSettings.model_fields["source"].annotation.__args__)


def test_other_tables():
    egd = case(egd={"Normal": 0, "pleural_effusion_or_thickening": 1, "linear__patchy_atelectasis": 1,
                    "lobar__segmental_collapse": 0, "normal_anatomically": 0, "CHF": 0})  # fmt: skip
    found = valued(egd)
    assert (found["Atelectasis"], found["Lung Opacity"], found["No Finding"]) == (1, 1, 0)
    assert np.isnan(found["Pleural Effusion"])
    assert "normal_anatomically" not in found
    tagged = valued(case(mesh={"Opacity/lung/base": 1, "Scoliosis": 1}))
    assert (tagged["Lung Opacity"], tagged["Pneumonia"], tagged["No Finding"]) == (1, 0, 0)
    assert valued(case(mesh={"No Indexing": 1})) == {}


def test_choosing_needs_both_kinds_and_named_findings_are_taken_as_they_are():
    cases = [case(str(n), nih={"Mass": int(n < 3), "Hernia": int(n == 0), "Effusion": 1}) for n in range(6)]
    assert choose_findings(cases, least=3) == ("Lung Lesion",)
    assert choose_findings(cases, LabelSettings(findings=("Hernia", "Edema")), least=3) == ("Hernia", "Edema")
    with pytest.raises(DataError, match="no finding has 4 positive and 4 negative of 6 cases"):
        choose_findings(cases, least=4)


@pytest.mark.parametrize(
    ("names", "match"), [(("Edma",), "did you mean 'Edema'|'Edma'"), (("Edema", "Edema"), "twice")]
)
def test_wrong_findings_are_refused(names: tuple[str, ...], match: str):
    with pytest.raises(SettingsError, match=match):
        label_matrix([case(chexpert=PUBLISHED)], LabelSettings(findings=names))


def test_labels_of_the_real_radiographs(real_data: Path):
    from gaze_insight.cohort.datasets.nih_tables import read_nih_entries

    entries = read_nih_entries(real_data / "nih-chest-xray" / "Data_Entry_2017.csv").entries
    matrix = label_matrix([case(one, nih=entry.labels) for one, entry in entries.items()])
    assert matrix.values.shape[0] == 806
    assert matrix.row("No Finding") == (405, 401, 0)
    assert matrix.row("Pneumonia") == (401, 405, 0)
    assert matrix.row("Lung Lesion")[0] == 28
    assert matrix.row("Infiltration")[0] == 149
