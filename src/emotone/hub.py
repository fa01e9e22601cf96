"""The Hugging Face hub: the files of a bundle are downloaded from it, and uploaded to it.

The package ``huggingface_hub`` does the work, and is imported when it is first needed.  It keeps downloads in its
cache, logs in, and goes offline, as its own environment variables say (HF_TOKEN, HF_HOME, HF_HUB_OFFLINE).
"""

import os
import re
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from emotone.errors import BundleError, ConfigError, HubError, MissingExtraError

#: What the address of a model on the hub begins with.
PREFIX = "hub:"
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
_REVISION = re.compile(r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_./+-]*")
#: A model as others name it: a path of two names, or the address of its page; paths lose a slash.
_PERHAPS = re.compile(r"(?:https?:/{1,2}huggingface\.co/)?([\w-][\w.-]*/[\w-][\w.-]*)/?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
#: Secrets that the hub gives to its users, and a name with a password in the address of another hub (HF_ENDPOINT).
_TOKEN, _PASSWORD = re.compile(r"hf_\w+"), re.compile(r"//[^\s/?#]*@")
#: Libraries whose errors say that the hub can't be reached, by versions of huggingface_hub.
_TRANSPORTS = ("httpcore", "httpx", "httpx2", "requests", "urllib3")
#: Seconds for the hub to say what a repository holds.
_PATIENCE_S = 20.0
#: Files of a repository that an error names, and letters of a reason.
_SHOWN, _LONGEST = 5, 200
_LOG_IN = "run 'hf auth login', or set HF_TOKEN"


@dataclass(frozen=True)
class Address:
    """Where a model is on the hub.

    Attributes
    ----------
    repository
        ``user/model``.
    revision
        A branch, a tag or a commit; None: the main branch.
    """

    repository: str
    revision: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``hub:USER/MODEL`` or ``hub:USER/MODEL@REVISION``.

        Raises
        ------
        ConfigError
            The text has another form.

        Examples
        --------
        >>> Address.parse("hub:anna/calls@v1")
        Address(repository='anna/calls', revision='v1')
        """
        repository, at, revision = text.removeprefix(PREFIX).partition("@")
        is_right = is_address(text) and _REPOSITORY.fullmatch(repository) and (not at or _REVISION.fullmatch(revision))
        if not is_right:
            raise ConfigError(
                f"{text!r:.120} does not name a model on the hub; expected {PREFIX}USER/MODEL, or with @REVISION"
                f"{suggestion(text)}"
            )
        return cls(repository, revision or None)

    def __str__(self) -> str:
        return f"{PREFIX}{self.repository}{f'@{self.revision}' if self.revision else ''}"


def is_address(text: object) -> bool:
    """Whether this names a model on the hub, and no folder."""
    return isinstance(text, str | os.PathLike) and str(text).startswith(PREFIX)


def suggestion(text: str) -> str:
    """Return the end of an error, if a text may be a model on the hub without its prefix, or "".

    Examples
    --------
    >>> print(suggestion("https://huggingface.co/anna/calls"))
    ; a model on the Hugging Face hub is named hub:anna/calls
    """
    name = _PERHAPS.fullmatch(text)
    return f"; a model on the Hugging Face hub is named {PREFIX}{name[1]}" if name else ""


def pinned(name: str, folder: Path) -> str:
    """Return the name of a bundle whose content never changes, if it is on the hub; others as they are.

    Parameters
    ----------
    name
        A path, "default", or an address on the hub.
    folder
        What `fetched` returned for it.
    """
    return str(Address(Address.parse(name).repository, folder.name)) if is_address(name) else name


def fetched(address: Address, *, most_bytes: Mapping[str, int], needed: Collection[str]) -> Path:
    """Return a folder with files of a model, downloaded if they are not in the cache yet.

    The name of the folder is the commit.  Other files of the repository are not downloaded.

    Parameters
    ----------
    most_bytes
        Name of each file that may be downloaded -> its largest size.
    needed
        The files without which it is no bundle.

    Raises
    ------
    BundleError
        A needed file is missing, or a file is too large.
    HubError
        The hub has no such model or revision, does not give it to this user, or can't be reached, and the cache lacks
        it.
    MissingExtraError
        huggingface_hub is not installed.
    """
    library = _library("a model on the Hugging Face hub")
    if _COMMIT.fullmatch(address.revision or "") or _is_offline(library):
        folder = _cached(library, address, most_bytes)
        if folder is not None:
            _check_complete(address, [path.name for path in folder.iterdir()], needed)
            return folder
    with _explained(library, address):
        try:
            return _downloaded(library, address, most_bytes, needed)
        except Exception as error:
            folder = _cached(library, address, most_bytes) if _is_unreachable(library, error) else None
            if folder is None:
                raise
    _check_complete(address, [path.name for path in folder.iterdir()], needed)
    warnings.warn(f"the hub can't be reached: {address} is the copy of {folder.name[:12]} in the cache", stacklevel=2)
    return folder


def _downloaded(library: Any, address: Address, most_bytes: Mapping[str, int], needed: Collection[str]) -> Path:
    for _ in range(2):  # the revision may move in between
        info = library.HfApi().model_info(
            address.repository, revision=address.revision, files_metadata=True, timeout=_PATIENCE_S
        )
        sizes = {file.rfilename: file.size for file in info.siblings or []}
        _check_complete(address, list(sizes), needed)
        chosen = [name for name in most_bytes if name in sizes]
        for name in chosen:
            _check_size(address, name, sizes[name], most_bytes[name])
        folder = Path(
            library.snapshot_download(address.repository, revision=address.revision, allow_patterns=list(most_bytes))
        )
        if folder.name == info.sha:
            return folder
    raise HubError(f"{address} changes while it is downloaded; try again, or name a commit: {PREFIX}USER/MODEL@COMMIT")


def _cached(library: Any, address: Address, most_bytes: Mapping[str, int]) -> Path | None:
    """Return the folder in the cache; None if it is not there, or not complete."""
    try:
        folder = library.snapshot_download(
            address.repository, revision=address.revision, allow_patterns=list(most_bytes), local_files_only=True
        )
    except (library.errors.LocalEntryNotFoundError, library.errors.HFValidationError):
        return None
    return Path(folder)


def _check_complete(address: Address, names: list[str], needed: Collection[str]) -> None:
    missing = [name for name in needed if name not in names]
    if missing:
        shown = sorted(name for name in names if not name.startswith("."))
        others = ", ".join(repr(name)[:_LONGEST] for name in shown[:_SHOWN]) + (", ..." if len(shown) > _SHOWN else "")
        raise BundleError(
            f"{address} is no bundle: it holds {others or 'no files'} and lacks {' and '.join(missing)}; expected a "
            "model that 'emotone push' uploaded"
        )


def _check_size(address: Address, name: str, size: object, most: int) -> None:
    if type(size) is not int or not 0 <= size <= most:
        words = f"{size:,} bytes" if type(size) is int else "an unknown size"
        raise BundleError(f"{name} of {address} has {words}, expected at most {most:,}; it is not downloaded")


def push(
    files: Mapping[str, Path | bytes],
    address: Address,
    *,
    private: bool = False,
    obsolete: Collection[str] = (),
    message: str,
) -> Address:
    """Upload files to a model on the hub, in one commit, and return its address with the commit.

    Parameters
    ----------
    files
        Name -> the file, or its content.
    address
        Without a revision; the model is made if it does not exist.
    private
        Whether only the user may see it.
    obsolete
        Files that are deleted there, if they exist.
    message
        Title of the commit.

    Raises
    ------
    ConfigError
        The address has a revision.
    HubError
        The user is not logged in, may not write there, or the hub can't be reached; or the model exists and is public,
        and ``private`` is set.
    MissingExtraError
        huggingface_hub is not installed.
    """
    if address.revision is not None:
        raise ConfigError(f"{address} has a revision, and a bundle is pushed to the main branch; leave out @REVISION")
    library = _library("pushing to the Hugging Face hub")
    with _explained(library, address):
        if _is_offline(library):
            raise HubError(f"{address} can't be written: HF_HUB_OFFLINE forbids the network; run it without that")
        if not library.get_token():
            raise HubError(f"{address} can't be written: you are not logged in to the hub; {_LOG_IN}")
        api = library.HfApi()
        api.create_repo(address.repository, private=True if private else None, exist_ok=True)
        info = api.model_info(address.repository, timeout=_PATIENCE_S)
        if private and not info.private:
            raise HubError(
                f"{address} exists and is public, so nothing was uploaded; make it private on its page, push to "
                "another name, or leave out --private"
            )
        there = {file.rfilename for file in info.siblings or []}
        operations: list[Any] = [
            library.CommitOperationAdd(name, str(content) if isinstance(content, Path) else content)
            for name, content in files.items()
        ]
        operations += [library.CommitOperationDelete(name) for name in obsolete if name in there and name not in files]
        commit = api.create_commit(address.repository, operations, commit_message=message)
    return Address(address.repository, str(commit.oid))


def page_of(address: Address) -> str:
    """Return the address of a model's page in a browser, without a password."""
    library = _library("the Hugging Face hub")
    return f"{_PASSWORD.sub('//', library.constants.ENDPOINT)}/{address.repository}"


def _library(what: str) -> Any:
    try:
        import huggingface_hub
        import huggingface_hub.constants
        import huggingface_hub.errors
    except ImportError as error:
        raise MissingExtraError(what, extra="hub") from error
    return huggingface_hub


def _is_offline(library: Any) -> bool:
    return bool(library.constants.HF_HUB_OFFLINE)


def _is_unreachable(library: Any, error: BaseException) -> bool:
    """Whether there is no network, or the hub itself fails."""
    if isinstance(error, library.errors.HfHubHTTPError):
        return bool(_status(error) >= 500)
    if isinstance(error, library.errors.OfflineModeIsEnabled):
        return True
    return type(error).__module__.partition(".")[0] in _TRANSPORTS or isinstance(error, ConnectionError | TimeoutError)


def _status(error: BaseException) -> int:
    return int(getattr(getattr(error, "response", None), "status_code", 0) or 0)


@contextmanager
def _explained(library: Any, address: Address) -> Iterator[None]:
    """Raise the errors of huggingface_hub as those of Emotone, without any token."""
    try:
        yield
    except (BundleError, ConfigError, HubError):
        raise
    except library.errors.HFValidationError as error:
        raise ConfigError(f"{address} is no name of a model on the hub ({_reason(library, error)})") from None
    except Exception as error:  # of huggingface_hub, or of the library that it sends with: they share no base class
        cause = None if _shows_token(library, error) else error
        raise HubError(_explanation(library, address, error)) from cause


def _explanation(library: Any, address: Address, error: Exception) -> str:
    kinds = library.errors
    if isinstance(error, kinds.GatedRepoError):
        return f"{address} is gated: ask its owner for access on {page_of(address)}, then {_LOG_IN}"
    if isinstance(error, kinds.RepositoryNotFoundError):
        return f"the hub has no model {address}, or it is private: check the name; for a private one {_LOG_IN}"
    if isinstance(error, kinds.RevisionNotFoundError):
        return f"{PREFIX}{address.repository} has no revision {address.revision!r}; see {page_of(address)}/commits/main"
    if isinstance(error, kinds.OfflineModeIsEnabled | kinds.LocalEntryNotFoundError) or _is_offline(library):
        return f"{address} is not in the cache, and HF_HUB_OFFLINE forbids the network; load it once without that"
    if _status(error) in (401, 403):
        return f"the hub refuses the token for {address}; {_LOG_IN} with one that may read it, or write to push"
    reason = _reason(library, error)
    if _is_unreachable(library, error):
        return f"the hub can't be reached for {address} ({reason}); check the network, or wait and try again"
    return f"the hub failed for {address} ({reason}); try again"


def _reason(library: Any, error: BaseException) -> str:
    """Return the first line of an error, without tokens."""
    lines = _without_tokens(library, str(error)).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:_LONGEST]


def _shows_token(library: Any, error: BaseException | None) -> bool:
    """Whether an error, or one that led to it, shows a token: libraries show the header that they can't send."""
    while error is not None:
        if _without_tokens(library, str(error)) != str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _without_tokens(library: Any, text: str) -> str:
    try:
        token = library.get_token() or ""
    except Exception:  # its file can't be read
        token = ""
    for secret in filter(None, {token, token.strip(), repr(token)[1:-1]}):
        text = text.replace(secret, "***")
    return _PASSWORD.sub("//***@", _TOKEN.sub("***", text))
