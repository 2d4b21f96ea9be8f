"""Frames of video files, decoded by PyAV."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import torch
from av.error import FFmpegError
from torch import Tensor

VIDEO_SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ts", ".webm", ".wmv"})


class VideoError(ValueError):
    """A file that no frames can be read of."""


@dataclass(frozen=True)
class VideoFacts:
    """What can be known of a video by looking at its first frame."""

    height: int
    """Of the upright frame, in pixels."""
    width: int
    """Of the upright frame, in pixels."""
    rate: float
    """Frames per second of playback, 0 where the file does not say."""
    frames: int
    """What the file says of their number, 0 where it does not."""


def probe_video(path: Path) -> VideoFacts:
    """Size and rate of a video whose first frame can be decoded.

    Raises:
        FileNotFoundError: There is no such file.
        VideoError: It is no video, has no video stream, or no frame.
    """
    for frame, stream in _decoded(path):
        _, height, width = _pixels(frame).shape
        return VideoFacts(height, width, float(stream.average_rate or 0), stream.frames)
    raise VideoError(f"{path}: the file ends before the first frame")


def count_frames(path: Path) -> int:
    """Number of frames, found by decoding them all: what files say of it is not to be relied on."""
    return sum(1 for _ in _decoded(path))


def video_frames(path: Path, start: int = 0) -> Iterator[Tensor]:
    """The frames from number ``start`` on, one at a time.

    Yields:
        ``(3, H, W)`` uint8 RGB, upright as the file's rotation says.

    Raises:
        FileNotFoundError: There is no such file.
        VideoError: It is no video, is damaged, or its frames change their size.
    """
    size = None
    for number, (frame, _) in enumerate(_decoded(path)):
        shape = (frame.height, frame.width)
        size = size or shape
        if shape != size:
            raise VideoError(
                f"{path}: expected frames of {size[0]}×{size[1]} pixels (height×width) as in the beginning, found "
                f"{shape[0]}×{shape[1]} at frame {number}; cut the video there"
            )
        if number >= start:
            yield _pixels(frame)


def _decoded(path: Path) -> Iterator[tuple[av.VideoFrame, av.VideoStream]]:
    if not path.is_file():
        raise FileNotFoundError(f"no video file {path}")
    number = 0
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise VideoError(f"{path}: expected a video, found a file without a video stream")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            for number, frame in enumerate(container.decode(stream), start=1):  # noqa: B007
                yield frame, stream
    except FFmpegError as error:
        what = f"damaged after {number} frames" if number else "not a readable video"
        if isinstance(error, EOFError) and not number:
            what = "the file ends before the first frame"
        raise VideoError(f"{path}: {what} ({error.strerror})") from error


def _pixels(frame: av.VideoFrame) -> Tensor:
    array = frame.to_ndarray(format="rgb24")
    image = torch.from_numpy(array).permute(2, 0, 1)
    return torch.rot90(image, round(frame.rotation / 90), dims=(1, 2)).contiguous()
