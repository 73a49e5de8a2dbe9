/** A portal for the tests of the front end: a real HTTP server, at whose address the page is. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

import type { DetachedWindowAPI } from "happy-dom";

declare global {
  interface Window {
    happyDOM: DetachedWindowAPI;
  }
}

export interface Request {
  path: string;
  headers: IncomingMessage["headers"];
  body: string;
}

export interface Answer {
  status?: number;
  headers?: Record<string, string>;
  body?: string;
  json?: unknown;
}

type Respond = (request: Request) => Answer | Promise<Answer>;

export class Portal {
  /** What has been asked for, in order. */
  readonly requests: Request[] = [];
  respond: Respond = () => ({ status: 404 });
  private readonly server: Server = createServer((request, response) => void this.answer(request, response));

  /** Start it, and make it the place where the page is. */
  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    const { port } = this.server.address() as AddressInfo;
    // happy-dom does not know it, though the loopback is secure.
    Object.defineProperty(window, "isSecureContext", { value: true, configurable: true });
    window.happyDOM.setURL(`http://127.0.0.1:${port}/page`);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** Requests for one path. */
  to(path: string): Request[] {
    return this.requests.filter((request) => request.path === path);
  }

  private async answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString("utf-8");
    const request = { path: incoming.url ?? "", headers: incoming.headers, body };
    this.requests.push(request);
    const { status = 200, headers = {}, body: text = "", json } = await this.respond(request);
    outgoing.writeHead(status, headers).end(json === undefined ? text : JSON.stringify(json));
  }
}
