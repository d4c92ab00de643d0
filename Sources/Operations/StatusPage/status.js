"use strict";
// Draws what /status.json tells, and then what /status/events tells every second. Texts from outside are only ever set as text.

const byID = (id) => document.getElementById(id);
let history = new Map();
let previous = null;
let shape = "";
let failures = 0;

function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
        if (value !== null && value !== undefined) made.setAttribute(key, value);
    }
    made.append(...children.filter((child) => child !== null));
    return made;
}

const format = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const number = (value) => format.format(value);
const sum = (counts) => Object.values(counts).reduce((total, each) => total + each, 0);

function bytes(count) {
    for (const unit of ["B", "KiB", "MiB"]) {
        if (count < 1024) return `${number(count)} ${unit}`;
        count /= 1024;
    }
    return `${number(count)} GiB`;
}

function lasting(seconds) {
    const parts = [[86400, "d"], [3600, "h"], [60, "min"]];
    for (const [size, unit] of parts) if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
    return `${Math.floor(seconds)} s`;
}

const ago = (time, now) => {
    const seconds = Math.max(0, (Date.parse(now) - Date.parse(time)) / 1000);
    return seconds < 1 ? "now" : `${lasting(seconds)} ago`;
};

// What passes a node: for a source everything that has ended, for a stage what left it, for a sink what it has taken.
const passed = (node) => (node.role === "sink" ? node.outcomes.delivered ?? 0 : sum(node.outcomes));

function rates(status) {
    const found = new Map();
    const seconds = previous ? (Date.parse(status.time) - Date.parse(previous.time)) / 1000 : 0;
    const before = new Map();
    for (const pipeline of previous?.pipelines ?? []) {
        for (const node of pipeline.nodes) before.set(`${pipeline.name}/${node.id}`, passed(node));
    }
    for (const pipeline of status.pipelines) {
        for (const node of pipeline.nodes) {
            const key = `${pipeline.name}/${node.id}`;
            const last = before.get(key);
            // A counter that has gone down was begun anew.
            found.set(key, seconds > 0 && last !== undefined ? Math.max(0, passed(node) - last) / seconds : null);
        }
    }
    return found;
}

// --- Drawing a pipeline

function drawNode(pipeline, node) {
    const id = `${pipeline.name}/${node.id}`;
    return element("details", { class: `node ${node.role}`, "data-node": id },
        element("summary", {},
            element("b", {}, node.name),
            element("span", { class: "kind" }, `${node.role} ${node.kind}`),
            element("span", { class: "rate", "data-rate": id }, "–"),
            element("span", { class: "state", "data-state": id })),
        element("dl", { "data-details": id }));
}

function drawBranches(pipeline, from) {
    const edges = pipeline.edges.filter((edge) => edge.from === from && !pipeline.spine.includes(edge.to));
    if (edges.length === 0) return null;
    return element("ul", { class: "branches" }, ...edges.map((edge) => {
        const node = pipeline.nodes.find((each) => each.id === edge.to);
        return element("li", { "data-edge": edge.label }, drawNode(pipeline, node), drawBranches(pipeline, edge.to));
    }));
}

function drawPipeline(pipeline) {
    const title = `pipeline-${pipeline.name}`;
    const flow = element("ol", { class: "flow", "aria-label": `Stages of ${pipeline.name}` },
        ...pipeline.spine.map((id) => {
            const node = pipeline.nodes.find((each) => each.id === id);
            const edge = pipeline.edges.find((each) => each.to === id);
            return element("li", { "data-edge": edge?.label ?? "" },
                element("div", {}, drawNode(pipeline, node), drawBranches(pipeline, id)));
        }));
    return element("section", { "aria-labelledby": title },
        element("h2", { id: title }, pipeline.name, element("span", { class: "badge", "data-ready": pipeline.name })),
        element("p", { class: "faint", "data-reason": pipeline.name }),
        flow,
        element("div", { class: "figures", "data-figures": pipeline.name }),
        element("div", { "data-letters": pipeline.name }),
        element("div", { "data-troubles": pipeline.name }));
}

