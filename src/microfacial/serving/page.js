"use strict";
// Choose or record a clip, and send it to the server. page_answer.js shows the answer. No other site is used.

const $ = (id) => document.getElementById(id);
const RECORDINGS = ["video/webm;codecs=vp9", "video/webm;codecs=vp8", "video/webm", "video/mp4"];

let clip = null;        // the chosen file or recording, with a name
let clipUrl = "";       // address of the clip for the player
let facts = null;       // models and limits of the server
let recorder = null;    // the running recording
let running = null;     // stops the running request

function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
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

const sentence = (text) => (text ? `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}` : "");

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

$("file").addEventListener("change", () => {
  const file = $("file").files[0];
  if (file) chooseClip(file, file.name);
});
$("preview").addEventListener("error", () => { $("preview").hidden = !$("preview").srcObject; });  // it plays fewer types than the server
$("record").addEventListener("click", toggleRecording);
$("model").addEventListener("change", showCard);
$("form").addEventListener("submit", analyse);
$("cancel").addEventListener("click", () => running && running.abort());
loadFacts().catch(() => fail("The server does not answer. Start it again, and load this page once more."));
