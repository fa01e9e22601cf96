"""The command ``serve``: what its options set."""

import pytest

from emotone.serve import ServeSettings
from support import handmade
from support.command_line import run


@pytest.mark.parametrize(("options", "expected"), [((), {}), (("--learn-source",), {"learn_source": True})])
def test_options_are_settings_of_the_service(monkeypatch, tmp_path, options, expected):
    started = []
    monkeypatch.setattr("emotone.serve.serve", lambda recognizer, **given: started.append(given["settings"]))
    result = run("serve", "--model", handmade.write(tmp_path / "b"), *options)
    assert result.exit_code == 0, result.stderr
    assert started == [ServeSettings(**expected)]
