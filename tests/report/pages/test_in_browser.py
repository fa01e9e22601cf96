"""Reports in a browser, on a phone and a wide screen, in light and dark."""

import pytest

from emotone.cli import report
from support import finished_runs
from support.static_page import check_page, picture_scales

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture(scope="module")
def pages(tmp_path_factory, make_voice):
    """Name -> the page of a run, of one that shares speakers, and of a comparison."""
    folder = finished_runs.make(tmp_path_factory, make_voice).folder
    runs = [folder / "disjoint", folder / "leaking"]
    out = tmp_path_factory.mktemp("pages") / "runs.html"
    report.run(runs, out=out, progress=lambda *step: None)
    return {"run": runs[0] / "report.html", "leak": runs[1] / "report.html", "runs": out}


@pytest.mark.parametrize("name", ["run", "leak", "runs"])
def test_nothing_is_cut_off_and_axe_finds_no_violation(pages, name):
    check_page(pages[name])


def test_drawings_have_one_type_size(pages):
    """On a wide screen, each is as wide as it was drawn, with the same size of type."""
    scales = picture_scales(pages["run"], width=1280)
    assert scales and max(scales) - min(scales) < 0.02 * max(scales), scales
