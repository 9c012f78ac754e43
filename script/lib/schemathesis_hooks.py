"""Signs schemathesis in, anew every few seconds: some of what it sends ends the session."""

import json
import os
import urllib.request

import schemathesis


@schemathesis.auth(refresh_interval=10)
class Login:
    def get(self, case, context):
        credentials = {"login": os.environ["FUZZ_LOGIN"], "password": os.environ["FUZZ_PASSWORD"]}
        request = urllib.request.Request(
            os.environ["FUZZ_URL"] + "/api/v1/auth/login",
            data=json.dumps(credentials).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)["access_token"]

    def set(self, case, data, context):
        case.headers["Authorization"] = f"Bearer {data}"
