"""What schemathesis cannot know from the document: how to sign in, and the few rules of valid requests
that OpenAPI 3.0 has no words for."""

import json
import os
import urllib.error
import urllib.request

import schemathesis

URL = os.environ["FUZZ_URL"] + "/api/v1"
PASSWORD = os.environ["FUZZ_PASSWORD"]


def post(path, body, token=None):
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(URL + path, data=json.dumps(body).encode(), headers=headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    # A cursor is what a page gave; one that is made up is refused, however well formed it is.
    if case.query:
        case.query.pop("cursor", None)
    operation = case.operation.definition.raw.get("operationId")
    # There is no `propertyNames`: the names of variants are a-z, 0-9, - and _.
    if operation == "setRecipe":
        case.body["variants"] = {f"v{at}": variant for at, variant in enumerate(case.body["variants"].values())}
    # Parts of a form have no order: the file is the last one.
    if operation == "uploadAsset" and case.media_type == "multipart/form-data":
        case.body["file"] = case.body.pop("file")


@schemathesis.auth(refresh_interval=5)
class Login:
    """An administrator, anew every few seconds: what is sent ends sessions, changes passwords and shuts
    users out, so that there are always some administrators more."""

    def __init__(self):
        self.logins = [os.environ["FUZZ_LOGIN"]]

    def get(self, case, context):
        for login in reversed(self.logins):
            try:
                token = post("/auth/login", {"login": login, "password": PASSWORD})["access_token"]
                spare = f"fuzz-{len(self.logins)}"
                account = {"login": spare, "password": PASSWORD, "role": "admin", "must_change_password": False}
                post("/users", account, token)
            except urllib.error.HTTPError:
                continue
            self.logins.append(spare)
            return token
        raise RuntimeError("no administrator is left to sign in as")

    def set(self, case, data, context):
        case.headers["Authorization"] = f"Bearer {data}"
