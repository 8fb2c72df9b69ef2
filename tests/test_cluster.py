"""Arrays of dask on a cluster of processes give what they give in memory, whatever CPUs the workers have."""

import os
import pathlib
import sys

import cloudpickle
import dask.array as da
import numpy as np
import pytest
from distributed import Client, Nanny, Scheduler, SpecCluster
from helpers import skip_without

import fastsep

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers have no such module

AVX2 = "x86-64-v3"
RNG = np.random.default_rng(8)
IMAGE = RNG.random((300, 420), dtype=np.float32)
BYTES = (fastsep.gaussian(IMAGE, 2) * 255).astype(np.uint8)

CALLS = {
    "box": lambda image: fastsep.box(image, 21),
    "gradient": lambda image: fastsep.gradient(image, sigma=1, output="magnitude"),
    "median": lambda image: fastsep.median(image),
    "canny": lambda image: fastsep.canny(image, 1, 0.05, 0.1),
}


@pytest.fixture(scope="module")
def client():
    """A client of two workers, the second of which has the vectors of AVX2 where the CPU has wider ones."""
    here = {"host": "127.0.0.1", "dashboard_address": None}
    workers = {
        number: {"cls": Nanny, "options": {**here, "nthreads": 1, "env": env}}
        for number, env in enumerate(({}, {"NUMBA_CPU_NAME": AVX2}))
    }
    # Any free ports: others may have a cluster on this machine.
    scheduler = {"cls": Scheduler, "options": {**here, "port": 0, "dashboard": False, "dashboard_address": ":0"}}
    with SpecCluster(workers, scheduler, silence_logs="error") as cluster, Client(cluster) as client:
        client.wait_for_workers(2)
        yield client


def target():
    from fastsep._kernels import jit

    return jit.target().name


@pytest.mark.parametrize("image", [IMAGE, pytest.param(BYTES, marks=pytest.mark.slow)], ids=["float32", "uint8"])
@pytest.mark.parametrize(
    "name", ["box", *(pytest.param(name, marks=pytest.mark.slow) for name in CALLS if name != "box")]
)
def test_workers_of_other_widths_give_the_same_bits(client, name, image):
    skip_without(AVX2)
    assert AVX2 in client.run(target).values()
    found = client.compute(CALLS[name](da.from_array(image, 70))).result()
    np.testing.assert_array_equal(found, CALLS[name](image))


def last_words(block, file):
    """The block; but the first worker that asks for it dies."""
    try:
        pathlib.Path(file).touch(exist_ok=False)
    except FileExistsError:
        return block
    os._exit(1)


@pytest.mark.slow
def test_a_worker_that_dies_changes_nothing(client, tmp_path):
    blocks = da.from_array(IMAGE, 100).map_blocks(last_words, str(tmp_path / "dead"), dtype=IMAGE.dtype, meta=IMAGE[:0])
    found = client.compute(fastsep.gaussian(blocks, 2)).result()
    np.testing.assert_array_equal(found, fastsep.gaussian(IMAGE, 2))
    assert (tmp_path / "dead").exists()


@pytest.mark.slow
def test_workers_compile_ahead(client):
    times = client.run(fastsep.warmup, only="edges", dtype="float32")
    assert len(times) == 2
    assert all(seconds > 0 for seconds in times.values())
