"""Unknown parameters of a query are an error: a misspelt option must not be passed over."""

import difflib

from fastapi import Request

from emotone.serve.problems import ProblemError


async def check_query(request: Request) -> None:
    """Raise `ProblemError` bad_request for a parameter that the route does not have, or that is given twice."""
    if not request.query_params:
        return
    known = _known(request)
    names = [name for name, _ in request.query_params.multi_items()]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            expected = f"expected {', '.join(known)}" if known else "expected none"
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ProblemError("bad_request", f"the query has the unknown parameter {name[:40]!r}; {expected}{hint}")
        if names.count(name) > 1:
            raise ProblemError("bad_request", f"the query has the parameter {name} several times; give it once")


def _known(request: Request) -> list[str]:
    """Return the parameters of a request's route, as the schema has them."""
    paths = request.app.openapi()["paths"]
    operations = paths.get(request.scope["route"].path_format, {})
    operation = operations.get(request.method.lower()) or operations.get("get", {})
    return [each["name"] for each in operation.get("parameters", []) if each["in"] == "query"]
