"""How fast a full-width expert converts, and in how much memory, against the promised bound.

    python benchmarks/convert.py [--layers=4] [--dtype=BF16] [--shard_bytes=1000000000] [--keep=DIR]

Makes one expert of A14B's widths (40 layers are the whole: 28 GB in BF16, 57 GB in F32) in Wan's
layout, and converts it to ours and on to diffusers', each in a process of its own. The first
source is sparse files: its bytes are zeros that no disk has to give, so the first rate is that of
reading, turning and writing without the reading disk; the second way reads what the first wrote.
The bound on memory is the largest shard and 2 GiB.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path

import numpy as np
from absl import app, flags
from rich.console import Console
from rich.table import Table

from animatrix_jax.checkpoint.folder import ModelCard
from animatrix_jax.checkpoint.shards import shard_names
from animatrix_jax.convert.dit import rules
from animatrix_jax.convert.foreign_config import config_files
from animatrix_jax.convert.layouts import DIFFUSION
from animatrix_jax.convert.networks import expert_shapes, foreign_shape
from animatrix_jax.convert.tensors import ITEM_BYTES, Planned, into_shards
from animatrix_jax.models.animatrix import AniMatrixConfig
from animatrix_jax.models.dit import DiTConfig

LAYERS = flags.DEFINE_integer("layers", 4, "layers of the expert; A14B has 40")
DTYPE = flags.DEFINE_enum("dtype", "BF16", ["BF16", "F32"], "type of every tensor")
SHARD_BYTES = flags.DEFINE_integer("shard_bytes", 1_000_000_000, "most bytes of tensors a file")
KEEP = flags.DEFINE_string("keep", None, "folder to leave the models in (default: a temporary one)")
ROOT = Path(__file__).resolve().parents[1]
GIB = 1 << 30


def write_sparse(folder: Path, layers: int, dtype: str, shard_bytes: int) -> int:
    """Write an expert of zeros in Wan's layout as sparse files; return its tensors' bytes."""
    config = AniMatrixConfig(
        DiTConfig(
            dim=5120, ffn_dim=13824, heads=40, layers=layers, in_channels=16, out_channels=16,
            text_dim=4096, text_length=512,
        ),
        None,
    )  # fmt: skip
    shapes = expert_shapes(config)
    planned = []
    for rule in rules(config.dit):
        assert rule.wan is not None
        shape = foreign_shape(rule, shapes[rule.ours])
        planned.append(Planned(rule.wan, dtype, shape, _never))
    shards = into_shards(planned, shard_bytes)
    folder.mkdir(parents=True)
    for name, shard in zip(shard_names(DIFFUSION, len(shards)), shards, strict=True):
        _write_sparse_shard(folder / name, shard)
    card = ModelCard(transformer=config)
    for name, content in config_files(card, "wan", ("transformer",)).items():
        (folder / name).write_text(json.dumps(content))
    return sum(tensor.bytes for tensor in planned)


def _never() -> np.ndarray:
    raise AssertionError("a sparse file's tensors are not made")


def _write_sparse_shard(path: Path, tensors: list[Planned]) -> None:
    header, end = {}, 0
    for tensor in tensors:
        size = ITEM_BYTES[tensor.dtype]
        for extent in tensor.shape:
            size *= extent
        header[tensor.name] = {
            "dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [end, end + size],
        }  # fmt: skip
        end += size
    text = json.dumps(header).encode()
    with path.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        stream.truncate(8 + len(text) + end)


def convert(source: Path, out: Path, to: str, shard_bytes: int) -> tuple[float, float, float]:
    """Convert in a process of its own; return its seconds, those of CPU, and its peak GiB."""
    command = [sys.executable, "-m", "animatrix_jax.cli", "convert", "--to", to]
    command += [f"--shard_bytes={shard_bytes}", str(source), str(out)]
    began = time.perf_counter()
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    seconds = time.perf_counter() - began
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / GIB


def main(_: list[str]) -> None:
    """Print the table."""
    table = Table("from", "to", "GB", "shards", "s", "CPU s", "MB/s", "peak GiB", "bound GiB")
    kept = nullcontext(KEEP.value) if KEEP.value else tempfile.TemporaryDirectory()
    with kept as place:
        folder = Path(place)
        size = write_sparse(folder / "wan", LAYERS.value, DTYPE.value, SHARD_BYTES.value)
        ways = ("wan", "animatrix", "diffusers")
        for before, after in pairwise(ways):
            seconds, cpu, peak = convert(folder / before, folder / after, after, SHARD_BYTES.value)
            files = list((folder / after / "transformer").glob("*.safetensors"))
            bound = max(file.stat().st_size for file in files) / GIB + 2
            table.add_row(
                before, after, f"{size / 1e9:.1f}", str(len(files)), f"{seconds:.0f}", f"{cpu:.0f}",
                f"{size / 1e6 / seconds:.0f}", f"{peak:.2f}", f"{bound:.2f}",
            )  # fmt: skip
    Console().print(table)


if __name__ == "__main__":
    app.run(main)
