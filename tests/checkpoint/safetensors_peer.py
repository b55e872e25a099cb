"""Reads a file of planaria with the public package, checks some values, writes it again.

safetensors_peer.py OURS THEIRS; called by python_package_test.cpp.
"""

import sys

import numpy
import safetensors
import safetensors.numpy


def main() -> None:
    ours, theirs = sys.argv[1:]
    with safetensors.safe_open(ours, framework="numpy") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    assert metadata == {"seed": "7", "planaria.buffers": "a.counts"}, metadata
    weight = tensors["b.weight"]
    assert weight.dtype == numpy.float32 and weight.shape == (2, 3), weight
    assert weight[0, 1] == -2.25 and numpy.signbit(weight[1, 2]), weight
    assert tensors["a.counts"].tolist() == [-1, 1 << 62], tensors["a.counts"]
    safetensors.numpy.save_file(tensors, theirs, metadata)


main()
