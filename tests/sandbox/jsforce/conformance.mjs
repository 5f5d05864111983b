import { readFileSync } from "node:fs";
// Drives the simulated org with jsforce and prints one JSON object of what it saw.
import jsforce from "jsforce";
import { StreamingExtension } from "jsforce/lib/api/streaming.js";

const [url] = process.argv.slice(2);
const seen = {};

const soap = new jsforce.Connection({ loginUrl: url });
const user = await soap.login("integration@acme.example", "sandbox-passwordsandboxtoken");
seen.soap = [user.id, user.organizationId, soap.instanceUrl];

const conn = new jsforce.Connection({
  instanceUrl: url,
  oauth2: { loginUrl: url, clientId: "sandbox-consumer-key", clientSecret: "sandbox-consumer-secret" },
});
await conn.authorize({ grant_type: "client_credentials" });
seen.limit = (await conn.request("/limits")).DailyApiRequests.Max;
seen.describe = (await conn.describe("Order")).fields.some((f) => f.name === "Brightpearl_Order_Id__c");
seen.identity = (await conn.identity()).display_name;
seen.search = (await conn.search("FIND {Finch} IN ALL FIELDS RETURNING Account(Id, Name)")).searchRecords.map((r) => r.Name);

const events = conn.streaming.createClient([new StreamingExtension.Replay("/data/ContactChangeEvent", -2)]);
const announced = new Promise((resolve) => {
  events.subscribe("/data/ContactChangeEvent", (event) => resolve(event.payload.ChangeEventHeader.changeType));
});
await conn.sobject("Contact").create({ LastName: "announced" });
seen.event = await announced;
events.disconnect();

const rows = Array.from({ length: 450 }, (_, i) => ({ Name: `N${i}`, Brightpearl_Id__c: `k${i}` }));
rows[7].Name = "x".repeat(300);
const results = await conn.sobject("Account").upsert(rows, "Brightpearl_Id__c", { allowRecursive: true });
seen.upsert = [results.length, results.filter((r) => r.success).length, results[7].errors[0].errorCode ?? results[7].errors[0].statusCode];
seen.again = (await conn.sobject("Account").upsert({ Name: "again", Brightpearl_Id__c: "k1" }, "Brightpearl_Id__c")).created;

const one = await conn.sobject("Account").create({ Name: "one" });
const updated = await conn.sobject("Account").update([{ Id: one.id, Name: "two" }, { Id: one.id, Name: "three" }]);
seen.update = updated.map((r) => r.success);
seen.retrieve = (await conn.sobject("Account").retrieve(one.id)).Name;
await conn.sobject("Account").destroy(one.id);
try {
  await conn.sobject("Account").retrieve(one.id);
} catch (error) {
  seen.gone = error.errorCode;
}

const found = await conn.query("SELECT Name FROM Account WHERE Brightpearl_Id__c != null ORDER BY Name", {
  autoFetch: true, maxFetch: 10000, headers: { "Sforce-Query-Options": "batchSize=200" },
});
seen.query = [found.totalSize, found.records.length];
try {
  await conn.query("SELECT Nope FROM Account");
} catch (error) {
  seen.badQuery = error.errorCode;
}

const base = `/services/data/v${conn.version}`;
const composite = await conn.requestPost("/composite", {
  allOrNone: true,
  compositeRequest: [
    { method: "POST", url: `${base}/sobjects/Account`, referenceId: "acc", body: { Name: "parent" } },
    { method: "POST", url: `${base}/sobjects/Contact`, referenceId: "con", body: { LastName: "child", AccountId: "@{acc.id}" } },
  ],
});
seen.composite = composite.compositeResponse.map((part) => part.httpStatusCode);

conn.bulk2.pollInterval = 20;
conn.bulk2.pollTimeout = 20000;
const bulk = await conn.bulk2.loadAndWaitForResults({
  object: "Account", operation: "upsert", externalIdFieldName: "Brightpearl_Id__c",
  input: [{ Name: "B1", Brightpearl_Id__c: "b1" }, { Name: "y".repeat(300), Brightpearl_Id__c: "b2" }],
});
seen.bulk = [bulk.successfulResults.length, bulk.failedResults.length, bulk.unprocessedRecords.length];
seen.bulkError = bulk.failedResults[0].sf__Error.split(":")[0];

const stream = await conn.bulk2.query("SELECT Id, Name FROM Account WHERE Name = 'B1'");
seen.bulkQuery = (await stream.toArray()).map((row) => row.Name);

const zip = readFileSync(process.argv[3]);
const deploy = await conn.metadata.deployRest(zip, { rollbackOnError: true, singlePackage: true });
const wait = async (left) => {
  const path = `${base}/metadata/deployRequest/${deploy.id}?includeDetails=true`;
  const { deployResult } = await conn.request(path);
  return deployResult.done || !left ? deployResult : wait(left - 1);
};
const deployed = await wait(5);
seen.deploy = [deployed.status, deployed.numberComponentsDeployed, deployed.details.componentSuccesses[0].fullName];

console.log(JSON.stringify(seen));
