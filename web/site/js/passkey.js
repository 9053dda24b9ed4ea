// Passkeys (WebAuthn Level 3): asking for an answer to a challenge, and making a new one.

import { toBase64url } from "./base64.js";
import { random } from "./bytes.js";
import { ALGORITHMS, readPublicKey } from "./public_key.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {import("./cbor.js").Value} Value */
/**
 * A passkey's answer to a challenge.
 * @typedef {object} Tap
 * @property {Bytes} credentialId
 * @property {Bytes} authenticatorData
 * @property {Bytes} clientData JSON bytes
 * @property {Bytes} signature
 * @property {Bytes | undefined} userHandle `K_subject`
 */
/** @typedef {{ credentialId: Bytes, publicKey: Value }} NewPasskey */

/** How long the browser's dialog stays open, milliseconds: well within the 300 s for which an anchor is good. */
const DIALOG_MS = 150_000;

/** Whether this browser has passkeys at all. */
export function hasPasskeys() {
  return "credentials" in navigator && typeof PublicKeyCredential === "function";
}

/** Whether it can offer them in the autofill of a field. */
export async function canAutofill() {
  if (!hasPasskeys() || typeof PublicKeyCredential.isConditionalMediationAvailable !== "function") return false;
  return PublicKeyCredential.isConditionalMediationAvailable();
}

/**
 * Asks for a tap. Without a list of credentials the person picks among their own, and the page learns of none beforehand.
 * @param {object} ask
 * @param {Bytes} ask.challenge
 * @param {AbortSignal} [ask.signal]
 * @param {boolean} [ask.autofill]
 * @param {Bytes[]} [ask.allowed]
 * @returns {Promise<Tap>}
 */
export async function tap({ challenge, signal, autofill = false, allowed = [] }) {
  /** @type {CredentialRequestOptions} */
  const options = {
    publicKey: {
      challenge,
      rpId: location.hostname,
      userVerification: "required",
      timeout: DIALOG_MS,
      allowCredentials: allowed.map((id) => ({ type: /** @type {const} */ ("public-key"), id })),
    },
  };
  if (signal !== undefined) options.signal = signal;
  if (autofill) options.mediation = "conditional";
  const credential = await navigator.credentials.get(options);
  if (!(credential instanceof PublicKeyCredential)) throw new DOMException("no passkey answered", "NotAllowedError");
  const response = /** @type {AuthenticatorAssertionResponse} */ (credential.response);
  return {
    credentialId: new Uint8Array(credential.rawId),
    authenticatorData: new Uint8Array(response.authenticatorData),
    clientData: new Uint8Array(response.clientDataJSON),
    signature: new Uint8Array(response.signature),
    userHandle: response.userHandle === null ? undefined : new Uint8Array(response.userHandle),
  };
}

/**
 * Makes a passkey. Authenticators that already hold one of the excluded ones refuse, since a second one of the same user would take
 * the place of the first.
 * @param {object} user
 * @param {Bytes} user.kSubject
 * @param {string} user.userName
 * @param {string} user.displayName
 * @param {Bytes[]} [user.excluded]
 * @returns {Promise<NewPasskey>}
 */
export async function makePasskey({ kSubject, userName, displayName, excluded = [] }) {
  const credential = await navigator.credentials.create({
    publicKey: {
      // Nothing is attested, so nobody checks this challenge: the new key proves itself by its first tap.
      challenge: random(32),
      rp: { id: location.hostname, name: location.host },
      user: { id: kSubject, name: userName, displayName },
      pubKeyCredParams: ALGORITHMS.map((alg) => ({ type: /** @type {const} */ ("public-key"), alg })),
      authenticatorSelection: { residentKey: "required", requireResidentKey: true, userVerification: "required" },
      attestation: "none",
      timeout: DIALOG_MS,
      excludeCredentials: excluded.map((id) => ({ type: /** @type {const} */ ("public-key"), id })),
    },
  });
  if (!(credential instanceof PublicKeyCredential)) throw new DOMException("no passkey was made", "NotAllowedError");
  const response = /** @type {AuthenticatorAttestationResponse} */ (credential.response);
  const spki = response.getPublicKey();
  if (spki === null) throw new DOMException("the passkey does not show its key", "NotSupportedError");
  const publicKey = await readPublicKey(response.getPublicKeyAlgorithm(), new Uint8Array(spki));
  return { credentialId: new Uint8Array(credential.rawId), publicKey };
}

/**
 * A tap as it goes over HTTP.
 * @param {Tap} answer
 */
export function writeTap({ credentialId, authenticatorData, clientData, signature }) {
  return {
    credential_id: toBase64url(credentialId),
    authenticator_data: toBase64url(authenticatorData),
    client_data: toBase64url(clientData),
    signature: toBase64url(signature),
  };
}

/**
 * Tells the person's passkey provider that nobody here knows this passkey, so that it stops offering it.
 * @param {Bytes} credentialId
 */
export async function forgetUnknown(credentialId) {
  /** @type {{ signalUnknownCredential?: (unknown: { rpId: string, credentialId: string }) => Promise<void> }} */
  const signals = /** @type {any} */ (PublicKeyCredential);
  await signals
    .signalUnknownCredential?.({ rpId: location.hostname, credentialId: toBase64url(credentialId) })
    // A provider that does not want to hear it changes nothing here.
    .catch(() => undefined);
}
