"""Packaging: three import packages, one distribution (metadata and tools: pyproject.toml)."""

from setuptools import find_packages, setup

ROOTS = {"animatrix_kernels": "kernels", "animatrix_data": "data", "animatrix_jax": "."}

# Templates of `animatrix launch`: at the root of a checkout, in animatrix_jax/launch once installed.
LAUNCH = "animatrix_jax.launch"

setup(
    packages=[
        LAUNCH,
        package
        for name, root in ROOTS.items()
        for package in find_packages(root, include=[name, f"{name}.*"])
    ],
    package_dir={name: f"{root}/{name}".removeprefix("./") for name, root in ROOTS.items()}
    | {LAUNCH: "launch"},
)
