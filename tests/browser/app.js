// An app's own site, of another origin than the issuer: it tells a test what reached it, and serves what the test gives it.

import { createServer } from "node:http";
import { after, before } from "node:test";

/** @typedef {{ method: string, url: URL, parameters: URLSearchParams }} Arrival */
/** @typedef {{ type: string, body: string | Buffer }} File */

export class App {
  /** Everything that reached it. @type {Arrival[]} */
  arrivals = [];
  /** What it serves besides its empty page. @type {Map<string, File>} */
  files = new Map();
  /** @type {((arrival: Arrival) => void)[]} */
  waiting = [];
  origin = "";

  constructor() {
    this.server = createServer(async (request, response) => {
      const url = new URL(request.url ?? "/", this.origin);
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      const isPost = request.method === "POST";
      const parameters = isPost ? new URLSearchParams(Buffer.concat(chunks).toString()) : url.searchParams;
      const file = this.files.get(url.pathname);
      response
        .writeHead(200, { "content-type": file?.type ?? "text/html" })
        .end(file?.body ?? "<!doctype html><html lang=en><title>The app</title><main><h1>The app</h1></main>");
      if (file === undefined && url.pathname !== "/favicon.ico")
        this.arrived({ method: request.method ?? "", url, parameters });
    });
  }

  /** @param {Arrival} arrival */
  arrived(arrival) {
    this.arrivals.push(arrival);
    for (const tell of this.waiting.splice(0)) tell(arrival);
  }

  /**
   * The next arrival.
   * @param {number} patienceMs
   * @returns {Promise<Arrival>}
   */
  next(patienceMs) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("nothing reached the app")), patienceMs);
      this.waiting.push((arrival) => {
        clearTimeout(timer);
        resolve(arrival);
      });
    });
  }

  async listen() {
    await new Promise((resolve) => this.server.listen(0, "127.0.0.1", () => resolve(undefined)));
    const address = /** @type {import("node:net").AddressInfo} */ (this.server.address());
    this.origin = `http://127.0.0.1:${address.port}`;
  }

  close() {
    this.server.close();
    this.server.closeAllConnections();
  }

  get redirectUri() {
    return `${this.origin}/cb`;
  }

  get bye() {
    return `${this.origin}/bye`;
  }
}

/** An app that runs as long as the tests of a file. */
export function appOfTests() {
  const app = new App();
  before(() => app.listen());
  after(() => app.close());
  return app;
}
