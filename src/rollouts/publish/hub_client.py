"""One dataset on the Hub, through the official client `huggingface_hub`, which only pages named `hub*` import."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping

import huggingface_hub
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError, RepositoryNotFoundError

from rollouts.errors import RolloutsError
from rollouts.publish.hub_errors import translated
from rollouts.publish.hub_session import listen, quiet
from rollouts.publish.patience import PassingError
from rollouts.record import Record

_KIND = "dataset"
_NAME = re.compile(r"(?!.*(--|\.\.))(\w[\w.-]*/)?\w([\w.-]{0,94}\w)?(?<!\.git)", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")


class Head(Record):
    """A dataset as it is at one moment."""

    name: str
    """With its namespace; a dataset that was renamed answers with its new name."""
    commit: str
    private: bool


def _token() -> str:
    """`HF_TOKEN`, else the saved login.

    Raises:
        RolloutsError: there is neither.
    """
    token = huggingface_hub.get_token()
    if not token:
        raise RolloutsError("not authenticated with Hugging Face. Run `hf auth login` or set HF_TOKEN.")
    return token


class Client:
    """What can be asked of one dataset.

    Attributes:
        name: with its namespace.
    """

    def __init__(self, name: str, *, seconds: float, scratch: str) -> None:
        """Resolves the name: without a namespace it is the authenticated user's.

        Args:
            name: of the dataset.
            seconds: how long the Hub may say nothing.
            scratch: a directory for what is downloaded.

        Raises:
            RolloutsError: there is no name, or nobody is logged in.
        """
        self._seconds, self._scratch = seconds, scratch
        self.name = name.strip()
        if not self.name:
            raise RolloutsError("dataset name cannot be empty")
        if not _NAME.fullmatch(self.name):
            raise RolloutsError(
                f"{name!r} is no name for a dataset; take letters, digits, '-', '_' and '.', or NAMESPACE/NAME"
            )
        quiet(seconds)
        self._api = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, token=_token())
        if "/" not in self.name:
            with self._asking():
                self.name = f"{self._api.whoami()['name']}/{self.name}"

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        """Says in our words what goes wrong, and keeps the limit on silence.

        Raises:
            RolloutsError: anything did.
        """
        listen(self._seconds)
        try:
            yield
        except RolloutsError:
            raise
        except Exception as error:
            said = translated(error, self.name)
            if said is None:
                raise
            raise said from error

    @property
    def url(self) -> str:
        """The page of the dataset."""
        return f"{self._api.endpoint}/datasets/{self.name}"

    def head(self) -> Head | None:
        """The dataset as it is now; None when there is none, or none that this user may see."""
        with self._asking():
            try:
                info = self._api.dataset_info(self.name)
            except RepositoryNotFoundError as error:
                if error.response.status_code == 404:
                    return None
                raise
            if not _COMMIT.fullmatch(info.sha or ""):
                raise PassingError(f"Hugging Face names no commit of {self.name}; try again later")
            self.name = info.id
            return Head(info.id, str(info.sha), bool(info.private))

    @contextlib.contextmanager
    def file(self, path: str, head: Head) -> Iterator[str | None]:
        """A file as it is in a commit, downloaded while the context lasts; None when it is not there."""
        with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
            yield self._downloaded(path, head, folder)

    def _downloaded(self, path: str, head: Head, folder: str) -> str | None:
        with self._asking():
            try:
                return self._api.hf_hub_download(
                    head.name, path, repo_type=_KIND, revision=head.commit, cache_dir=folder
                )
            except LocalEntryNotFoundError:  # its own word for every trouble on the way
                raise
            except EntryNotFoundError:
                return None

    def listing(self, head: Head) -> list[str]:
        """The names of the files at the top of a commit."""
        with self._asking():
            tree = self._api.list_repo_tree(head.name, repo_type=_KIND, revision=head.commit, recursive=False)
            return [item.path for item in tree]

    def create(self, *, private: bool) -> None:
        """Makes the dataset; one that is there already is left as it is."""
        with self._asking():
            self._api.create_repo(self.name, repo_type=_KIND, private=private, exist_ok=True)

    def set_private(self, *, private: bool) -> None:
        with self._asking():
            self._api.update_repo_settings(self.name, repo_type=_KIND, private=private)

    def commit(self, files: Mapping[str, str | bytes], parent: str, title: str) -> str:
        """Adds files in one commit, or does nothing. Returns the commit.

        Args:
            files: path in the dataset -> path here, or content.
            parent: the commit that must still be the newest.
            title: the first line of the message.

        Raises:
            PassingError: it may have landed or not; looking tells.
            RolloutsError: it is refused.
        """
        operations = [CommitOperationAdd(path_in_repo=path, path_or_fileobj=data) for path, data in files.items()]
        with self._asking():
            done = self._api.create_commit(
                self.name, operations, commit_message=title, repo_type=_KIND, parent_commit=parent
            )
        return done.oid
