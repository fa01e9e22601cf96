"""The command line in this process, and the metrics that a stand-in for an experiment returns."""

import numpy as np
from typer.testing import CliRunner

from emotone.cli.main import app
from emotone.metrics import summary
from support.handmade import EMOTIONS


def run(*arguments):
    """Run a command line; returns exit code, stdout and stderr."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def metrics(*, shared=False):
    """Parts of ``metrics.json`` of four emotions, 80 clips and five speakers."""
    rng = np.random.default_rng(0)
    truth = np.arange(80) % 4
    scores = rng.dirichlet(np.ones(4), 80) + 0.5 * np.eye(4)[truth]
    test = summary(
        truth, scores / scores.sum(1, keepdims=True), emotions=EMOTIONS, speakers=[f"s{n % 5}" for n in range(80)]
    )
    warning = "WARNING: random split: 5 of 5 test speakers are also in training" if shared else ""
    description = f"the protocol in words. {warning}." if shared else "the protocol in words"
    return {"protocol": {"description": description, "warning": warning}, "test": test}
