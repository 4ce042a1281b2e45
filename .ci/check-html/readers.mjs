// node readers.mjs RECORD...: each RECORD.json lies beside what lastack report made of it. hdr-histogram-js must find the record's percentiles in
// RECORD.hlog, and PapaParse, which types cells as a spreadsheet does, its numbers in RECORD.csv. Exits with 1 if one differs.
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { build, HistogramLogReader } from "hdr-histogram-js";
import Papa from "papaparse";

let failed = 0, compared = 0;
const same = (what, want, got) => {
  compared++;
  if (want === got) return;
  failed++;
  console.log(`${what} is ${JSON.stringify(got)}, the record has ${JSON.stringify(want)}`);
};

// The intervals of each tag together have the percentiles of the latency of that name.
function log(file, record) {
  const reader = new HistogramLogReader(readFileSync(`${file}.hlog`, "utf8"));
  const sums = {};
  for (let h = reader.nextIntervalHistogram(); h; h = reader.nextIntervalHistogram()) {
    sums[h.tag] ??= build({ lowestDiscernibleValue: 1, highestTrackableValue: 3.6e12, numberOfSignificantValueDigits: 3 });
    sums[h.tag].add(h);
  }
  // A drain ends the connections: their lifecycle and close say nothing.
  const meant = (name) => record.kind !== "drain" || ["lag", "connect", "exchange"].includes(name);
  const latencies = Object.fromEntries(Object.entries(record.latency).filter(([name, l]) => l.count > 0 && meant(name)));
  same(`${file}.hlog: the list of latencies`, Object.keys(latencies).sort().join(" "), Object.keys(sums).filter((tag) => !tag.includes(".")).sort().join(" "));
  for (const [name, l] of Object.entries(latencies)) {
    const h = sums[name];
    if (!h) continue;
    same(`${file}.hlog: the number of ${name}`, l.count, h.totalCount);
    for (const [key, p] of [["p50_us", 50], ["p90_us", 90], ["p99_us", 99], ["p999_us", 99.9], ["max_us", 100]]) {
      same(`${file}.hlog: ${name}.${key}`, l[key], h.getValueAtPercentile(p) / 1e3);
    }
  }
}

// Numbers are numbers, and no other cell looks like one.
function table(file, record) {
  const { data, errors, meta } = Papa.parse(readFileSync(`${file}.csv`, "utf8"), { header: true, dynamicTyping: true, skipEmptyLines: true });
  for (const e of errors) same(`${file}.csv`, "no error", e.message);
  for (const column of meta.fields) {
    const types = [...new Set(data.map((row) => row[column]).filter((v) => v !== null && v !== undefined).map((v) => typeof v))];
    same(`${file}.csv: the types of ${column}`, types[0] ?? "none", types.join(" and ") || "none");
  }
  if (record.kind !== "run") return;
  same(`${file}.csv: the number of rows`, record.timeline.length, data.length);
  const columns = { t_s: "t_s", started: "started", opened: "opened", completed: "completed", failed: "failed", in_flight: "in_flight" };
  record.timeline.forEach((interval, i) => {
    for (const [column, key] of Object.entries(columns)) {
      if (meta.fields.includes(column)) same(`${file}.csv: ${column} in row ${i + 1}`, interval[key], data[i]?.[column]);
    }
    for (const side of ["client", "server"]) {
      for (const [state, n] of Object.entries(interval[side] ?? {})) {
        if (meta.fields.includes(`${side}_${state}`)) same(`${file}.csv: ${side}_${state} in row ${i + 1}`, n, data[i]?.[`${side}_${state}`]);
      }
    }
  });
}

for (const file of process.argv.slice(2)) {
  const record = JSON.parse(readFileSync(`${file}.json`, "utf8"));
  log(file, record);
  table(file, record);
}
console.log(`check-html: other readers: ${compared} compared in ${process.argv.slice(2).map((f) => basename(f)).join(" ")}, ${failed} differ`);
process.exit(failed ? 1 : 0);
