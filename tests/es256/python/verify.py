"""Python libraries that know no EdDSA, with tokens of a running issuer. Everything but the tokens comes from discovery.

    python verify.py accept|refuse ISSUER TOKENS

TOKENS is a JSON file: `client_id`, and the `id_token` and `access_token` that this client got. `refuse` demands that each library
refuses them, and says why.
"""

import json
import sys

import django
import requests
from django.conf import settings
from jose import jwt as jose
from jose.exceptions import JWKError
from jwt.exceptions import InvalidKeyError
from oic import oic
from oic.utils.authn.client import CLIENT_AUTHN_METHOD

TIMEOUT_SECONDS = 30


class Failed(Exception):
    """A check that did not hold."""


class Issuer:
    """What an issuer says of itself."""

    def __init__(self, issuer):
        response = requests.get(f"{issuer}/.well-known/openid-configuration", timeout=TIMEOUT_SECONDS)
        response.raise_for_status()
        self.metadata = response.json()
        self.identifier = self.metadata["issuer"]
        self.algorithms = self.metadata["id_token_signing_alg_values_supported"]

    def keys(self):
        response = requests.get(self.metadata["jwks_uri"], timeout=TIMEOUT_SECONDS)
        response.raise_for_status()
        return response.json()


def python_jose(issuer, tokens):
    subjects = set()
    for name, audience in (("id_token", tokens["client_id"]), ("access_token", issuer.identifier)):
        claims = jose.decode(
            tokens[name],
            issuer.keys(),
            algorithms=issuer.algorithms,
            issuer=issuer.identifier,
            audience=audience,
            # What an at_hash is compared with, where the ID token has one.
            access_token=tokens["access_token"],
        )
        subjects.add(claims["sub"])
    return subjects


def pyoidc(issuer, tokens):
    client = oic.Client(client_id=tokens["client_id"], client_authn_method=CLIENT_AUTHN_METHOD)
    client.provider_config(issuer.identifier)
    answer = {name: tokens[name] for name in ("id_token", "access_token")} | {"token_type": "Bearer"}
    parsed = client.parse_response(
        oic.AccessTokenResponse,
        info=json.dumps(answer),
        sformat="json",
        keyjar=client.keyjar,
        iss=issuer.identifier,
        client_id=tokens["client_id"],
    )
    if isinstance(parsed, oic.TokenErrorResponse) or "id_token" not in parsed:
        raise Failed(f"pyoidc made {parsed} of the tokens")
    return {parsed["id_token"]["sub"]}


def mozilla_django_oidc(issuer, tokens):
    if not settings.configured:
        configure_django(issuer, tokens)
        django.setup()
    # It reads the settings as it is loaded.
    from mozilla_django_oidc.auth import OIDCAuthenticationBackend

    return {OIDCAuthenticationBackend().verify_token(tokens["id_token"])["sub"]}


def configure_django(issuer, tokens):
    settings.configure(
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
        OIDC_OP_TOKEN_ENDPOINT=issuer.metadata["token_endpoint"],
        OIDC_OP_USER_ENDPOINT=issuer.metadata["userinfo_endpoint"],
        OIDC_OP_JWKS_ENDPOINT=issuer.metadata["jwks_uri"],
        OIDC_RP_CLIENT_ID=tokens["client_id"],
        OIDC_RP_CLIENT_SECRET="is not asked for here",
        OIDC_RP_SIGN_ALGO=issuer.algorithms[0],
        # Whoever asked for these tokens sent none.
        OIDC_USE_NONCE=False,
    )


# How each says that it knows no Ed25519. To pyoidc a token of an algorithm that it does not know is no signed one, and it reads it as JSON.
REFUSALS = {
    python_jose: (JWKError, "Unable to find an algorithm for key"),
    pyoidc: (json.JSONDecodeError, "Expecting value: line 1 column 1 (char 0)"),
    mozilla_django_oidc: (InvalidKeyError, "Not a public or private key"),
}


def altered(token):
    """The token with another character amid its signature."""
    return token[:-20] + ("B" if token[-20] == "A" else "A") + token[-19:]


def accept(check, issuer, tokens):
    subjects = check(issuer, tokens)
    if subjects != {tokens["sub"]}:
        raise Failed(f"subjects are {subjects}, not {tokens['sub']}")
    # A library that looks at no signature takes anything.
    try:
        check(issuer, tokens | {"id_token": altered(tokens["id_token"])})
    except Failed:
        raise
    except Exception:
        pass
    else:
        raise Failed("another signature was accepted")
    return "takes " + ", ".join(issuer.algorithms)


def refuse(check, issuer, tokens):
    kind, reason = REFUSALS[check]
    try:
        subjects = check(issuer, tokens)
    except kind as error:
        if str(error) != reason:
            raise Failed(f"refused, but not for {reason!r}: {error}") from error
        return f"refuses {', '.join(issuer.algorithms)}: {reason}"
    raise Failed(f"accepted, for {subjects}")


def main(expected, address, path):
    judge = {"accept": accept, "refuse": refuse}[expected]
    with open(path, encoding="utf-8") as file:
        tokens = json.load(file)
    tokens["sub"] = jose.get_unverified_claims(tokens["id_token"])["sub"]
    issuer = Issuer(address)
    failed = False
    for check in REFUSALS:
        name = check.__name__.replace("_", "-")
        try:
            print(f"ok {name}: {judge(check, issuer, tokens)}", flush=True)
        except Exception as error:
            failed = True
            print(f"FAILED {name}: {type(error).__name__}: {error}", file=sys.stderr)
    sys.exit(failed)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: python verify.py accept|refuse ISSUER TOKENS")
    main(*sys.argv[1:])
