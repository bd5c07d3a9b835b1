"""Packaging: three import packages, one distribution (metadata and tools: pyproject.toml)."""

from setuptools import find_packages, setup

ROOTS = {"animatrix_kernels": "kernels", "animatrix_data": "data", "animatrix_jax": "."}
# The templates of `animatrix launch`, at the root of a checkout.
TEMPLATES = {"animatrix_jax.launch": "launch"}

packages = [
    package
    for name, root in ROOTS.items()
    for package in find_packages(root, include=[name, f"{name}.*"])
]
folders = {name: f"{root}/{name}".removeprefix("./") for name, root in ROOTS.items()}

setup(packages=[*packages, *TEMPLATES], package_dir=folders | TEMPLATES)
