"""A relying party with pyoidc (`oic`). Prints where to send the browser, reads where it came back, prints what it got.

    CLIENT_SECRET=… python pyoidc_party.py ISSUER CLIENT_ID REDIRECT_URI SCOPE
"""

import json
import os
import sys
from urllib.parse import urlsplit

from oic import rndstr
from oic.oic import Client
from oic.oic.message import AuthorizationResponse, RegistrationResponse
from oic.utils.authn.client import CLIENT_AUTHN_METHOD


def say(value):
    print(json.dumps(value), flush=True)


def main(issuer, client_id, redirect_uri, scope):
    client = Client(client_authn_method=CLIENT_AUTHN_METHOD, config={"code_challenge": {"length": 64, "method": "S256"}})
    client.provider_config(issuer)
    client.store_registration_info(
        RegistrationResponse(
            client_id=client_id,
            client_secret=os.environ["CLIENT_SECRET"],
            redirect_uris=[redirect_uri],
            id_token_signed_response_alg="ES256",
        )
    )
    state, nonce = rndstr(), rndstr()
    challenge, verifier = client.add_code_challenge()
    request = client.construct_AuthorizationRequest(
        request_args={
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": redirect_uri,
            "scope": scope.split(),
            "state": state,
            "nonce": nonce,
            **challenge,
        }
    )
    say({"authorization_url": request.request(client.authorization_endpoint)})
    answer = urlsplit(sys.stdin.readline().strip()).query
    returned = client.parse_response(AuthorizationResponse, info=answer, sformat="urlencoded")
    tokens = client.do_access_token_request(
        state=returned["state"],
        request_args={"code": returned["code"], "redirect_uri": redirect_uri, "code_verifier": verifier},
        authn_method="client_secret_basic",
    )
    if tokens["id_token"]["nonce"] != nonce:
        raise ValueError("the ID token has another nonce")
    userinfo = client.do_user_info_request(state=returned["state"])
    say({"id_token": tokens["id_token"].to_dict(), "alg": tokens["id_token"].jws_header["alg"], "userinfo": userinfo.to_dict()})


if __name__ == "__main__":
    main(*sys.argv[1:])
