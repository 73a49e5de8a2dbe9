import { createHash } from "node:crypto";

import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { Sender } from "../src/sender";
import { type Answer, Portal, type Request } from "./portal";

const portal = new Portal();
const PATIENCE = { timeout: 10_000 };
let received: object[] = [];
let take: (request: Request) => Answer | Promise<Answer>;

beforeEach(async () => {
  received = [];
  portal.requests.length = 0;
  take = (request) => accepted(...pathsOf(request));
  portal.respond = (request) => (request.path === "/received" ? { json: { items: received } } : take(request));
  if (!window.location.href.includes("/page")) await portal.start();
});

afterEach(() => vi.restoreAllMocks());

function pathOf(headers: Request["headers"]): string {
  return decodeURIComponent(String(headers["x-file-path"]));
}

/** The paths of the files in a request: of one, or of several that are listed at the beginning of the body. */
function pathsOf({ headers, body }: Request): string[] {
  const length = Number(headers["x-list-bytes"] ?? 0);
  if (!length) return [pathOf(headers)];
  const listed = JSON.parse(body.slice(0, length)) as { path: string; size: number }[];
  // The content of each file is its path.
  expect(body.slice(length)).toBe(listed.map(({ path }) => path).join(""));
  expect(listed.map(({ size }) => size)).toEqual(listed.map(({ path }) => path.length));
  return listed.map(({ path }) => path);
}

function accepted(...names: string[]): Answer {
  const rest = { size: 1, sha256: "", verdict: "accepted", reason_code: "", reason: "" };
  return { json: { items: names.map((file_name) => ({ file_name, ...rest })) } };
}

function files(...paths: string[]) {
  return paths.map((path) => ({ path, file: new File([path], path.split("/").at(-1) ?? "", { lastModified: 1 }) }));
}

function newSender(refuse: () => string = () => ""): Sender {
  const address = { url: "/send", receivedUrl: "/received" };
  return new Sender(address, () => undefined, refuse, (error) => error.message);
}

function states(sender: Sender): string[] {
  return sender.uploads.map(({ state }) => state);
}

async function until(sender: Sender, ...expected: string[]): Promise<void> {
  await vi.waitFor(() => expect(states(sender)).toEqual(expected), PATIENCE);
}

test("every file arrives, in at most four requests at a time", async () => {
  let now = 0;
  let most = 0;
  take = async (request) => {
    most = Math.max(most, ++now);
    await new Promise((resolve) => setTimeout(resolve, 20));
    now -= 1;
    return accepted(...pathsOf(request));
  };
  const sender = newSender();
  const names = Array.from({ length: 40 }, (_, number) => `day/${number}.dcm`);
  await sender.add(files(...names));
  await vi.waitFor(() => expect(sender.isBusy).toBe(false), PATIENCE);
  expect(portal.to("/send").flatMap(pathsOf).sort()).toEqual(names.sort());
  expect(most).toBe(4);
  for (const { path, sent, file, verdicts } of sender.uploads) {
    expect([sent, ...verdicts.map(({ file_name }) => file_name)]).toEqual([file.size, path]);
  }
});

async function requestsFor(sender: Sender, ...names: string[]): Promise<string[][]> {
  portal.requests.length = 0;
  await sender.add(files(...names));
  await vi.waitFor(() => expect(sender.isBusy).toBe(false), PATIENCE);
  return portal.to("/send").map(pathsOf);
}

test("small files travel together over a connection that has proved fast, and a ZIP by itself", async () => {
  const sender = newSender();
  const names = Array.from({ length: 18 }, (_, number) => `${number}.dcm`);
  expect(await requestsFor(sender, "a", "b", "c", "d".repeat(300))).toHaveLength(4);
  const together = await requestsFor(sender, ...names, "c.zip");
  expect(together.map((paths) => paths.length).sort()).toEqual([1, 2, 8, 8]);
  expect(together).toContainEqual(["c.zip"]);
});

test("over a slow connection each file travels by itself", async () => {
  take = async (request) => {
    await new Promise((resolve) => setTimeout(resolve, 2100));
    return accepted(...pathsOf(request));
  };
  const sender = newSender();
  expect(await requestsFor(sender, "a")).toHaveLength(1);
  expect(await requestsFor(sender, "b", "c")).toHaveLength(2);
});

test("files whose request fails are each sent by themselves", async () => {
  const sender = newSender();
  await sender.add(files("first"));
  await until(sender, "delivered");
  take = (request) => {
    const paths = pathsOf(request);
    if (!paths.includes("bad")) return accepted(...paths);
    return { status: 422, json: { message: "No pixels." } };
  };
  portal.requests.length = 0;
  await sender.add(files("good", "bad", "fine"));
  await until(sender, "delivered", "delivered", "failed", "delivered");
  expect(portal.to("/send").map(pathsOf)).toEqual([["good", "bad", "fine"], ["good"], ["bad"], ["fine"]]);
  expect(sender.uploads.map(({ words }) => words)).toEqual(["", "", "No pixels.", ""]);
});

