// Parses the AsyncAPI document that is named, with its Avro schemas; exits with 1 when anything is wrong with it.
import { readFileSync } from "node:fs";
import { AvroSchemaParser } from "@asyncapi/avro-schema-parser";
import { Parser } from "@asyncapi/parser";

const ERROR = 0;
const WARNING = 1;

const parser = new Parser();
parser.registerSchemaParser(AvroSchemaParser());
const { document, diagnostics } = await parser.parse(readFileSync(process.argv[2], "utf8"));

const problems = diagnostics.filter(({ severity }) => severity === ERROR || severity === WARNING);
for (const { code, path, message } of problems) {
  console.error(`${code} at ${path.join(".") || "the document"}: ${message}`);
}
if (!document || problems.length > 0) {
  process.exit(1);
}
console.log(`valid: ${document.channels().all().length} channels, ${document.messages().all().length} messages`);
