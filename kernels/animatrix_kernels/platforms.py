"""What a computation will run on: asked while a function is traced."""

import functools

import jax


def platform_of(array: jax.Array) -> str:
    """Return the JAX platform ("cpu", "gpu", "tpu") that a computation on an array is for.

    A concrete array says so itself. While a function is traced it is the platform of the mesh that
    is set or that the array is split over, which may be one of another machine; else JAX's
    default, wherever `jit` is later told to run.
    """
    if isinstance(array, jax.Array) and not isinstance(array, jax.core.Tracer):
        return _plain(next(iter(array.devices())).platform)
    device = _abstract_device(array)
    if device is not None:
        return _plain(device.platform)
    default = jax.config.jax_default_device
    if default is not None:
        return _plain(default if isinstance(default, str) else default.platform)
    return _plain(jax.default_backend())


def _mesh_of(array: jax.Array) -> jax.sharding.AbstractMesh | None:
    sharding = getattr(jax.typeof(array), "sharding", None)
    mesh = getattr(sharding, "mesh", None)
    return mesh if isinstance(mesh, jax.sharding.AbstractMesh) else None


def _plain(platform: str) -> str:
    return "gpu" if platform in ("cuda", "rocm") else platform


HOPPERS = ("H100", "H200", "H800", "H20", "GH200")
"""What GPUs of compute capability 9.0 have in their name."""


def gpu_capability(array: jax.Array) -> str | None:
    """Return the compute capability of the GPU that a computation on an array is for, as "9.0".

    A mesh may be of GPUs that are elsewhere: of those only the kind is known, and what is not
    known to be a Hopper is returned as its kind. None where nothing is known at all.
    """
    kind = _kind_of(array)
    gpu = local_gpu()
    if gpu is not None and kind in (None, gpu.device_kind):
        return str(getattr(gpu, "compute_capability", "unknown"))
    if kind is None:
        return None
    return "9.0" if any(name in kind for name in HOPPERS) else kind


@functools.cache
def local_gpu() -> jax.Device | None:
    """Return the first GPU of this machine, None without one."""
    try:
        return jax.devices("gpu")[0]
    except RuntimeError:
        return None


def _kind_of(array: jax.Array) -> str | None:
    """Return what the device calls itself that an array is on, or that the mesh is made of."""
    if isinstance(array, jax.Array) and not isinstance(array, jax.core.Tracer):
        return str(next(iter(array.devices())).device_kind)
    device = _abstract_device(array)
    return None if device is None else str(device.device_kind)


def _abstract_device(array: jax.Array) -> jax.sharding.AbstractDevice | None:
    """Return the device of the mesh that is set, or that a traced array is split over."""
    for mesh in (jax.sharding.get_abstract_mesh(), _mesh_of(array)):
        if mesh is not None and not mesh.empty and mesh.abstract_device is not None:
            return mesh.abstract_device
    return None
