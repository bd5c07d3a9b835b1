"""Pictures in and out: single images, png folders, gif, and enlarging for the eye."""

import shutil
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from animatrix_data.files import whole_file, whole_folder

type Frames = np.ndarray
"""uint8 [T, H, W, 3], RGB."""


class _TooLarge(ValueError):
    """Our own sentence, told apart from the ValueErrors of the image reader."""


def check_frames(frames: Frames, fps: float) -> Frames:
    """Return `frames`; ValueError unless they are uint8 [T, H, W, 3] and `fps` is positive."""
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or not len(frames):
        raise ValueError(f"Frames are uint8 [T, H, W, 3], not {frames.dtype} {list(frames.shape)}.")
    if not fps > 0:
        raise ValueError(f"The frame rate must be positive, not {fps:g}.")
    return frames


def upscale(frames: Frames, scale: int) -> Frames:
    """Enlarge frames [T, H, W, 3] `scale` times by Lanczos, for looking at."""
    if scale < 1:
        raise ValueError(f"The scale must be 1 or more, not {scale}.")
    if scale == 1:
        return frames
    size = (frames.shape[2] * scale, frames.shape[1] * scale)
    return np.stack([cv2.resize(f, size, interpolation=cv2.INTER_LANCZOS4) for f in frames])


def write_gif(path: str | Path, frames: Frames, fps: float, scale: int = 1) -> None:
    """Write frames uint8 [T, H, W, 3] as a looping gif of the right length in time."""
    frames = upscale(check_frames(frames, fps), scale)
    # Gif counts hundredths of a second: round the running time, not each frame.
    ticks = np.round(np.arange(len(frames) + 1) * 100 / fps).astype(int)
    images = [Image.fromarray(f).quantize(256, dither=Image.Dither.NONE) for f in frames]
    with whole_file(path) as temporary:
        images[0].save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=images[1:],
            duration=[int(10 * d) for d in np.maximum(np.diff(ticks), 2)],
            loop=0,
        )


def write_png_folder(folder: str | Path, frames: Frames) -> None:
    """Write frames uint8 [T, H, W, 3] as `folder`/frame_0000.png and on.

    A folder that holds only such frames is replaced; ValueError if it holds anything else.
    """
    folder, frames = Path(folder), check_frames(frames, 1.0)
    check_png_folder(folder)
    shutil.rmtree(folder, ignore_errors=True)
    with whole_folder(folder) as temporary:
        for index, frame in enumerate(frames):
            Image.fromarray(frame).save(temporary / f"frame_{index:04d}.png")


def check_png_folder(folder: str | Path) -> None:
    """Raise ValueError where `write_png_folder` would have to overwrite something else."""
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file: frames go to .mp4, .gif or a folder.")
    others = [p.name for p in folder.glob("*") if not p.match("frame_*.png")]
    if others:
        raise ValueError(f"{folder} holds other files ({min(others)}): not overwritten.")


def read_image(path: str | Path, max_pixels: int = 8192 * 8192) -> np.ndarray:
    """Read an image as uint8 [H, W, 3] RGB (transparency over white, rotation applied).

    Raises ValueError for a file that is absent, no image, damaged, or past `max_pixels`.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} is not a file.")
    try:
        with Image.open(path) as image:
            if image.width * image.height > max_pixels:
                raise _TooLarge(
                    f"{path} is too large: {image.width}x{image.height} pixels, the limit is "
                    f"{max_pixels}."
                )
            upright = ImageOps.exif_transpose(image).convert("RGBA")
    except _TooLarge:
        raise
    except Image.DecompressionBombError as error:
        raise ValueError(f"{path} is too large an image.") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise ValueError(f"{path} cannot be read as an image.") from error
    white = Image.new("RGBA", upright.size, "white")
    return np.asarray(Image.alpha_composite(white, upright).convert("RGB"))
