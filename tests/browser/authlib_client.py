"""A relying party with Authlib and joserfc. Prints where to send the browser, reads where it came back, prints what it got.

    CLIENT_SECRET=… python authlib_client.py ISSUER CLIENT_ID METHOD REDIRECT_URI SCOPE
"""

import json
import os
import sys

import requests
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.jwk import KeySet

TIMEOUT_SECONDS = 30


def say(value):
    print(json.dumps(value), flush=True)


def main(issuer, client_id, method, redirect_uri, scope):
    server = requests.get(f"{issuer}/.well-known/openid-configuration", timeout=TIMEOUT_SECONDS).json()
    session = OAuth2Session(
        client_id,
        os.environ["CLIENT_SECRET"] or None,
        token_endpoint_auth_method=method,
        scope=scope,
        redirect_uri=redirect_uri,
        code_challenge_method="S256",
    )
    verifier, nonce = generate_token(48), generate_token(24)
    url, state = session.create_authorization_url(server["authorization_endpoint"], code_verifier=verifier, nonce=nonce)
    say({"authorization_url": url})
    answer = sys.stdin.readline().strip()
    token = session.fetch_token(
        server["token_endpoint"],
        authorization_response=answer,
        state=state,
        code_verifier=verifier,
        timeout=TIMEOUT_SECONDS,
    )
    keys = KeySet.import_key_set(requests.get(server["jwks_uri"], timeout=TIMEOUT_SECONDS).json())
    decoded = jwt.decode(token["id_token"], keys, algorithms=server["id_token_signing_alg_values_supported"])
    claims = CodeIDToken(
        decoded.claims,
        decoded.header,
        options={"iss": {"value": issuer}, "aud": {"value": client_id}, "nonce": {"value": nonce}},
        params={"nonce": nonce, "client_id": client_id},
    )
    claims.validate()
    userinfo = session.get(server["userinfo_endpoint"], timeout=TIMEOUT_SECONDS)
    userinfo.raise_for_status()
    say({"id_token": dict(claims), "userinfo": userinfo.json(), "access_token": token["access_token"]})


if __name__ == "__main__":
    main(*sys.argv[1:])