// --- Filling in figures

const find = (attribute, value) => document.querySelector(`[data-${attribute}="${CSS.escape(value)}"]`);

const breakers = { 0: ["closed", "good"], 1: ["half-open", "warn"], 2: ["open", "bad"] };

function fillNode(pipeline, node, rate) {
    const id = `${pipeline.name}/${node.id}`;
    find("rate", id).textContent = rate === null || rate === undefined ? "–" : `${number(rate)}/s`;
    const state = find("state", id);
    const notes = [];
    let tone = "";
    if (node.breaker !== undefined && node.breaker !== 0) {
        notes.push(`breaker ${breakers[node.breaker][0]}`);
        tone = breakers[node.breaker][1];
    }
    if (node.retries > 0) notes.push(`${number(node.retries)} retries`);
    if (node.role === "filter" && node.outcomes.filtered > 0) notes.push(`${number(node.outcomes.filtered)} stopped`);
    state.textContent = notes.join(", ");
    state.className = `state ${tone}`;
    const rows = Object.entries(node.outcomes).filter(([, count]) => count > 0).map(([name, count]) => [name, number(count)]);
    if (node.seconds?.count > 0) rows.push(["mean time", `${number(node.seconds.sum / node.seconds.count * 1e3)} ms`]);
    if (node.inFlight !== undefined) rows.push(["in flight", number(node.inFlight)]);
    if (node.retries !== undefined) rows.push(["retries", number(node.retries)]);
    if (node.breaker !== undefined) rows.push(["breaker", breakers[node.breaker][0]]);
    const details = find("details", id);
    details.replaceChildren(...rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}

function table(caption, heads, rows) {
    return [
        element("h3", {}, caption),
        element("div", { class: "table", tabindex: "0", role: "region", "aria-label": caption },
            element("table", {},
                element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))),
                element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map((cell) =>
                    element("td", typeof cell === "number" ? { class: "number" } : {},
                        typeof cell === "number" ? number(cell) : cell))))))),
    ];
}

// A table that has the focus is not replaced under the reader's hands.
function replace(place, children) {
    if (!place.contains(document.activeElement)) place.replaceChildren(...children);
}

function fillPipeline(pipeline, status, rate) {
    for (const node of pipeline.nodes) fillNode(pipeline, node, rate.get(`${pipeline.name}/${node.id}`));
    const ready = find("ready", pipeline.name);
    ready.textContent = pipeline.state;
    ready.className = `badge ${{ ready: "good", degraded: "warn" }[pipeline.state] ?? "bad"}`;
    find("reason", pipeline.name).textContent = pipeline.reason ?? "";
    const figures = [["inside", `${number(pipeline.queue.depth)} of ${number(pipeline.queue.capacity)}`]];
    for (const [name, count] of Object.entries(pipeline.messages)) if (count > 0) figures.push([name.replace("_", " "), number(count)]);
    if (pipeline.spool) {
        figures.push(["spool", `${number(pipeline.spool.messages)} messages, ${bytes(pipeline.spool.bytes)} of ${bytes(pipeline.spool.maxBytes)}`]);
    }
    find("figures", pipeline.name).replaceChildren(...figures.map(([name, value]) =>
        element("span", {}, element("span", { class: "faint" }, `${name} `), value)));
    const letters = pipeline.deadLetters;
    replace(find("letters", pipeline.name), letters && letters.total > 0
        ? table(`Dead letters: ${number(letters.total)}`, ["Letters", "Stage", "Reason", "Last"],
            letters.reasons.map((each) => [each.count, each.stage, each.reason, ago(each.last, status.time)])) : []);
    replace(find("troubles", pipeline.name), pipeline.troubles.length > 0
        ? table("Last errors", ["Times", "Stage", "Outcome", "Reason", "Last"], pipeline.troubles.map((each) =>
            [each.count, each.stage, each.outcome, each.reason, ago(each.last, status.time)])) : []);
}

