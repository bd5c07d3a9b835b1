"""An oracle's part of a model folder: its weights and, beside them, a card that says what it is."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from animatrix_data.files import whole_file
from animatrix_data.settings import build
from animatrix_jax.checkpoint.folder import save_part


def save_with_card(folder: Path, part: str, params: Any, card: Any, dtype: Any) -> None:
    """Write `part`/model.safetensors and `part`/`part`.json, the card (a dataclass)."""
    save_part(folder, part, params["params"], dtype)
    with whole_file(folder / part / f"{part}.json") as temporary:
        temporary.write_text(json.dumps(dataclasses.asdict(card), indent=1) + "\n", "utf-8")


def read_card[Card](kind: type[Card], folder: Path, part: str) -> Card:
    """Return the card of a part as a dataclass; ValueError where there is no sound one."""
    path = folder / part / f"{part}.json"
    if not path.is_file():
        raise ValueError(f"the model folder {folder} has no {part}/{part}.json")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not an oracle's card: {error}") from error
    return build(kind, content, str(path))
