"""Signs schemathesis in as an administrator, anew every few seconds: what it sends ends sessions,
changes passwords and shuts users out, so that there are always some administrators more."""

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


@schemathesis.auth(refresh_interval=5)
class Login:
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
