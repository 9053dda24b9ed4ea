"""A Django site, one page of which is for people who signed in by mozilla-django-oidc. Prints its address, reads what it was registered
as (a line of JSON), and serves until standard input ends.

    python django_site.py ISSUER SCOPE
"""

import json
import os
import secrets
import sys
import threading
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
import requests
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import include, path

TIMEOUT_SECONDS = 30


def say(value):
    print(json.dumps(value), flush=True)


class Quiet(WSGIRequestHandler):
    def log_message(self, *_arguments):
        pass


def configure(issuer, scope, registered):
    response = requests.get(f"{issuer}/.well-known/openid-configuration", timeout=TIMEOUT_SECONDS)
    response.raise_for_status()
    server = response.json()
    settings.configure(
        SECRET_KEY=secrets.token_urlsafe(32),
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=__name__,
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "mozilla_django_oidc"],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        # Sessions in cookies and people in memory: the site leaves nothing behind. One thread serves, so one connection is enough.
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        AUTHENTICATION_BACKENDS=["mozilla_django_oidc.auth.OIDCAuthenticationBackend"],
        LOGIN_URL="oidc_authentication_init",
        OIDC_RP_CLIENT_ID=registered["client_id"],
        OIDC_RP_CLIENT_SECRET=registered["client_secret"],
        OIDC_RP_SIGN_ALGO="ES256",
        OIDC_RP_SCOPES=scope,
        OIDC_USE_PKCE=True,
        OIDC_OP_AUTHORIZATION_ENDPOINT=server["authorization_endpoint"],
        OIDC_OP_TOKEN_ENDPOINT=server["token_endpoint"],
        OIDC_OP_USER_ENDPOINT=server["userinfo_endpoint"],
        OIDC_OP_JWKS_ENDPOINT=server["jwks_uri"],
    )
    django.setup()


def protected(request):
    from django.contrib.auth.decorators import login_required

    return login_required(lambda signed_in: HttpResponse(f"<h1>Django</h1><p>signed in: {signed_in.user.email}</p>"))(request)


def main(issuer, scope):
    with make_server("127.0.0.1", 0, None, handler_class=Quiet) as server:
        say({"origin": f"http://127.0.0.1:{server.server_port}"})
        configure(issuer, scope, json.loads(sys.stdin.readline()))
        global urlpatterns
        urlpatterns = [path("oidc/", include("mozilla_django_oidc.urls")), path("protected", protected)]
        server.set_app(get_wsgi_application())
        call_command("migrate", run_syncdb=True, verbosity=0)
        threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
        say({"ready": True})
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
