"use strict";
// The page: choose or record a clip, send it to the server, and show the answer. It talks to its own server only.

const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const RECORDINGS = ["video/webm;codecs=vp9", "video/webm;codecs=vp8", "video/webm", "video/mp4"];
const KINDS = { micro: "Micro-expression", macro: "Longer movement" };
const HEIGHT = 150, LEFT = 8, TOP = 12, BOTTOM = 24;

let clip = null;        // the chosen file or recording, with a name
let clipUrl = "";       // address of the clip for the player
let answer = null;      // the answer that is shown
let chosen = -1;        // number of the event that is shown
let facts = null;       // models and limits of the server
let recorder = null;    // the running recording
let running = null;     // stops the running request
const links = [];       // addresses of downloads, which hold memory

function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function draw(name, attributes, parent) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent.append(element);
  return element;
}

function report(text, busy = false) {
  $("status").textContent = text;
  $("status").classList.toggle("busy", busy);
}

function fail(text) {
  report("");
  $("error").textContent = text;
}

const seconds = (value) => (value === null || value === undefined ? "" : `${value.toFixed(2)} s`);
const sentence = (text) => (text ? `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}` : "");
const percent = (value) => `${(100 * value).toFixed(0)} %`;

// --- models and limits ---

async function loadFacts() {
  const response = await fetch("model");
  facts = await response.json();
  $("misuse").textContent = `${facts.misuse}.`;
  for (const model of facts.models) {
    $("model").append(make("option", { value: model.name }, model.title));
  }
  $("model").value = facts.default;
  const limits = facts.limits;
  $("limits").textContent = `At most ${limits.megabytes} MB, ${limits.film_seconds} s, ${limits.frames} frames of ` +
    `${limits.megapixels.toFixed(1)} megapixels.`;
  showCard();
}

function showCard() {
  const model = facts.models.find((candidate) => candidate.name === $("model").value);
  $("card").textContent = model ? model.card : "";
}

// --- the clip ---

function chooseClip(blob, name) {
  clip = new File([blob], name, { type: blob.type });
  if (clipUrl) URL.revokeObjectURL(clipUrl);
  clipUrl = URL.createObjectURL(clip);
  $("preview").srcObject = null;
  $("preview").src = clipUrl;
  $("preview").hidden = false;
  $("analyse").disabled = false;
  $("error").textContent = "";
  report(`${name}, ${(clip.size / 2 ** 20).toFixed(1)} MB`);
}

async function toggleRecording() {
  if (recorder) {
    recorder.stop();
    return;
  }
  if (!navigator.mediaDevices || !window.MediaRecorder) {
    fail("This browser gives the camera only to pages on this machine or with https. Record a clip with the camera of the device, and choose its file.");
    return;
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      video: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 60 } }, audio: false,
    });
  } catch (error) {
    fail(`The camera cannot be used (${error.name}). Allow it for this page, or choose a file.`);
    return;
  }
  const type = RECORDINGS.find((candidate) => MediaRecorder.isTypeSupported(candidate)) || "";
  const pieces = [];
  recorder = new MediaRecorder(stream, { mimeType: type, videoBitsPerSecond: 8_000_000 });
  recorder.ondataavailable = (event) => pieces.push(event.data);
  recorder.onstop = () => {
    clearTimeout(limit);
    for (const track of stream.getTracks()) track.stop();
    const kind = (recorder.mimeType || type).startsWith("video/mp4") ? "mp4" : "webm";
    recorder = null;
    $("record").textContent = "Record";
    $("record").classList.remove("on");
    $("file").value = "";
    chooseClip(new Blob(pieces, { type: `video/${kind}` }), `recording.${kind}`);
  };
  const limit = setTimeout(() => recorder && recorder.stop(), 1000 * Math.min(60, facts.limits.film_seconds - 1));
  recorder.start();
  $("preview").src = "";
  $("preview").srcObject = stream;
  $("preview").hidden = false;
  $("preview").play();
  $("record").textContent = "Stop recording";
  $("record").classList.add("on");
  $("error").textContent = "";
  report("Recording. Hold the head still, and look at the camera.");
}

// --- the request ---

