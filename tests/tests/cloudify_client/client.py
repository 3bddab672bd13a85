"""Cloudify's own client, told what to do line by line, so that the test decides when something happens.

Each line on stdin is an order as JSON: `call`, a method of CloudifyClient such as `maintenance_mode.status`, with `arguments`,
and what the client is made with. Each line on stdout is what came of it: `answer`, or the `error` that the client raised.
"""

import json
import sys

from cloudify_rest_client import CloudifyClient
from cloudify_rest_client.exceptions import CloudifyClientError


def obey(host, port, order):
    client = CloudifyClient(host=host, port=port, protocol="http", **order["client"])
    call = client
    for name in order["call"].split("."):
        call = getattr(call, name)
    try:
        return {"answer": call(*order["arguments"])}
    except CloudifyClientError as error:
        return {
            "error": type(error).__name__,
            "status": error.status_code,
            "code": error.error_code,
            "message": str(error),
            "traceback": error.server_traceback,
        }


def main():
    host, _, port = sys.argv[1].rpartition(":")
    for line in sys.stdin:
        answer = obey(host, int(port), json.loads(line))
        print(json.dumps(answer), flush=True)


main()
