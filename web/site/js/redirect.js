// Where a browser may be sent, and with what. Redirect URIs are compared as texts, character by character; the only exception is
// the port of a loopback address of an application on the person's own device (RFC 8252 §7.3). Whatever the registry says, a page navigates only to https, to http on the own
// machine, and to private-use schemes with a dot (RFC 8252 §7.1): never to script, data or a scheme that anybody could claim.

/** @typedef {"query" | "form_post"} ResponseMode */
/** @typedef {[string, string][]} Parameters */

/** Longest URI that is looked at, characters. */
const MAX_URI = 2048;

/** Parts of an http or https URI without user information and fragment; anything that parsers could read in two ways is left out. */
const WEB =
  /^(https?):\/\/([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::([1-9][0-9]{0,4}))?(\/[!$-;=?-Z_a-z~@]*)?(\?[!$-;=?-Z_a-z~@]*)?$/;
/** A private-use scheme is a domain name in reverse, so it has a dot. */
const APP = /^[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+:[!$-;=?-Z_a-z~@]+$/;
/** A loopback address, its port, and the rest. */
const LOOPBACK = /^(http:\/\/(?:localhost|127\.0\.0\.1|\[::1\]))(?::([1-9][0-9]{0,4}))?([/?].*)?$/;
/** Hosts of the own machine. Browsers answer for `localhost` themselves and never ask the network. */
const OWN_MACHINE = new Set(["127.0.0.1", "[::1]", "localhost"]);

/**
 * How a page may go there: `web` by navigation, `app` by a button that the person presses; undefined if it may not.
 * @param {string} uri
 * @returns {"web" | "app" | undefined}
 */
export function wayTo(uri) {
  if (uri.length > MAX_URI) return undefined;
  if (APP.test(uri)) return "app";
  const [, scheme, host = "", port = ""] = WEB.exec(uri) ?? [];
  if (scheme === undefined || Number(port) > 65535 || host.endsWith(".")) return undefined;
  // Hosts that the browser would rewrite (`0x7f.1`, `2130706433`) are not what people and registries read.
  const parsed = URL.canParse(uri) ? new URL(uri) : undefined;
  if (parsed === undefined || parsed.hostname !== host.toLowerCase()) return undefined;
  return scheme === "https" || OWN_MACHINE.has(parsed.hostname) ? "web" : undefined;
}

/**
 * Whether the URI of a request is one that is registered; custodians compare alike.
 * @param {readonly string[]} registered
 * @param {string} asked
 * @param {boolean} isNative whether the client runs on the person's own device, where it cannot choose its port beforehand
 */
export function isRegistered(registered, asked, isNative) {
  return registered.some((uri) => uri === asked || (isNative && isOtherPort(uri, asked)));
}

/**
 * @param {string} registered
 * @param {string} asked
 */
function isOtherPort(registered, asked) {
  const one = LOOPBACK.exec(registered);
  const other = LOOPBACK.exec(asked);
  return one !== null && other !== null && one[1] === other[1] && (one[3] ?? "") === (other[3] ?? "");
}

/**
 * The URI with more parameters in its query. It is lengthened as text, so what was registered stays as it is.
 * @param {string} uri
 * @param {Parameters} parameters
 */
export function withParameters(uri, parameters) {
  if (parameters.length === 0) return uri;
  const joint = !uri.includes("?") ? "?" : /[?&]$/.test(uri) ? "" : "&";
  return uri + joint + new URLSearchParams(parameters).toString();
}

/**
 * What people are told about where a URI leads: the host, or the scheme of an app.
 * @param {string} uri
 */
export function placeOf(uri) {
  return wayTo(uri) === "web" ? new URL(uri).host : (uri.split(":")[0] ?? "");
}
