"""Silence for libraries that write to stderr what we raise as an error."""

import os


def quieten_opencv() -> None:
    """Keep OpenCV and its FFmpeg from writing to stderr, unless the user asked for it by environment variable.

    To be called before a capture is opened: FFmpeg's level is read once for each process.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # Source: libavutil/log.h, AV_LOG_QUIET
    if "OPENCV_LOG_LEVEL" in os.environ:
        return
    import cv2

    set_level = getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel  # OpenCV 4, OpenCV 5
    set_level(0)  # Source: opencv2/core/utils/logger.defines.hpp, LOG_LEVEL_SILENT
