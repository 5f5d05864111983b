// Drives the simulated M3 with m3-odin and prints one JSON object of what it saw.
globalThis.window = { location: { hostname: "localhost", search: "" }, self: null, top: null };
const { MIServiceCore } = await import("@infor-up/m3-odin");
const { firstValueFrom, from } = await import("rxjs");

const [root, token] = process.argv.slice(2);
const ask_http = async (request) => {
  const headers = { ...request.headers, Authorization: `Bearer ${token}` };
  const answer = await fetch(request.url, { method: request.method, headers });
  const text = await answer.text();
  const body = text.startsWith("{") ? JSON.parse(text) : text;
  const response = { url: request.url, status: answer.status, ok: answer.ok, body };
  if (!answer.ok) throw response;
  return response;
};
const http = { execute: (request) => from(ask_http(request)) };
MIServiceCore.baseUrl = root;
const service = new MIServiceCore(http);
const ask = (transaction, record, more = {}) =>
  firstValueFrom(service.execute({ program: "CRS610MI", transaction, record, includeMetadata: true, ...more }));

const seen = {};
seen.one = (await ask("GetBasicData", { CUNO: "ACME01" }, { outputFields: ["CUNO", "CUNM"] })).item.CUNO;
seen.list = (await ask("LstByNumber", {}, { maxReturnedRecords: 2 })).items.length;
seen.typed = Object.keys((await ask("GetBasicData", { CUNO: "ACME01" })).metadata).includes("CUNM");
seen.refused = await ask("GetBasicData", { CUNO: "NOBODY" }).catch((error) => [error.errorCode, error.errorField]);
console.log(JSON.stringify(seen));
