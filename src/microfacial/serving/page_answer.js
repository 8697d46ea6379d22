"use strict";
// Show an answer: a timeline for each person, the events, one event with its pictures and tables, and downloads.

const SVG = "http://www.w3.org/2000/svg";
const KINDS = { micro: "Micro-expression", macro: "Longer movement" };
const HEIGHT = 150, LEFT = 8, TOP = 12, BOTTOM = 24;
const seconds = (value) => (value === null || value === undefined ? "" : `${value.toFixed(2)} s`);
const percent = (value) => `${(100 * value).toFixed(0)} %`;

let answer = null;  // the answer that is shown
let chosen = -1;    // number of the event that is shown
const links = [];   // addresses of downloads, which hold memory

function draw(name, attributes, parent) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent.append(element);
  return element;
}

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
  draw("line", { class: "threshold", x1: LEFT, x2: width - LEFT, y1: y(person.threshold), y2: y(person.threshold) }, picture);
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
  $("pictures").replaceChildren(...answer.pictures[number].map((picture) => make(
    "figure", {},
    make("div", {}, make("img", { src: picture.uri, alt: picture.name }), ...drawBoxes(answer.boxes[number])),
    make("figcaption", {}, `${picture.name}. ${sentence(picture.scale)}`),
  )));
  const classes = Object.entries(event.probabilities).sort((one, other) => other[1] - one[1]);
  fillTable("classes", classes);
  $("no-units").hidden = event.units.length > 0 || !event.label;
  fillTable("units", event.units.map((unit) => [
    `AU ${unit.unit}${unit.side === "both" ? "" : `, ${unit.side}`}`, unit.probability,
  ]));
  if (moves && clipUrl && event.onset_s !== null && $("preview").duration >= event.apex_s) {
    $("preview").pause();
    $("preview").currentTime = event.apex_s;
  }
  if (moves) $("event-head").focus({ preventScroll: false });
}

function drawBoxes(boxes) {
  return boxes.map((box) => {
    const frame = make("span", { class: "box", title: box.name });
    for (const edge of ["left", "top", "width", "height"]) frame.style.setProperty(edge, `${box[edge]}%`);
    return frame;
  });
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
  const { csv, page, pictures, boxes, ...fields } = film;
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

window.addEventListener("resize", () => { drawTimelines(); if (chosen >= 0) choose(chosen, false); });
