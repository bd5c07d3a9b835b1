"""Our solvers against diffusers' schedulers on the same velocity; sigmas from our own grids."""

from collections.abc import Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from animatrix_jax.diffusion.schedule import sampling_sigmas
from animatrix_jax.diffusion.solvers import SOLVERS
from tests.parity.case import FLOAT32_BOUND, Case, read_references, relative_l2
from tests.parity.specs import SOLVER_CASES, SolverCase, solver_problem


def cases() -> Iterator[Case]:
    """Compare the grids and where every solver arrives after its steps."""
    expected, meta = read_references("solvers")
    for case in SOLVER_CASES:
        sigmas = sampling_sigmas(case.steps, case.shift, case.grid)
        error = relative_l2(sigmas, meta["sigmas"][case.name])
        yield Case("solvers", f"{case.name}: sigmas", error, FLOAT32_BOUND)
        error = relative_l2(arrival(case, sigmas), expected[case.name])
        yield Case("solvers", case.name, error, FLOAT32_BOUND)


def arrival(case: SolverCase, sigmas: np.ndarray) -> np.ndarray:
    """Follow the velocity to the last sigma."""
    weights, bias, start = map(jnp.asarray, solver_problem())

    def velocity(latents: jax.Array, timestep: float) -> jax.Array:
        return jnp.tanh(latents @ weights + bias * (timestep / 1000))

    # diffusers hands the model whole timesteps, but not in its Euler scheduler.
    solve = partial(SOLVERS[case.solver], integer_timestep=case.solver != "euler")
    with jax.default_matmul_precision("highest"):
        return np.asarray(jax.jit(lambda x: solve(velocity, x, sigmas))(start))
