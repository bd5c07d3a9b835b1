"""What a computation will run on: asked while a function is traced."""

import functools

import jax


def platform_of(array: jax.Array) -> str:
    """Return the JAX platform ("cpu", "gpu", "tpu") that a computation on an array is for.

    A concrete array says so itself. While a function is traced it is the platform of the mesh that
    is set or that the array is split over, which may be one of another machine; else the default.
    """
    if isinstance(array, jax.Array) and not isinstance(array, jax.core.Tracer):
        return _plain(next(iter(array.devices())).platform)
    for mesh in (jax.sharding.get_abstract_mesh(), _mesh_of(array)):
        if mesh is not None and not mesh.empty and mesh.abstract_device is not None:
            return _plain(mesh.abstract_device.platform)
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


@functools.cache
def gpu_capability() -> str | None:
    """Return the compute capability of the first GPU, as "9.0"; None without one."""
    try:
        devices = jax.devices("gpu")
    except RuntimeError:
        return None
    return str(getattr(devices[0], "compute_capability", "unknown"))