// --- The sizes of lists

function drawLists(lists) {
    const known = lists.filter((list) => (history.get(list.name) ?? []).length > 0);
    const points = known.flatMap((list) => history.get(list.name));
    byID("lists").hidden = points.length === 0;
    if (points.length === 0) return;
    const width = 1000, height = 140, left = 40;
    const times = points.map(([time]) => time);
    const first = Math.min(...times), last = Math.max(...times, first + 1);
    const most = Math.max(1, ...points.map(([, size]) => size ?? 0)) * 1.1;
    const x = (time) => left + (time - first) / (last - first) * (width - left - 10);
    const y = (size) => height - 18 - size / most * (height - 30);
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("class", "chart");
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", known.map((list) => `${list.name}: ${list.size ?? "unknown"}`).join(", "));
    known.forEach((list, index) => {
        const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
        line.setAttribute("class", `list-${index % 4}`);
        line.setAttribute("points", history.get(list.name).filter(([, size]) => size !== null)
            .map(([time, size]) => `${x(time).toFixed(1)},${y(size).toFixed(1)}`).join(" "));
        svg.append(line);
    });
    const legend = element("div", { class: "legend" }, ...known.map((list, index) =>
        element("span", {}, element("i", { class: `list-${index % 4}` }),
            `${list.name} ${list.size === null ? `unknown (${list.error ?? "not asked yet"})` : number(list.size)}`)),
    element("span", { class: "faint" }, `the last ${lasting(last - first)}; 0 to ${number(Math.ceil(most))}`));
    byID("lists").replaceChildren(svg, legend);
}

function fillParity(lists) {
    const sizes = lists.filter((list) => list.size !== null).map((list) => list.size);
    const parity = byID("parity");
    let text = "", tone = "";
    if (lists.some((list) => list.error)) {
        text = lists.filter((list) => list.error).map((list) => `${list.name} cannot be asked`).join(", ");
        tone = "bad";
    } else if (lists.length > 1 && sizes.length === lists.length) {
        const apart = Math.max(...sizes) - Math.min(...sizes);
        text = apart === 0 ? `equal: ${number(sizes[0])}` : `${number(apart)} apart`;
        tone = apart === 0 ? "good" : "warn";
    }
    // Said only when it changes: screen readers speak it aloud.
    if (parity.textContent !== text) parity.textContent = text;
    parity.className = tone;
}

function show(status) {
    const now = JSON.stringify(status.pipelines.map((each) => [each.name, each.spine, each.nodes.map((node) => [node.id, node.name, node.kind])]));
    if (now !== shape) {
        shape = now;
        byID("pipelines").replaceChildren(...status.pipelines.map(drawPipeline));
    }
    byID("about").textContent = `version ${status.version}, up ${lasting(status.uptime)}`;
    for (const list of status.lists) {
        const points = list.points ? list.points : [...(history.get(list.name) ?? []), [Date.parse(status.time) / 1000, list.size]];
        history.set(list.name, points.slice(-1800));
    }
    const rate = rates(status);
    for (const pipeline of status.pipelines) fillPipeline(pipeline, status, rate);
    fillParity(status.lists);
    drawLists(status.lists);
    previous = status;
}

function connected(text, tone) {
    const place = byID("connection");
    if (place.textContent !== text) place.textContent = text;
    place.className = tone;
}

async function begin() {
    try {
        const answer = await fetch("status.json");
        if (!answer.ok) throw new Error(`${answer.status}`);
        show(await answer.json());
    } catch {
        connected("the gateway does not answer", "bad");
        setTimeout(begin, 2000);
        return;
    }
    const events = new EventSource("status/events");
    events.onopen = () => connected("live", "good");
    events.onmessage = (event) => show(JSON.parse(event.data));
    events.onerror = () => {
        connected("the gateway does not answer", "bad");
        if (events.readyState === EventSource.CLOSED) setTimeout(begin, 2000);
    };
}

begin();
