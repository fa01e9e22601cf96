"""Write the notice beside the built-in model: what it was trained on, and that it is not for commercial use.

Run as ``python scripts/write_notice.py``; `make builtin` does.  The corpora come from the card of the model.
"""

from pathlib import Path
from typing import Any

from emotone import files

FOLDER = Path(__file__).resolve().parent.parent / "src" / "emotone" / "data" / "default"
_HEAD = """\
The built-in model of Emotone (model.onnx, adaptation.npz, card.json in this folder)

NO COMMERCIAL USE.

The code of Emotone has the MIT licence. This model has not: it was trained on recordings whose licences do not allow
commercial use, or for which no licence is known that does. You may use the model for research, teaching and other
purposes that are not commercial. Before you use it in a product or a paid service, ask the owners of these recordings,
or train a model of your own on recordings that you have the rights to ('emotone train').

It was trained on:

"""
_FOOT = """
None of the recordings is in this folder. The graph contains parts of encoders of Whisper, by OpenAI, MIT licence:

  Copyright (c) 2022 OpenAI

  Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
  documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
  rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
  persons to whom the Software is furnished to do so, subject to the following conditions:

  The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
  Software.

  THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
  WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
  COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
  OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.

Not for decisions about people: see README.md in this folder for what the model can do, and where it is wrong.
"""


def notice(card: dict[str, Any]) -> str:
    """Return the text for a card.

    Raises
    ------
    SystemExit
        The card allows commercial use, or its encoders are not of Whisper: the text would be wrong.
    """
    corpora = card["training"]["corpora"]
    if all(corpus["commercial_use"] for corpus in corpora) or "whisper" not in card["extractor"]["name"]:
        raise SystemExit(f"{card['name']!r} is of another kind than the notice says; change scripts/write_notice.py")
    named = [f"- {c['title']}: {c['clips']} clips, {c['licence']}\n  {c['url']}\n" for c in corpora]
    return _HEAD + "".join(named) + _FOOT


if __name__ == "__main__":
    files.write_text(FOLDER / "NOTICE", notice(files.read_json(FOLDER / "card.json")))
