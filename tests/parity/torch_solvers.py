"""Where diffusers' schedulers lead: `python -m tests.parity.torch_solvers` stores it."""

from typing import Any

import numpy as np
import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    UniPCMultistepScheduler,
)

from tests.parity.case import write_references
from tests.parity.specs import SOLVER_CASES, SolverCase, solver_problem, wan_grid

FLOW = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "final_sigmas_type": "zero"}


def scheduler_of(case: SolverCase) -> Any:
    """Return a scheduler as Wan sets it, its sigmas set."""
    given = None if case.own_grid else wan_grid(case.grid, case.shift, case.steps)
    shift = case.shift if case.own_grid else 1.0
    if case.solver == "unipc":
        scheduler = UniPCMultistepScheduler(**FLOW, solver_order=2, flow_shift=shift)
        if given is None:
            scheduler.set_timesteps(case.steps)
        else:
            scheduler.set_timesteps(sigmas=given)
    elif case.solver == "dpmpp":
        scheduler = DPMSolverMultistepScheduler(
            **FLOW, algorithm_type="dpmsolver++", solver_type="midpoint", flow_shift=shift
        )
        scheduler.set_timesteps(case.steps)
        if given is not None:
            # This scheduler takes no sigmas; Wan's copy of it sets them like this.
            scheduler.sigmas = torch.from_numpy(np.append(given, 0.0).astype(np.float32))
            scheduler.timesteps = torch.from_numpy(given * 1000).long()
    else:
        scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
        scheduler.set_timesteps(sigmas=wan_grid(case.grid, 1.0, case.steps))
    return scheduler


def references() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Follow the velocity with every scheduler to its last sigma."""
    weights, bias, start = (torch.from_numpy(array) for array in solver_problem())
    arrays, sigmas = {}, {}
    for case in SOLVER_CASES:
        scheduler, latents = scheduler_of(case), start
        for timestep in scheduler.timesteps:
            velocity = torch.tanh(latents @ weights + bias * (timestep / 1000))
            latents = scheduler.step(velocity, timestep, latents, return_dict=False)[0]
        arrays[case.name] = latents.numpy()
        sigmas[case.name] = [float(sigma) for sigma in scheduler.sigmas]
    return arrays, {"sigmas": sigmas, "shapes": {}}


if __name__ == "__main__":
    write_references("solvers", *references())
