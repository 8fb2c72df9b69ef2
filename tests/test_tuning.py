"""Sizes of caches as the system tells them."""

import pytest

from fastsep._plan.tuning import cache_size


@pytest.fixture
def system(tmp_path):
    """A folder as Linux has one for a core: 32 KiB of L1 for data and as much for code, so much of L2."""

    def make(second):
        caches = [("1", "Data", "32K"), ("1", "Instruction", "64K"), ("2", "Unified", second)]
        for number, facts in enumerate(caches):
            folder = tmp_path / f"index{number}"
            folder.mkdir(exist_ok=True)
            for name, fact in zip(("level", "type", "size"), facts, strict=True):
                (folder / name).write_text(fact + "\n")
        return tmp_path

    return make


@pytest.mark.parametrize(
    ("second", "used"),
    [
        ("512K", 512 << 10),  # smaller than usual
        ("1024K", 1 << 20),
        ("2048K", 1 << 20),  # no more than was enough
        ("64K", 1 << 20),  # no size of such a cache: a machine that tells nonsense
        ("0K", 1 << 20),
        ("large", 1 << 20),
    ],
)
def test_caches_are_used_as_far_as_they_are_known(second, used, system):
    assert cache_size(2, 1 << 20, system(second)) == used
    assert cache_size(1, 48 << 10, system(second)) == 32 << 10


def test_where_nobody_tells_caches_are_as_usual(tmp_path):
    assert cache_size(2, 1 << 20, tmp_path) == 1 << 20
    (tmp_path / "index0").mkdir()
    assert cache_size(2, 1 << 20, tmp_path) == 1 << 20
