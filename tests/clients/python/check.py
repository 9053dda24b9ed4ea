"""Stock Python clients against a running issuer: Authlib asks, PyJWT verifies.

Everything but the issuer and the client's private key comes from discovery (OpenID Connect Discovery 1.0 section 4).

    python check.py ISSUER JWK [CLIENT_ID]
"""

import json
import sys
import time
import uuid

import jwt
import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import ECKey, OKPKey

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TIMEOUT_SECONDS = 30


class Failed(Exception):
    """A check that did not hold."""


def require(condition, told):
    # Not `assert`: that one disappears under `python -O`.
    if not condition:
        raise Failed(told)


class Check:
    """Prints `ok NAME`, or says what failed and ends the program."""

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if error is None:
            print(f"ok {self.name}")
        elif isinstance(error, Exception):
            print(f"FAILED {self.name}: {type(error).__name__}: {error}", file=sys.stderr)
            sys.exit(1)


def refused_as(kind, run):
    try:
        run()
    except kind:
        return
    raise Failed(f"accepted, where {kind.__name__} was expected")


def main(issuer, jwk_path, client_id="demo-service"):
    with open(jwk_path, encoding="utf-8") as file:
        jwk = json.load(file)
    key_type = {"EC": ECKey, "OKP": OKPKey}[jwk["kty"]]

    with Check("discovery"):
        response = requests.get(f"{issuer}/.well-known/openid-configuration", timeout=TIMEOUT_SECONDS)
        response.raise_for_status()
        server = response.json()
        require(server["issuer"] == issuer, f"issuer is {server['issuer']}")
        require("private_key_jwt" in server["token_endpoint_auth_methods_supported"], "private_key_jwt is not offered")
    token_endpoint = server["token_endpoint"]

    def session(audience):
        # Authlib calls the assertion's audience `token_endpoint`; this issuer takes its own identifier and nothing else.
        made = OAuth2Session(client_id, key_type.import_key(jwk), token_endpoint_auth_method="private_key_jwt")
        made.register_client_auth_method(PrivateKeyJWT(audience, headers={"kid": jwk["kid"]}, alg=jwk["alg"]))
        return made

    def fetch(audience):
        return session(audience).fetch_token(token_endpoint, grant_type="client_credentials", timeout=TIMEOUT_SECONDS)

    with Check("authlib-client-credentials"):
        answer = fetch(issuer)
        require(answer["token_type"].lower() == "bearer", f"token_type is {answer['token_type']}")
        token = answer["access_token"]

    keys = jwt.PyJWKClient(server["jwks_uri"])

    def verify(token, audience=issuer):
        return jwt.decode(
            token,
            keys.get_signing_key_from_jwt(token),
            algorithms=server["id_token_signing_alg_values_supported"],
            issuer=issuer,
            audience=audience,
            options={"require": ["iss", "sub", "aud", "exp", "iat", "jti"]},
        )

    with Check("pyjwt-verifies-token"):
        claims = verify(token)
        require(jwt.get_unverified_header(token)["typ"] == "at+jwt", "typ is not at+jwt")
        require(claims["client_id"] == client_id, f"client_id is {claims['client_id']}")
        require(claims["sub"] == client_id, f"sub is {claims['sub']}")

    with Check("pyjwt-rejects-altered-signature"):
        head, signature = token.rsplit(".", 1)
        flipped = ("B" if signature[0] == "A" else "A") + signature[1:]
        refused_as(jwt.InvalidSignatureError, lambda: verify(f"{head}.{flipped}"))

    with Check("pyjwt-rejects-other-audience"):
        refused_as(jwt.InvalidAudienceError, lambda: verify(token, "https://other.example"))

    with Check("authlib-wrong-audience-refused"):
        # The token endpoint is what Authlib would say if nobody told it the issuer.
        for audience in ("https://other.example", token_endpoint, f"{issuer}/"):
            try:
                fetch(audience)
            except OAuthError as error:
                require(error.error == "invalid_client", f"{audience}: error is {error.error}")
            else:
                raise Failed(f"audience {audience} was accepted")

    def ask(audience):
        now = int(time.time())
        claims = {"iss": client_id, "sub": client_id, "aud": audience, "iat": now, "exp": now + 60, "jti": str(uuid.uuid4())}
        private = jwt.PyJWK.from_dict(jwk)
        assertion = jwt.encode(claims, private.key, algorithm=jwk["alg"], headers={"kid": jwk["kid"]})
        return requests.post(
            token_endpoint,
            data={
                "grant_type": "client_credentials",
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": assertion,
            },
            timeout=TIMEOUT_SECONDS,
        )

    with Check("pyjwt-assertion-by-hand"):
        response = ask(issuer)
        require(response.status_code == 200, f"{response.status_code} {response.text}")
        verify(response.json()["access_token"])

    for name, audience in (
        ("audience-array-refused", [issuer]),
        ("audience-array-with-others-refused", [issuer, token_endpoint]),
        ("wrong-audience-refused", "https://other.example"),
    ):
        with Check(name):
            response = ask(audience)
            require(response.status_code in (400, 401), f"{response.status_code} {response.text}")
            require(response.json().get("error") == "invalid_client", response.text)


if __name__ == "__main__":
    if not 3 <= len(sys.argv) <= 4:
        sys.exit("usage: python check.py ISSUER JWK [CLIENT_ID]")
    main(*sys.argv[1:])
