"""The blocks of docs/how-to/ecosystem.md that need the Hugging Face hub, against a stand-in of it on this machine."""

import shutil

import pytest

from emotone.recognition.session import DEFAULT_FOLDER
from support import hub_server
from support.document_blocks import blocks_of, reader


@pytest.mark.slow
def test_a_reader_shares_a_model_on_the_hub(tmp_path, monkeypatch):
    page = tmp_path / "page"
    page.mkdir()
    (page / "runs" / "calls").mkdir(parents=True)
    shutil.copytree(DEFAULT_FOLDER, page / "runs" / "calls" / "model")
    with hub_server.running() as hub:
        hub_server.use(monkeypatch, hub, tmp_path / "user")
        with reader(page) as following:
            blocks = [block for block in blocks_of("docs/how-to/ecosystem.md") if block.run_by.endswith("_page.py")]
            assert len(blocks) == 4
            for block in blocks:
                following.run(block)
                assert following.printed
                assert hub_server.TOKEN not in following.printed
        made = hub.repositories["anna/calls"]
        assert made.private and made.at("main")[1]["README.md"].startswith(b"---\nlicense: other\n")
