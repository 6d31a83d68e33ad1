"""The connection to a server: its address, the key, proxies, and why it cannot be reached."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from gaze_insight.errors import SettingsError
from gaze_insight.language.vlm.faults import AttemptError, EndpointError
from gaze_insight.language.vlm.settings import VlmSettings

if TYPE_CHECKING:
    import httpx

__all__ = ["address_of", "connect", "read_key", "sort_transport_error"]

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def address_of(endpoint: str) -> str:
    """Give an endpoint's scheme, host, port and path, without anything else.

    Args:
        endpoint: An address.

    Returns:
        The address for records.

    Example:
        >>> address_of("https://user:secret@models.example:8443/v1?key=1")
        'https://models.example:8443/v1'
    """
    parts = urlsplit(endpoint)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def read_key(name: str | None) -> str | None:
    """Read the key from the environment.

    Args:
        name: The variable; None for a server that wants no key.

    Returns:
        The key.

    Raises:
        SettingsError: The variable is not set, is empty, or holds what cannot be a key; its value is not
            repeated.

    Example:
        >>> read_key(None) is None
        True
    """
    if name is None:
        return None
    key = os.environ.get(name, "").strip()
    if not key:
        raise SettingsError(
            f"api_key_env: the environment variable {name!r} is not set", remedy=f"export {name}=..."
        )
    if not all("!" <= character <= "~" for character in key):
        raise SettingsError(f"api_key_env: what {name!r} holds cannot be a key: it has blanks or odd letters")
    return key


def connect(settings: VlmSettings, key: str | None) -> httpx.AsyncClient:
    """Set up the connections to a server; nothing is sent.

    Proxies of the environment are used, but never for this machine's own addresses. Certificates are checked;
    redirects are not followed.

    Args:
        settings: The endpoint, and how patient.
        key: Sent with every request; None for none.

    Returns:
        The connections, to be closed by who uses them.

    Raises:
        SettingsError: What the environment says of proxies or certificates cannot be used.

    Example:
        >>> connect(VlmSettings(model="m"), None).follow_redirects
        False
    """
    import httpx

    parts, pace = urlsplit(settings.endpoint), settings.pace
    headers = {"Content-Type": "application/json"}
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    here = parts.hostname in _LOOPBACK
    no_tls = here and parts.scheme == "http"
    try:
        return httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(pace.timeout_s, connect=pace.connect_timeout_s),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=pace.concurrency),
            trust_env=not here,
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if no_tls else True,
            follow_redirects=False,
        )
    except (OSError, ValueError, ImportError, httpx.InvalidURL) as error:
        raise SettingsError(
            f"the connection to {address_of(settings.endpoint)} cannot be set up: {error}",
            remedy="see HTTPS_PROXY, ALL_PROXY and SSL_CERT_FILE in the environment",
        ) from error


def sort_transport_error(error: Exception, endpoint: str, limit_s: float) -> AttemptError | EndpointError:
    """Say what a request without an answer means.

    Args:
        error: `TimeoutError`, or an error of httpx.
        endpoint: Where the request was to go.
        limit_s: The longest time that it might take.

    Returns:
        `AttemptError` where another try may succeed, `EndpointError` where none will.

    Example:
        >>> sort_transport_error(TimeoutError(), "http://localhost/v1", 300.0)
        AttemptError('no answer within 300 s')
    """
    import httpx

    address = address_of(endpoint)
    if isinstance(error, TimeoutError | httpx.ReadTimeout):
        return AttemptError(f"no answer within {limit_s:g} s", sent=True)
    if isinstance(error, httpx.InvalidURL):
        return EndpointError(f"endpoint: {address!r} is no address: {error}")
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError):
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return EndpointError(
                f"the certificate of {address} cannot be trusted: {error}",
                remedy="name the file of your certificate authority in SSL_CERT_FILE",
            )
        return AttemptError(f"{address} cannot be reached: {_root_of(error)}", reached=False)
    return AttemptError(f"the connection failed: {error or type(error).__name__}", sent=True)


def _root_of(error: BaseException) -> str:
    """The operating system's words, which libraries wrap in vaguer ones."""
    said = str(error) or type(error).__name__
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and not isinstance(cause, ssl.SSLError) and cause.errno:
            said = os.strerror(cause.errno) if cause.errno > 0 else cause.strerror or said
        cause = cause.__cause__ or cause.__context__
    return said