async function analyse(event) {
  event.preventDefault();
  if (!clip) return;
  $("error").textContent = "";
  if (clip.size > facts.limits.megabytes * 2 ** 20) {
    fail(`${clip.name} is larger than ${facts.limits.megabytes} MB. Choose a shorter or smaller clip.`);
    return;
  }
  const form = new FormData();
  form.append("model", $("model").value);
  if ($("fps").value) form.append("fps", $("fps").value);
  form.append("video", clip, clip.name);
  running = new AbortController();
  $("analyse").disabled = true;
  $("cancel").hidden = false;
  $("result").hidden = true;
  report(`Analysing ${clip.name}`, true);
  try {
    const response = await fetch("page/answer", { method: "POST", body: form, signal: running.signal });
    const content = await response.json();
    const film = content.films ? content.films[0] : content;
    if (film.error) fail(sentence(film.error));
    else show(film);
  } catch (error) {
    fail(error.name === "AbortError" ? "Stopped." : "The server does not answer. Start it again, and try once more.");
  } finally {
    running = null;
    $("analyse").disabled = false;
    $("cancel").hidden = true;
  }
}

// --- the answer ---

function show(film) {
  answer = film;
  chosen = -1;
  report("");
  $("result").hidden = false;
  $("event").hidden = true;
  const rate = film.fps ? `, ${film.fps.toFixed(1)} frames per second` : "";
  const length = film.seconds ? `, ${seconds(film.seconds)}` : "";
  const model = film.model;
  $("summary").textContent = `${film.source}: ${film.frames} frames${length}${rate}. ` +
    `Model: ${model.name}, ${model.version}. Trained on ${model.trained_on}.`;
  $("reason").textContent = sentence(film.reason);
  $("events").replaceChildren(...film.events.map((event, number) => {
    const text = `${seconds(event.apex_s) || `frame ${event.apex}`} ${event.label || "not recognised"}`;
    const who = film.people.length > 1 ? `person ${event.person}, ` : "";
    const button = make("button", { type: "button", "aria-pressed": "false" }, who + text);
    button.addEventListener("click", () => choose(number, true));
    return make("li", {}, button);
  }));
  drawTimelines();
  offerDownloads(film);
  if (film.events.length) choose(0, false);
  $("result").scrollIntoView({ block: "start" });
}

function drawTimelines() {
  if (!answer) return;
  const frames = answer.people.map((person) => {
    const frame = make("figure");
    const shown = answer.people.length > 1 ? `Motion of the face of person ${person.person}` : "Motion of the face";
    const picture = draw("svg", { role: "img", "aria-label": `${shown} over time` }, frame);
    frame.append(make("figcaption", {}, `${shown} over time. Dashed: the least motion that counts.` +
      [person.note, ...person.gaps.map((gap) => `frames ${gap.first} to ${gap.last} are not judged: ${gap.reason}`)]
        .filter(Boolean).map((text) => ` ${sentence(text)}`).join("")));
    return [frame, picture, person];
  });
  $("timelines").replaceChildren(...frames.map(([frame]) => frame));
  for (const [frame, picture, person] of frames) drawTimeline(picture, person, frame.clientWidth || 320);
}

function drawTimeline(picture, person, width) {
  const timed = person.seconds.length > 0;
  const places = timed ? person.seconds : person.numbers;
  const first = timed ? 0 : 1;
  const last = Math.max(timed ? answer.seconds || 0 : answer.frames, ...places, first + 1e-9);
  const highest = 1.08 * Math.max(person.threshold, ...person.signal, 1e-9);
  const x = (place) => LEFT + (width - 2 * LEFT) * (place - first) / (last - first);
  const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / highest);
  picture.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  const bottom = HEIGHT - BOTTOM;
  for (const gap of person.gaps) {
    const [start, end] = timed ? [x(gap.first_s), x(gap.last_s)] : [x(gap.first), x(gap.last)];
    draw("rect", { class: "gap", x: start, y: TOP, width: Math.max(end - start, 2), height: bottom - TOP }, picture);
  }
  answer.events.forEach((event, number) => {
    if (event.person !== person.person) return;
    const [onset, apex, offset] = ["onset", "apex", "offset"].map((name) => x(timed ? event[`${name}_s`] : event[name]));
    const span = draw("rect", {
      class: "span", x: onset, y: TOP, width: Math.max(offset - onset, 4), height: bottom - TOP, "data-event": number,
    }, picture);
    span.addEventListener("click", () => choose(number, true));
    draw("line", { class: "apex", x1: apex, x2: apex, y1: TOP, y2: bottom }, picture);
  });
  draw("line", { class: "axis", x1: LEFT, x2: width - LEFT, y1: bottom, y2: bottom }, picture);
  if (person.threshold > 0) {
    draw("line", { class: "threshold", x1: LEFT, x2: width - LEFT, y1: y(person.threshold), y2: y(person.threshold) }, picture);
  }
  const points = person.signal.map((value, index) => `${x(places[index]).toFixed(1)},${y(value).toFixed(1)}`);
  draw("polyline", { class: "signal", points: points.join(" ") }, picture);
  const count = width < 500 ? 3 : 6;
  for (let tick = 0; tick <= count; tick += 1) {
    const place = first + (last - first) * tick / count;
    const anchor = tick === 0 ? "start" : tick === count ? "end" : "middle";
    draw("text", { x: x(place), y: HEIGHT - 6, "text-anchor": anchor }, picture).textContent =
      timed ? seconds(place) : `frame ${Math.round(place)}`;
  }
}

