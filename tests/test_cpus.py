"""How many threads a process is to use: machine, containers, environment."""

import os
import warnings

import pytest

from fastsep._engine import cpus

CPUS = 6
V2 = "0::{path}\n"
V1 = "12:pids:{path}\n4:cpu,cpuacct:{path}\n1:name=systemd:{path}\n0::/\n"
MOUNT_V2 = "31 23 0:28 {inside} /sys/fs/cgroup rw,nosuid - cgroup2 cgroup rw,nsdelegate\n"
MOUNT_V1 = (
    "30 23 0:27 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n"
    "33 30 0:30 {inside} /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n"
    "34 30 0:31 {inside} /sys/fs/cgroup/cpu,cpuacct rw shared:10 - cgroup cgroup rw,cpu,cpuacct\n"
)


@pytest.fixture(autouse=True)
def six_cpus(monkeypatch):
    if hasattr(os, "sched_getaffinity"):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(CPUS)))
        monkeypatch.setattr(os, "cpu_count", lambda: 64)  # of the machine: not all are this process's
    else:
        monkeypatch.setattr(os, "cpu_count", lambda: CPUS)


def machine(root, files):
    """A folder with the files of /proc and /sys, as the kernel has them."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def v2(limits, path="/", inside="/"):
    files = {"proc/self/cgroup": V2.format(path=path), "proc/self/mountinfo": MOUNT_V2.format(inside=inside)}
    return files | {f"sys/fs/cgroup/{group}cpu.max": text for group, text in limits.items()}


def v1(limits, path="/", inside="/"):
    files = {"proc/self/cgroup": V1.format(path=path), "proc/self/mountinfo": MOUNT_V1.format(inside=inside)}
    for group, (quota, period) in limits.items():
        files[f"sys/fs/cgroup/cpu,cpuacct/{group}cpu.cfs_quota_us"] = f"{quota}\n"
        files[f"sys/fs/cgroup/cpu,cpuacct/{group}cpu.cfs_period_us"] = f"{period}\n"
    return files


@pytest.mark.parametrize(
    ("files", "threads"),
    [
        ({}, CPUS),  # no Linux
        (v2({}), CPUS),  # the group of all has no file
        (v2({"": "max 100000\n"}), CPUS),
        (v2({"": "200000 100000\n"}), 2),
        (v2({"": "150000 100000\n"}), 2),  # a part of a CPU counts as one
        (v2({"": "50000 100000\n"}), 1),
        (v2({"": "12800000 100000\n"}), CPUS),  # more than there are
        (v2({"a/b/": "max 100000\n", "a/": "300000 100000\n"}, "/a/b"), 3),  # of the group around it
        (v2({"a/b/": "400000 100000\n", "a/": "300000 100000\n"}, "/a/b"), 3),
        (v2({"a/b/": "40000 20000\n", "a/": "300000 100000\n"}, "/a/b"), 2),
        (v2({"a/b/": "max 100000\n", "other/": "100000 100000\n"}, "/a/b"), CPUS),
        (v2({"": "100000 100000\n"}, "/docker/f00", "/docker/f00"), 1),  # only the container's group is mounted
        (v2({"x/": "200000 100000\n"}, "/docker/f00/x", "/docker/f00"), 2),
        (v2({"": "200000 100000\n"}, "/../../outside"), 2),  # the process is outside of what is mounted
        (v2({"": "nonsense\n"}), CPUS),
        (v2({"": "100000 0\n"}), CPUS),
        (v1({"": (-1, 100000)}), CPUS),
        (v1({"": (400000, 100000)}), 4),
        (v1({"a/b/": (-1, 100000), "a/": (120000, 50000), "": (-1, 100000)}, "/a/b"), 3),
        (v1({"": (250000, 100000)}, "/docker/f00", "/docker/f00"), 3),
        (v1({"": (250000, 100000)}, "/docker/f00"), 3),  # the path is the host's, the mount the container's
        ({"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": ""}, CPUS),
        ({"proc/self/cgroup": "not what it was", "proc/self/mountinfo": ""}, CPUS),
    ],
)
def test_the_least_quota_of_all_groups_around_a_process_limits_it(files, threads, tmp_path):
    assert cpus.threads({}, machine(tmp_path, files)) == threads


def test_a_mount_whose_path_has_a_blank(tmp_path):
    files = {
        "proc/self/cgroup": "0::/\n",
        "proc/self/mountinfo": "31 23 0:28 / /my\\040groups rw - cgroup2 cgroup rw\n",
        "my groups/cpu.max": "200000 100000\n",
    }
    assert cpus.threads({}, machine(tmp_path, files)) == 2


NUMBERS = [("2", 2), (" 2", 2), ("2 ", 2), ("+3", 3), ("002", 2), ("64", CPUS)]
NO_NUMBERS = ["", " ", "0", "-1", "many", "2.0", "1e3", "0x2", "2 3", "\uff12"]


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "NUMBA_NUM_THREADS"])
@pytest.mark.parametrize(("text", "threads"), [*NUMBERS, *((text, CPUS) for text in NO_NUMBERS)])
def test_variables_of_others_limit_the_number(name, text, threads, tmp_path):
    assert cpus.threads({name: text}, tmp_path) == threads


@pytest.mark.parametrize(
    ("text", "threads"), [("2,1", 2), (" 3 , 1 , 1 ", 3), ("1,8", 1), ("2,", CPUS), (",2", CPUS), ("2,many", CPUS)]
)
def test_the_first_of_openmps_levels_counts(text, threads, tmp_path):
    assert cpus.threads({"OMP_NUM_THREADS": text}, tmp_path) == threads


def test_the_fewest_of_all_limits_count(tmp_path):
    machine(tmp_path, v2({"": "400000 100000\n"}))
    assert cpus.threads({"OMP_NUM_THREADS": "5"}, tmp_path) == 4
    assert cpus.threads({"OMP_NUM_THREADS": "3", "NUMBA_NUM_THREADS": "5"}, tmp_path) == 3
    assert cpus.threads({"OMP_NUM_THREADS": "3,2", "NUMBA_NUM_THREADS": "2"}, tmp_path) == 2


@pytest.mark.parametrize(("text", "threads"), [("1", 1), (" 5 ", 5), ("12", 12)])
def test_fastseps_own_variable_is_stronger_than_all_limits(text, threads, tmp_path):
    machine(tmp_path, v2({"": "100000 100000\n"}))
    assert cpus.threads({"FASTSEP_NUM_THREADS": text, "OMP_NUM_THREADS": "2"}, tmp_path) == threads


@pytest.mark.parametrize("text", [text for text in NO_NUMBERS if text.strip()] + ["2,1"])
def test_an_unusable_number_of_fastseps_own_is_said_and_ignored(text, tmp_path):
    with pytest.warns(RuntimeWarning, match="FASTSEP_NUM_THREADS is ignored: it must be an integer of at least 1, got"):
        assert cpus.threads({"FASTSEP_NUM_THREADS": text, "OMP_NUM_THREADS": "2"}, tmp_path) == 2


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_variable_is_as_good_as_none(text, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cpus.threads({"FASTSEP_NUM_THREADS": text}, tmp_path) == CPUS
