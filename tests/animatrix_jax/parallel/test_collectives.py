import jax
import pytest

from animatrix_jax.parallel.collectives import Collective, collectives

FORMS = {
    "replica_groups={{0,1},{2,3},{4,5},{6,7}}": ("tensor",),
    "replica_groups={{0,2},{1,3},{4,6},{5,7}}": ("context",),
    "replica_groups=[2,4]<=[8]": ("context", "tensor"),
    "replica_groups=[4,2]<=[2,4]T(1,0)": ("expert",),
    "replica_groups=mesh['expert'=2,'context'=2,'tensor'=2] {'context'}": ("context",),
    "replica_groups=mesh['axis_0'=2,'axis_1'=4] {'axis_1'}": ("context", "tensor"),
    "replica_groups=mesh['axis_0'=4,'axis_1'=2] {'axis_0'}": ("expert", "context"),
    "channel_id=1": ("expert", "context", "tensor"),
}
"""How the compiler writes groups, and the axes of a mesh 2 x 2 x 2 that they go over."""


@pytest.mark.parametrize("groups", FORMS)
def test_groups_are_read_in_every_form(groups: str) -> None:
    device = jax.devices()[0]
    mesh = jax.sharding.Mesh([[[device] * 2] * 2] * 2, ("expert", "context", "tensor"))
    text = f"  %sum = f32[4,3]{{1,0}} all-reduce(%x), channel_id=3, {groups}, to_apply=%add"
    (found,) = collectives(text, mesh)
    assert found == Collective("all-reduce", FORMS[groups], bytes=48, elements=12)
