"""The version of this package, and the sentence that introduces it."""

__version__ = "0.1.0"

#: What Emotone is, in one sentence: in the help, the API, the page.
TAGLINE = "Emotone recognises emotion in speech, and says how far the answer can be trusted."
