"""AWS STS for one role: temporary credentials for whoever shows a token that the cluster made for sts.amazonaws.com.

Arguments: port, ARN of the role.
"""
import base64
import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs

ANSWER = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials>
<AccessKeyId>ASIASIMULATED</AccessKeyId><SecretAccessKey>simulated</SecretAccessKey>
<SessionToken>simulated</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>
</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""


class Sts(BaseHTTPRequestHandler):
    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        claims = form["WebIdentityToken"][0].split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        known = (
            form["Action"] == ["AssumeRoleWithWebIdentity"]
            and form["RoleArn"] == [sys.argv[2]]
            and "sts.amazonaws.com" in claims["aud"]
            and claims["sub"] == "system:serviceaccount:eniclaim-system:eniclaim-operator"
        )
        self.send_response(200 if known else 403)
        self.end_headers()
        self.wfile.write(ANSWER.encode() if known else b"")


HTTPServer(("", int(sys.argv[1])), Sts).serve_forever()
