"""The note on licences that ``train`` and ``compare`` print before they start."""

from emotone.cli import console as output


def warn_of(corpora: list[str]) -> None:
    """Warn, before training, of corpora whose licence forbids commercial use."""
    from emotone.corpora import registry

    for name in dict.fromkeys(corpora):
        info = registry.find(name)
        if info is not None and not info.commercial_use:
            output.note(f"licence of {info.name}: {info.licence}; a model trained on it is not for commercial use")
