"""What is compared with what: names, sizes, and the untrained forms of each network."""

import pytest
import torch

from photochrom.errors import DataError, ModelError, SettingError
from photochrom.features.labelled import find_labelled
from photochrom.features.subjects import find_subjects, trunk_fingerprint
from photochrom.features.trunk import load_trunk, untrained_trunk
from photochrom.training.recipe import Network

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def labelled(class_folders):
    return find_labelled(class_folders)


def described(subjects):
    return [(subject.name, subject.kind, subject.network, subject.size) for subject in subjects]


def test_each_network_gets_its_baselines_once(saved_run, labelled):
    runs = [
        saved_run("small/full", "full"),
        saved_run("small/class", "class", seed=1),
        saved_run("small/alexnet", "alex"),
    ]
    runs[1] = runs[1] / "last.ckpt"
    found = find_subjects(runs, ["supervised", "kmeans", "gaussian"], labelled)
    eccv16, alexnet = "eccv16 x0.0625", "alexnet x0.0625"
    assert described(found) == [
        ("full", "checkpoint", eccv16, 32), ("class", "checkpoint", eccv16, 32), ("alex", "checkpoint", alexnet, 32),
        (f"gaussian {eccv16}", "gaussian", eccv16, 32), (f"gaussian {alexnet}", "gaussian", alexnet, 32),
        (f"kmeans {eccv16}", "kmeans", eccv16, 32), (f"kmeans {alexnet}", "kmeans", alexnet, 32),
        ("supervised", "supervised", "EfficientNet-lite0", 32),
    ]  # fmt: skip
    made = [subject.make() for subject in found[:7]]
    assert [trunk.name for trunk in made] == [subject.network for subject in found[:7]]
    assert len({trunk_fingerprint(trunk) for trunk in made}) == 7
    assert trunk_fingerprint(found[5].make()) == trunk_fingerprint(
        made[5]
    )  # the k-means one too depends on the seed alone


def test_sizes(saved_run, labelled):
    small, large = saved_run("small/full", "small"), saved_run("small/full", "large", settings=("data.size=64",))
    found = find_subjects([small, large], ["gaussian", "supervised-colour"], labelled)
    assert [(s.name, s.size) for s in found] == [
        ("small", 32), ("large", 64), ("gaussian eccv16 x0.0625 at 32", 32), ("gaussian eccv16 x0.0625 at 64", 64),
        ("supervised-colour", 64),
    ]  # fmt: skip
    found = find_subjects([small, large], ["gaussian", "supervised"], labelled, size=96, supervised_size=128)
    assert [(s.name, s.size) for s in found] == [
        ("small", 96), ("large", 96), ("gaussian eccv16 x0.0625", 96), ("supervised", 128),
    ]  # fmt: skip


def test_names_that_would_be_the_same_become_paths(saved_run, labelled):
    runs = [saved_run("small/full", "mine"), saved_run("small/class", "mine"), saved_run("small/l2", "gaussian")]
    assert [subject.name for subject in find_subjects(runs, [], labelled)] == [str(run) for run in runs]
    with pytest.raises(DataError, match="given twice"):
        find_subjects([runs[0], runs[0].parent / "." / "mine"], [], labelled)


def test_lite_is_never_called_self_supervision(saved_run, labelled):
    lite = saved_run("lite", "lite")
    (found,) = find_subjects([lite], [], labelled)
    assert "supervised reference, not self-supervision" in found.note
    (found,) = find_subjects([saved_run("small/full")], [], labelled)
    assert found.note == ""


def test_wrong_requests_are_refused(saved_run, labelled, tmp_path):
    run = saved_run("small/full")
    with pytest.raises(SettingError, match="--baseline is 'random'; expected one of: gaussian"):
        find_subjects([run], ["random"], labelled)
    with pytest.raises(SettingError, match="--size is 50; expected a multiple of 32"):
        find_subjects([run], [], labelled, size=50)
    with pytest.raises(SettingError, match="--supervised-size is 0"):
        find_subjects([run], [], labelled, supervised_size=0)
    with pytest.raises(SettingError, match="nothing to probe"):
        find_subjects([], [], labelled)
    with pytest.raises(DataError, match="nowhere"):
        find_subjects([tmp_path / "nowhere"], [], labelled)
    with pytest.raises(ModelError, match=r"larsson, which has no named stages"):
        find_subjects([saved_run("small/larsson")], [], labelled)


def test_a_fingerprint_is_of_all_weights(saved_run):
    trunk = load_trunk(saved_run("small/full"))
    before = trunk_fingerprint(trunk)
    assert before == trunk_fingerprint(trunk)
    with torch.no_grad():
        trunk.network.model7[6].running_var[-1] += 1
    assert trunk_fingerprint(trunk) != before
    untrained = [untrained_trunk(Network(name="eccv16", width=0.0625), "gaussian", seed=s) for s in (0, 0, 1)]
    prints = [trunk_fingerprint(each) for each in untrained]
    assert prints[0] == prints[1] != prints[2]
