"""Which image files may leave the machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

from gaze_insight.errors import DataError, MissingExtraError, SettingsError

__all__ = ["DicomPolicy", "check_sendable", "looks_like_dicom"]

DicomPolicy = Literal["refuse", "clean"]
"""What happens to DICOM: nothing is sent, or what states that no text is burned into its pixels."""

_SUFFIXES = (".dcm", ".dicom", ".ima")
_MAGIC_AT = 128
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_SCREEN_KINDS = frozenset({"SECONDARY", "SCREEN SAVE", "SCREEN", "SCREENSHOT"})
_OVERLAY_GROUPS = range(0x6000, 0x6100, 2)
_UNREADABLE = (OSError, ValueError, TypeError, KeyError, AttributeError, NotImplementedError)
_REMEDY = (
    "look at the picture; if nothing in it tells who the patient is, save it as PNG and describe that, "
    "or cover the text first"
)


def check_sendable(path: str | Path, policy: DicomPolicy = "refuse") -> None:
    """Refuse an image file whose pixels might tell who the patient is.

    What is sent is made from pixels alone (`gaze_insight.language.vlm.pictures.encode_picture`), so no tag
    of a file ever leaves the machine; what can is text within the picture. "refuse" turns every DICOM file
    down. "clean" lets one pass if Burned In Annotation (0028,0301) is NO, Recognizable Visual Features
    (0028,0302) is not YES, it is no secondary capture (SOP class, Conversion Type (0008,0064), or Image Type
    (0008,0008)), and it has no overlay planes (60xx,xxxx). That is what the file states: whether it is true
    is not checked, and no text is searched for in the pixels.

    Other formats (PNG, JPEG, ...) state nothing, and pass. That no name stands in their pixels is the duty
    of whoever made them.

    Args:
        path: The image file.
        policy: What happens to DICOM.

    Raises:
        DataError: The file must not be sent, or cannot be read; file, tag and remedy are named.
        SettingsError: There is no such policy.
        MissingExtraError: "clean" needs the extra ``medical``.

    Example:
        >>> check_sendable("scan.png")
        >>> check_sendable("scan.dcm")
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: scan.dcm: a DICOM file is not sent to a model: its pixels may carry \
the patient's name
          -> save a checked copy as PNG, or give language.describer.dicom=clean to send files that \
state they carry no text
    """
    if policy not in get_args(DicomPolicy):
        raise SettingsError(f"dicom must be refuse or clean, found {policy!r}")
    file = Path(path)
    if not looks_like_dicom(file):
        return
    if policy == "refuse":
        raise DataError(
            "a DICOM file is not sent to a model: its pixels may carry the patient's name",
            path=file,
            remedy="save a checked copy as PNG, or give language.describer.dicom=clean to send files that "
            "state they carry no text",
        )
    reason = _reason_against(file)
    if reason:
        raise DataError(f"the DICOM file is not sent to a model: {reason}", path=file, remedy=_REMEDY)


def looks_like_dicom(path: str | Path) -> bool:
    """Tell a DICOM file by its ending or by its magic, whatever its ending says.

    Args:
        path: The file; it may be absent.

    Returns:
        Whether the file is treated as DICOM.

    Raises:
        DataError: The file is there and cannot be read.

    Example:
        >>> looks_like_dicom("1-01.DCM"), looks_like_dicom("absent.png")
        (True, False)
    """
    file = Path(path)
    if file.suffix.lower() in _SUFFIXES:
        return True
    if not file.is_file():
        return False
    try:
        with file.open("rb") as stream:
            stream.seek(_MAGIC_AT)
            return stream.read(4) == b"DICM"
    except OSError as error:
        raise DataError(f"the image cannot be read: {error.strerror}", path=file) from error


def _reason_against(file: Path) -> str:
    """Say why a DICOM file must not be sent; "" where nothing speaks against it."""
    try:
        import pydicom
    except ImportError as error:
        raise MissingExtraError.for_package("pydicom", "medical") from error
    try:
        tags = pydicom.dcmread(file, stop_before_pixels=True)
        return next(filter(None, (check(tags) for check in _CHECKS)), "")
    except _UNREADABLE as error:
        raise DataError(
            "the DICOM file's header cannot be read, so it is not sent to a model",
            path=file,
            remedy="check that the file is whole, or save a checked copy as PNG",
        ) from error
    except pydicom.errors.InvalidDicomError as error:
        raise DataError(
            "the file is named as DICOM and has no DICOM header, so it is not sent to a model",
            path=file,
            remedy="check that its ending matches its content",
        ) from error


def _burned_in(tags: Any) -> str:
    stated = _text(tags, 0x00280301)
    if stated == "NO":
        return ""
    found = f"is {stated}" if stated else "is absent"
    return f"Burned In Annotation (0028,0301) {found}, and only NO lets it pass"


def _recognizable(tags: Any) -> str:
    if _text(tags, 0x00280302) != "YES":
        return ""
    return "Recognizable Visual Features (0028,0302) is YES"


def _captured(tags: Any) -> str:
    sop_class = _text(tags, 0x00080016)
    if sop_class == _SECONDARY_CAPTURE or sop_class.startswith(f"{_SECONDARY_CAPTURE}."):
        return "it is a secondary capture by its SOP Class UID (0008,0016)"
    if _text(tags, 0x00080064):
        return "it is a secondary capture, since it has a Conversion Type (0008,0064)"
    kinds = _SCREEN_KINDS & set(_text(tags, 0x00080008).split("\\"))
    return f"Image Type (0008,0008) holds {min(kinds)}" if kinds else ""


def _overlaid(tags: Any) -> str:
    groups = sorted({tag.group for tag in tags.keys() if tag.group in _OVERLAY_GROUPS})  # noqa: SIM118
    return f"it has overlay planes ({groups[0]:04x},xxxx)" if groups else ""


def _text(tags: Any, tag: int) -> str:
    """Give a tag's value in capitals, the parts of a multiple one joined by a backslash; "" where absent."""
    if tag not in tags:
        return ""
    value = tags[tag].value
    parts = value if isinstance(value, list | tuple) or hasattr(value, "append") else [value]
    return "\\".join(str(part).strip().upper() for part in parts if part is not None)


_CHECKS: tuple[Callable[[Any], str], ...] = (_burned_in, _recognizable, _captured, _overlaid)
