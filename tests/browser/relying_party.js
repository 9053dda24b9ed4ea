// Stock relying parties: openid-client, configured from discovery and what `quorate client add` told, and nothing else.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";

import { importJWK } from "jose";
import * as oidc from "openid-client";

import { DATA_DIR, ISSUER, addClient, freshName } from "./system.js";

/** @typedef {import("./app.js").App} App */
/** @typedef {import("./window.js").Window} Window */
/** @typedef {"none" | "private_key_jwt" | "client_secret_basic" | "client_secret_post"} Method */

/** A scope that asks for every claim. */
export const EVERYTHING = "openid profile email groups";

export class RelyingParty {
  /**
   * @param {App} app
   * @param {string} id
   * @param {oidc.Configuration} config
   * @param {string | undefined} secret
   */
  constructor(app, id, config, secret) {
    this.app = app;
    this.id = id;
    this.config = config;
    this.secret = secret;
  }

  /**
   * Registers an application that sends people to `app`.
   * @param {App} app
   * @param {Method} method
   * @param {...string} options of `quorate client add`
   */
  static async register(app, method, ...options) {
    const id = freshName(method.replaceAll("_", "-"));
    const [type, auth] =
      method === "none" ? ["spa", "none"] : ["web", method === "private_key_jwt" ? method : "client_secret"];
    const told = await addClient(
      ...[id, type, [app.redirectUri], "--auth", auth, "--post-logout-redirect-uri", app.bye],
      ...["--scope", EVERYTHING, ...options],
    );
    const secret = /** @type {string | undefined} */ (told.client_secret);
    return new RelyingParty(app, id, await RelyingParty.discover(id, method, secret), secret);
  }

  /**
   * @param {string} id
   * @param {Method} method
   * @param {string | undefined} secret
   */
  static async discover(id, method, secret) {
    // The demonstration is plain http on the own machine; the library asks for this to be said.
    return oidc.discovery(new URL(ISSUER), id, undefined, await authentication(id, method, secret), {
      execute: [oidc.allowInsecureRequests],
    });
  }

  /**
   * Where the browser is sent, and what the answer is checked against.
   * @param {Record<string, string>} [change]
   */
  async begin(change = {}) {
    const begun = {
      pkceCodeVerifier: oidc.randomPKCECodeVerifier(),
      expectedState: oidc.randomState(),
      expectedNonce: oidc.randomNonce(),
    };
    const url = oidc.buildAuthorizationUrl(this.config, {
      redirect_uri: this.app.redirectUri,
      scope: EVERYTHING,
      code_challenge: await oidc.calculatePKCECodeChallenge(begun.pkceCodeVerifier),
      code_challenge_method: "S256",
      state: begun.expectedState,
      nonce: begun.expectedNonce,
      ...change,
    });
    return { url, ...begun };
  }

  /**
   * A person taps, and the library redeems the code. It checks state, iss, nonce, the ID token's signature, and that there is one.
   * @param {Window} window
   * @param {Record<string, string>} [change]
   */
  async signIn(window, change) {
    const begun = await this.begin(change);
    const { url } = await window.arrivalByTap(this.app, begun.url);
    return this.redeem(url, begun);
  }

  /**
   * @param {URL} callback
   * @param {oidc.AuthorizationCodeGrantChecks} begun
   */
  redeem(callback, { pkceCodeVerifier, expectedState, expectedNonce }) {
    const checks = { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true };
    return oidc.authorizationCodeGrant(this.config, callback, checks);
  }

  /**
   * A sign-in whose code nobody has redeemed yet, with the token request that would, in its parts.
   * @param {Window} window
   * @param {Record<string, string>} [change]
   */
  async code(window, change) {
    const begun = await this.begin(change);
    const { parameters } = await window.arrivalByTap(this.app, begun.url);
    const code = parameters.get("code");
    assert.ok(code, `no code: ${parameters}`);
    return {
      grant_type: "authorization_code",
      code,
      redirect_uri: this.app.redirectUri,
      code_verifier: begun.pkceCodeVerifier,
      client_id: this.id,
    };
  }
}

/**
 * @param {string} id
 * @param {Method} method
 * @param {string | undefined} secret
 */
async function authentication(id, method, secret) {
  switch (method) {
    case "none":
      return oidc.None();
    case "client_secret_basic":
      return oidc.ClientSecretBasic(secret);
    case "client_secret_post":
      return oidc.ClientSecretPost(secret);
    case "private_key_jwt": {
      const jwk = JSON.parse(await readFile(`${DATA_DIR}/clients/${id}.jwk`, "utf8"));
      const key = /** @type {CryptoKey} */ (await importJWK(jwk, jwk.alg));
      return oidc.PrivateKeyJwt({ key, kid: jwk.kid });
    }
  }
}
