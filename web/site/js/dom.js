// Building pages from elements and text. Text is never read as markup, so nothing that a client or gateway says can become any.

/** @typedef {Node | string | undefined} Child */
/** @typedef {{ onclick?: (event: MouseEvent) => void, [attribute: string]: unknown }} Attributes */

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} [attributes] `true` writes an attribute without a value, `false` and `undefined` none
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") made.addEventListener("click", /** @type {EventListener} */ (value));
    else if (value === true) made.setAttribute(name, "");
    else if (value !== undefined && value !== false) made.setAttribute(name, String(value));
  }
  made.append(...children.filter((child) => child !== undefined));
  return made;
}

/**
 * @param {string} text
 * @param {(event: MouseEvent) => void} onclick
 * @param {"primary" | "secondary" | "quiet" | "danger"} [kind]
 */
export function button(text, onclick, kind = "primary") {
  return element("button", { type: "button", class: kind, onclick }, text);
}

/**
 * A place where short news appear and are read out without taking the focus.
 * @param {string} [text]
 */
export function news(text = "") {
  return element("p", { role: "status", class: "news" }, text);
}

/**
 * What went wrong, read out at once and with the focus on it.
 * @param {HTMLHeadingElement} heading
 * @param {...Child} lines
 */
export function alert(heading, ...lines) {
  const box = element("div", { role: "alert", class: "alert", tabindex: "-1" }, heading, ...lines);
  // It takes the focus once it stands in the page.
  queueMicrotask(() => box.focus());
  return box;
}

/**
 * The same, for trouble beside which the rest of the page goes on.
 * @param {string} title
 * @param {string} [line]
 */
export function trouble(title, line) {
  return alert(element("h2", {}, title), line === undefined ? undefined : element("p", {}, line));
}

/**
 * @param {number} timeMs
 * @param {string} locale
 * @param {number} [beforeMs] a time that stands beside it; on the same day the hour is enough
 */
export function time(timeMs, locale, beforeMs) {
  const date = new Date(timeMs);
  const isSameDay = beforeMs !== undefined && new Date(beforeMs).toDateString() === date.toDateString();
  /** @type {Intl.DateTimeFormatOptions} */
  const style = isSameDay ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" };
  return element("time", { datetime: date.toISOString() }, new Intl.DateTimeFormat(locale, style).format(date));
}