function choose(number, moves) {
  chosen = number;
  const event = answer.events[number];
  document.querySelectorAll("#events button").forEach((button, index) => {
    button.setAttribute("aria-pressed", String(index === number));
  });
  document.querySelectorAll(".span").forEach((span) => {
    span.classList.toggle("chosen", Number(span.dataset.event) === number);
  });
  $("event").hidden = false;
  $("event-head").textContent = event.label
    ? `${event.label}, ${percent(event.probabilities[event.label])}` : "Not recognised";
  const span = event.onset_s === null ? "" : ` (${seconds(event.onset_s)} to ${seconds(event.offset_s)})`;
  const score = event.score === null ? "" : `. Score ${event.score.toFixed(2)}`;
  const moments = `onset ${event.onset}, apex ${event.apex}, offset ${event.offset}${span}${score}`;
  $("moments").textContent = sentence(`${KINDS[event.kind] || event.kind}: ${moments}`);
  $("abstained").hidden = !event.abstained;
  $("abstained").textContent = sentence(event.abstained);
  $("pictures").replaceChildren(...(answer.pictures[number] || []).map((picture) => make(
    "figure", {}, make("img", { src: picture.image, alt: picture.title }), make("figcaption", {}, picture.title),
  )));
  const classes = Object.entries(event.probabilities).sort((one, other) => other[1] - one[1]);
  fillTable("classes", classes);
  fillTable("units", event.units.map((unit) => [
    `AU ${unit.unit}${unit.side === "both" ? "" : `, ${unit.side}`}`, unit.probability,
  ]));
  if (moves && clipUrl && event.onset_s !== null && $("preview").duration >= event.apex_s) {
    $("preview").pause();
    $("preview").currentTime = event.apex_s;
  }
  if (moves) $("event-head").focus({ preventScroll: false });
}

function fillTable(id, rows) {
  $(id).hidden = rows.length === 0;
  $(id).tBodies[0].replaceChildren(...rows.map(([name, share]) => {
    const bar = make("span", { class: "bar" });
    bar.style.setProperty("--share", `${100 * share}%`);
    return make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, percent(share)), make("td", {}, bar));
  }));
}

function offerDownloads(film) {
  while (links.length) URL.revokeObjectURL(links.pop());
  const stem = film.source.replace(/\.[^.]*$/, "");
  const { csv, page, pictures, ...fields } = film;
  for (const [id, text, type, suffix] of [
    ["csv", csv, "text/csv", "csv"],
    ["page", page, "text/html", "html"],
    ["json", JSON.stringify(fields, null, 2), "application/json", "json"],
  ]) {
    links.push(URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` })));
    $(id).href = links[links.length - 1];
    $(id).download = `${stem}.${suffix}`;
  }
}

$("file").addEventListener("change", () => {
  const file = $("file").files[0];
  if (file) chooseClip(file, file.name);
});
$("preview").addEventListener("error", () => { $("preview").hidden = !$("preview").srcObject; });  // it plays fewer types than the server
$("record").addEventListener("click", toggleRecording);
$("model").addEventListener("change", showCard);
$("form").addEventListener("submit", analyse);
$("cancel").addEventListener("click", () => running && running.abort());
window.addEventListener("resize", () => { drawTimelines(); if (chosen >= 0) choose(chosen, false); });
loadFacts().catch(() => fail("The server does not answer. Start it again, and load this page once more."));
