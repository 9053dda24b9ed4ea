// Every domain string of this site: each hash and signature input starts with exactly one of them, so that bytes made for one
// purpose never mean anything for another. Each ends in a NUL, which no text in front of other bytes has.

import { utf8 } from "./bytes.js";

/** The grant that a passkey signs as its challenge. */
export const GRANT = utf8("quorate/grant/v1\0");
/** The same grant when a session key signs it. */
export const SESSION_GRANT = utf8("quorate/session-grant/v1\0");
/** Digest of the authorization code that stands in the grant: the code itself reaches the gateway only at redemption. */
export const CODE = utf8("quorate/code/v1\0");
/** Session identifier (`sid`) of a session key. */
export const SESSION = utf8("quorate/session/v1\0");
/** Enrolment of a passkey: signed by the invitation's seed or an older passkey, and by the new one. */
export const ENROL = utf8("quorate/enrol/v1\0");
/** Revocation of a token by the person it speaks for. */
export const REVOKE = utf8("quorate/revoke/v1\0");
/** Commitment of a leaf to its salt and body. */
export const ENTRY = utf8("quorate/entry/v1\0");
/** Registry record: prefix of a leaf of the registry tree, before salt, key and record. */
export const RECORD = utf8("quorate/record/v1\0");
/** Tag of a subject's leaf, keyed with `K_subject`. */
export const TAG = utf8("quorate/tag/v1\0");
/** Key of an opening that is sealed to its subject. */
export const SUBJECT_BODY = utf8("quorate/subject-body/v1\0");
/** Token hash of a leaf, over the JWS signing input. */
export const TOKEN = utf8("quorate/token/v1\0");
