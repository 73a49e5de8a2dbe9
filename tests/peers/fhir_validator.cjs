// Validates the resources of FHIR R4 on standard input, an array; prints the errors found.
// Argument: the folder whose node_modules have the package `fhir`.
const { readFileSync } = require("node:fs");
const { createRequire } = require("node:module");
const { join } = require("node:path");

const { Fhir } = createRequire(join(process.argv[2], "package.json"))("fhir");
const validator = new Fhir();
const found = JSON.parse(readFileSync(0, "utf8")).flatMap((resource) =>
  validator
    .validate(resource, { errorOnUnexpected: true })
    .messages.filter((each) => ["error", "fatal"].includes(each.severity))
    .map((each) => `${each.location}: ${each.message}`),
);
console.log(JSON.stringify(found));
