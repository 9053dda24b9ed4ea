// The landing page: what this issuer is, and how it is, with what was checked kept apart from what is only said.

import { checkAnchor } from "./anchor.js";
import { element, time } from "./dom.js";
import { loadIssuer } from "./issuer.js";
import { members } from "./json.js";
import { begin } from "./page.js";

/** @typedef {import("./dom.js").Child} Child */
/** @typedef {import("./issuer.js").Issuer} Issuer */
/** @typedef {import("./page.js").Page} Page */
/** @typedef {import("./words.js").Words} Words */
/** @typedef {Record<string, unknown>} Json */

void begin(async (page) => {
  const { words, locale } = page;
  const issuer = await loadIssuer();
  const [anchor, status] = await Promise.all([
    issuer.gateway
      .anchor()
      .then((answer) => checkAnchor(issuer.policy, issuer.issuer, answer))
      .catch(() => undefined),
    issuer.gateway.status().catch(() => undefined),
  ]);
  const quorum = isObject(status?.quorum) ? status.quorum : {};
  const { threshold, custodians } = quorum;
  const isKnown = typeof threshold === "number" && typeof custodians === "number";
  page.show(
    words.indexWhat(location.host),
    element("p", {}, isKnown ? words.indexHow(threshold, custodians) : words.indexHowUnknown),
    element("p", {}, words.indexWhy),
    status?.demo === true ? element("p", { class: "recorded" }, words.indexDemo) : undefined,
    element("p", {}, element("a", { href: "/account", class: "button primary" }, words.indexAccount)),
    element("h2", {}, words.indexState),
    element("h3", {}, words.indexChecked),
    anchor === undefined
      ? element("p", {}, words.indexUnchecked)
      : element(
          "p",
          {},
          `${words.indexCheckpoint(anchor.size.toLocaleString(locale))} `,
          time(anchor.timeMs, locale),
          ".",
        ),
    ...said(page, status, threshold),
    element("h2", {}, words.indexForMachines),
    links(words, issuer),
  );
});

/**
 * @param {unknown} value
 * @returns {value is Json}
 */
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * What the gateway says about the custodians. Where it says nothing, that is what the page says.
 * @param {Page} page
 * @param {Json | undefined} status
 * @param {unknown} threshold
 * @returns {Child[]}
 */
function said(page, status, threshold) {
  const { words } = page;
  const custodians = Array.isArray(status?.custodians) ? status.custodians.filter(isObject) : [];
  if (custodians.length === 0) return [element("p", {}, words.indexSaidNothing)];
  const voting = custodians.filter(({ linked, standing }) => linked === true && standing === "voting").length;
  return [
    element("h3", {}, words.indexSaid),
    typeof threshold === "number" ? element("p", {}, words.indexQuorum(voting, threshold)) : undefined,
    element(
      "table",
      {},
      element(
        "thead",
        {},
        element(
          "tr",
          {},
          ...[words.custodian, words.standing, words.lastSeen].map((text) => element("th", { scope: "col" }, text)),
        ),
      ),
      element("tbody", {}, ...custodians.map((custodian) => row(page, members(custodian)))),
    ),
  ];
}

/**
 * @param {Page} page
 * @param {Json} custodian
 */
function row(page, { name, custodian, linked, standing, last_seen_ms: seen }) {
  const { words } = page;
  const stands = words.standings[String(standing)] ?? words.standingUnknown;
  const ago = typeof seen === "number" && seen > 0 ? Math.max(0, Math.round((Date.now() - seen) / 1000)) : undefined;
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, String(name ?? custodian)),
    element("td", {}, linked === true ? stands : words.notLinked),
    element("td", {}, lastSeen(page, ago, Number(seen))),
  );
}

/**
 * @param {Page} page
 * @param {number | undefined} ago seconds
 * @param {number} seenMs
 */
function lastSeen({ words, locale }, ago, seenMs) {
  if (ago === undefined) return words.never;
  return ago < 120 ? words.secondsAgo(ago) : time(seenMs, locale);
}

/**
 * @param {Words} words
 * @param {Issuer} issuer
 */
function links(words, { policy }) {
  const targets = [
    ["/.well-known/openid-configuration", words.discovery],
    ["/jwks.json", words.keySet],
    ["/.well-known/quorate/tlog-policy", words.policyFile],
    ...policy.logs.map(({ url }) => [`${url}/checkpoint`, words.checkpointFile]),
  ];
  const links = targets.map(([href, text]) => element("a", { href, rel: "noreferrer" }, text));
  return element("ul", {}, ...links.map((link) => element("li", {}, link)));
}