test("files whose connection is lost are sent again, the first by itself", async () => {
  const sender = newSender();
  await sender.add(files("first"));
  await until(sender, "delivered");
  take = () => ({ status: 503 });
  portal.requests.length = 0;
  await sender.add(files("a", "b", "c"));
  await vi.waitFor(() => expect(sender.isLost).toBe(true), PATIENCE);
  take = (request) => accepted(...pathsOf(request));
  window.dispatchEvent(new Event("online"));
  await until(sender, "delivered", "delivered", "delivered", "delivered");
  const [lost, ...others] = portal.to("/send").map(pathsOf);
  expect(lost).toEqual(["a", "b", "c"]);
  expect(others[0]).toEqual(["a"]);
  expect(others.flat().sort()).toEqual(["a", "b", "c"]);
});

test("of several ZIP files one travels at a time, and other files beside it", async () => {
  let zips = 0;
  let most = 0;
  take = async ({ headers }) => {
    const isZip = pathOf(headers).endsWith(".ZIP");
    most = Math.max(most, (zips += Number(isZip)));
    await new Promise((resolve) => setTimeout(resolve, 20));
    zips -= Number(isZip);
    return accepted(pathOf(headers));
  };
  const sender = newSender();
  await sender.add(files("1.ZIP", "2.ZIP", "3.ZIP", "a.dcm", "b.dcm"));
  await vi.waitFor(() => expect(sender.isBusy).toBe(false), PATIENCE);
  expect(most).toBe(1);
  expect(portal.to("/send")).toHaveLength(5);
});

test("a ZIP whose turn has not come asks again, and does not count as lost", async () => {
  let asked = 0;
  take = ({ headers }) => {
    asked += 1;
    return asked === 1 ? { status: 429, json: { code: "archive_waits", message: "Wait." } } : accepted(pathOf(headers));
  };
  const sender = newSender();
  await sender.add(files("a.zip"));
  expect(sender.isLost).toBe(false);
  await until(sender, "delivered");
  expect(asked).toBe(2);
});

test("files that systems leave behind, and the same file chosen twice, are not sent", async () => {
  const sender = newSender();
  await sender.add(files("a.dcm", "Thumbs.db", "__MACOSX/._a.dcm", ".DS_Store"));
  await sender.add(files("a.dcm"));
  await until(sender, "delivered");
});

test("what the server has already is not sent again; another content of that name is", async () => {
  const same = { file_name: "a.dcm", size: 5, sha256: createHash("sha256").update("a.dcm").digest("hex") };
  received = [
    { ...same, verdict: "accepted", reason: "" },
    { ...same, file_name: "b.dcm", sha256: "other", verdict: "accepted", reason: "" },
  ];
  const sender = newSender();
  await sender.add(files("a.dcm", "b.dcm"));
  await until(sender, "delivered", "delivered");
  expect(portal.to("/send").map(({ headers }) => pathOf(headers))).toEqual(["b.dcm"]);
});

test("a passing error is tried again by itself", async () => {
  const answers = [{ status: 500 }, accepted("a.dcm")];
  take = () => answers.shift() ?? { status: 404 };
  const sender = newSender();
  await sender.add(files("a.dcm"));
  await vi.waitFor(() => expect(sender.uploads[0]?.isRetried).toBe(true), PATIENCE);
  await until(sender, "delivered");
});

test("a final refusal keeps the server's words and stops no other file", async () => {
  take = ({ headers }) =>
    pathOf(headers) === "a.dcm" ? { status: 422, json: { message: "No pixels." } } : accepted("b.dcm");
  const sender = newSender();
  await sender.add(files("a.dcm", "b.dcm"));
  await until(sender, "failed", "delivered");
  expect(sender.uploads[0]?.words).toBe("No pixels.");
});

test.each([401, 507])("after %i everything waits until a person has seen to it", async (status) => {
  take = () => ({ status });
  const sender = newSender();
  await sender.add(files("a.dcm", "b.dcm"));
  await vi.waitFor(() => expect(sender.blockedBy?.status).toBe(status), PATIENCE);
  await until(sender, "waiting", "waiting");
  take = (request) => accepted(...pathsOf(request));
  sender.unblock();
  await until(sender, "delivered", "delivered");
});

test("without the portal files wait, and are sent when it is back", async () => {
  take = () => ({ status: 503 });
  const sender = newSender();
  await sender.add(files("a.dcm", "b.dcm"));
  await vi.waitFor(() => expect(sender.isLost).toBe(true), PATIENCE);
  take = (request) => accepted(...pathsOf(request));
  window.dispatchEvent(new Event("online"));
  await until(sender, "delivered", "delivered");
  expect(sender.isLost).toBe(false);
});

test("nothing is sent while it is paused", async () => {
  const sender = newSender();
  sender.pause(true);
  await sender.add(files("a.dcm"));
  expect(states(sender)).toEqual(["waiting"]);
  expect(portal.to("/send")).toEqual([]);
  sender.pause(false);
  await until(sender, "delivered");
});

test("a file that is refused unseen is named and not sent", async () => {
  const sender = newSender(() => "Larger than 1 GB.");
  await sender.add(files("a.dcm"));
  expect(sender.uploads[0]).toMatchObject({ state: "failed", words: "Larger than 1 GB." });
  expect(portal.to("/send")).toEqual([]);
});
