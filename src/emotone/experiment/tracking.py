"""Log finished runs to MLflow: settings, scores, training curves, pictures, the report and the model.

A run directory is complete before anything is logged, so no failure of MLflow can cost a run.  The package ``mlflow``
is imported when a tracker is made.
"""

import hashlib
import json
import logging
import os
import re
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from emotone import runs
from emotone._version import __version__
from emotone.errors import EmotoneError, MissingExtraError, TrackingError
from emotone.metrics import SCORES
from emotone.runs import RunFolder, layout
from emotone.temporary import temporary_folder

#: Name of the experiment, unless the variable of MLflow names another.
EXPERIMENT, _EXPERIMENT_VARIABLE = "emotone", "MLFLOW_EXPERIMENT_NAME"
#: Tag with a digest of a run, by which a run that was logged is found.
FINGERPRINT = "emotone.fingerprint"
#: The logged model, and the module by which MLflow loads it.
MODEL, LOADER = "model", "emotone.integrations.mlflow"
#: MLflow sends who uses which of its functions to its makers, unless one of these says that it must not.
_TELEMETRY = ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK")
_FILES = (layout.CONFIG, layout.METRICS, layout.REPORT)
#: Columns of the training curves.
_CURVES = ("train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "valid_uar")
#: Most metrics and parameters of one request, and longest parameter, by MLflow.
_MOST_METRICS, _MOST_PARAMETERS, _LONGEST = 1000, 100, 6000
_NOT_IN_NAMES = re.compile(r"[^\w.-]")
#: Names, passwords and tokens in an address, and the values of its query.
_SECRETS = ((re.compile(r"//[^\s?#]*@"), "//***@"), (re.compile(r"([?&][^=&\s]+=)[^&\s]*"), r"\1***"))
#: What the errors of its HTTP library say in the end, such as "Connection refused".
_CAUSE = re.compile(r"""\(Caused by \w+\(["'](?:\w+\(.*?\): )?(.*?)["']\)\)""")
#: How often MLflow asks a server again while it is opened, and seconds for an answer: by default it tries for minutes.
_RETRIES = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
#: Address of a database in a file, and seconds to wait while another program writes to it.
_SQLITE, _PATIENCE_S = re.compile(r"sqlite(?:\+\w+)?:///([^?]+)"), 10.0


class Logged(NamedTuple):
    """A run in MLflow: its identifier, and whether it was logged now and not before."""

    run_id: str
    is_new: bool


class Tracker:
    """A store of MLflow, in which runs are logged as an experiment.

    Parameters
    ----------
    uri
        A database (``sqlite:///runs.db``), the address of a server, or a folder, as MLflow takes them.

    Raises
    ------
    TrackingError
        The store can't be opened.
    MissingExtraError
        The extra ``mlflow`` is not installed.
    """

    def __init__(self, uri: str) -> None:
        mlflow = _library()
        self._uri, self._mlflow = uri, mlflow
        name = os.environ.get(_EXPERIMENT_VARIABLE) or EXPERIMENT
        with self._explained("nothing was trained yet"), _few_retries():
            _check_file(uri)
            self._client = mlflow.MlflowClient(tracking_uri=uri)
            known = self._client.get_experiment_by_name(name)
            self._experiment: str = known.experiment_id if known else self._client.create_experiment(name)

    def log(self, folder: Path, *, name: str = "") -> Logged:
        """Log a finished run; one that was logged before is not logged again.

        Parameters
        ----------
        folder
            The run directory.
        name
            Name of the run in MLflow; by default that of the folder.

        Raises
        ------
        ConfigError
            The folder holds no finished run.
        TrackingError
            MLflow fails.  What it got of the run until then is marked as failed.
        """
        run = runs.read(folder)
        fingerprint = _fingerprint(folder)
        with self._explained(f"the run in {folder} is complete"):
            query = f"tags.`{FINGERPRINT}` = '{fingerprint}' AND attributes.status = 'FINISHED'"
            before = self._client.search_runs([self._experiment], filter_string=query, max_results=1)
            if before:
                return Logged(before[0].info.run_id, is_new=False)
            run_name = name or folder.resolve().name
            tags = {FINGERPRINT: fingerprint, "emotone.version": __version__}
            made = self._client.create_run(self._experiment, run_name=run_name, tags=tags).info.run_id
            try:
                self._fill(made, run)
            except BaseException:
                with suppress(Exception):  # the first error says more
                    self._client.set_terminated(made, "FAILED")
                raise
            self._client.set_terminated(made, "FINISHED")
        return Logged(made, is_new=True)

    def _fill(self, run_id: str, run: RunFolder) -> None:
        entities = self._mlflow.entities
        now = time.time_ns() // 1_000_000
        parameters = [entities.Param(name, _text(value)) for name, value in run.settings.items()]
        for start in range(0, len(parameters), _MOST_PARAMETERS):
            self._client.log_batch(run_id, params=parameters[start : start + _MOST_PARAMETERS])
        values = [*((name, value, 0) for name, value in final_metrics(run.metrics).items()), *_curves(run)]
        metrics = [entities.Metric(name, value, now, step) for name, value, step in values]
        for start in range(0, len(metrics), _MOST_METRICS):
            self._client.log_batch(run_id, metrics=metrics[start : start + _MOST_METRICS])
        for name in _FILES:
            if (run.path / name).is_file():
                self._client.log_artifact(run_id, str(run.path / name))
        for picture in sorted((run.path / "figures").glob("*.png")):
            self._client.log_artifact(run_id, str(picture), "figures")
        self._log_model(run_id, run.path / layout.MODEL)

    def _log_model(self, run_id: str, bundle: Path) -> None:
        """Log the bundle as a model that MLflow loads by the module `LOADER`: nothing is pickled."""
        mlflow, client = self._mlflow, self._client
        model = client.create_logged_model(self._experiment, name=MODEL, source_run_id=run_id, model_type="bundle")
        client.log_outputs(run_id, [mlflow.entities.LoggedModelOutput(model.model_id, step=0)])
        described = mlflow.models.Model(
            artifact_path=model.artifact_location, model_uuid=model.model_id, run_id=run_id, model_id=model.model_id
        )
        with temporary_folder("emotone-mlflow-") as folder:
            saved = folder / MODEL
            # without a list MLflow would load the model in another process to guess its requirements; Emotone itself is
            # on no index, so it can't be one
            mlflow.pyfunc.save_model(
                str(saved), loader_module=LOADER, data_path=str(bundle), mlflow_model=described, pip_requirements=[]
            )
            client.log_model_artifacts(model.model_id, str(saved))
        client.finalize_logged_model(model.model_id, "READY")

    @contextmanager
    def _explained(self, state: str) -> Iterator[None]:
        """Raise what MLflow, a database or a network raises as `TrackingError`, and let MLflow print errors alone."""
        logger = logging.getLogger("mlflow")
        level = logger.level
        logger.setLevel(logging.ERROR)  # it says of each new store how it makes its tables, and each retry
        try:
            yield
        except EmotoneError:
            raise
        except Exception as error:  # they share no base class
            lines = str(error).strip().splitlines()
            where = _masked(self._uri)
            reason = _masked(lines[0].replace(self._uri, where) if lines else type(error).__name__)
            cause = _CAUSE.search(reason)
            reason = (cause[1] if cause else reason)[:300]
            raise TrackingError(
                f"MLflow can't log to {where} ({reason}); {state}: check the address, such as sqlite:///runs.db or "
                "http://localhost:5000, and run the same command again, which logs a finished run and trains nothing"
            ) from None  # the errors of databases show their address, with the password
        finally:
            logger.setLevel(level)


def _masked(text: str) -> str:
    for secret, shown in _SECRETS:
        text = secret.sub(shown, text)
    return text


@contextmanager
def _few_retries() -> Iterator[None]:
    ours = {name: value for name, value in _RETRIES.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            del os.environ[name]


def _check_file(uri: str) -> None:
    """Raise OSError or sqlite3.Error if the file of a database can't be written; MLflow would try for minutes."""
    named = _SQLITE.match(uri)
    if not named or named[1] == ":memory:" or named[1].startswith("file:"):
        return
    folder = Path(named[1]).absolute().parent
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise OSError(f"{str(folder)!r} is no folder that can be written to")
    # what a system allows shows only when it is tried: /proc seems to be writable
    is_new = not os.path.lexists(named[1])
    try:
        with closing(sqlite3.connect(named[1], timeout=_PATIENCE_S, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            database.execute("PRAGMA schema_version")
            database.execute("ROLLBACK")
    finally:
        if is_new:  # only tried: MLflow makes it
            with suppress(OSError):
                if os.path.getsize(named[1]) == 0:
                    os.unlink(named[1])


def final_metrics(measured: Mapping[str, Any]) -> dict[str, float]:
    """Return the scores of ``metrics.json`` by the names that they have in MLflow.

    They are ``<subset>_<score>``, with ``_low`` and ``_high`` the ends of its 95 % interval, ``<subset>_ece`` and
    ``<subset>_recall_<emotion>``, where a subset is "test" or "validation".
    """
    values: dict[str, Any] = {}
    for subset in ("test", "validation"):
        result = measured[subset]
        for score in SCORES:
            values[f"{subset}_{score}"] = result[score]
            interval = result["intervals"].get(score) or {}
            values |= {f"{subset}_{score}_{end}": interval.get(end) for end in ("low", "high")}
        values[f"{subset}_ece"] = result["ece"]
        recalls = result["per_class"].get("recall", {})
        values |= {f"{subset}_recall_{_NOT_IN_NAMES.sub('_', emotion)}": value for emotion, value in recalls.items()}
    return {name: float(value) for name, value in values.items() if value is not None and isfinite(value)}


def _curves(run: RunFolder) -> Iterator[tuple[str, float, int]]:
    """Yield name, value and epoch of the training curves of a network."""
    table = run.table("curves.csv")
    if table is None:
        return
    for row in table.to_dict("records"):
        place = "final" if row["fold"] == 0 else f"fold{row['fold']}-{row['fit']}"
        for column in _CURVES:
            value = row.get(column)
            if value is not None and isfinite(value):
                yield f"{place}-network{row['member']}/{column}", float(value), int(row["epoch"])


def _fingerprint(folder: Path) -> str:
    """Digest what a run measured and its model, which has the time at which it was made."""
    content = b"".join((folder / name).read_bytes() for name in (layout.METRICS, layout.CARD))
    return hashlib.sha256(content).hexdigest()


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))[:_LONGEST]
    return (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))[:_LONGEST]


def _library() -> Any:
    """Import MLflow without its telemetry, unless the user decided about it."""
    if not any(name in os.environ for name in _TELEMETRY):
        os.environ[_TELEMETRY[0]] = "true"
    try:
        import mlflow
        import mlflow.entities
        import mlflow.models
        import mlflow.pyfunc
    except ImportError as error:
        raise MissingExtraError("logging to MLflow", extra="mlflow") from error
    return mlflow
