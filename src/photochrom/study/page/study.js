/* A session of the study. The server decides everything; this page shows, measures and asks.
 *
 * A pair: its picture is fetched and decoded; the server is told that it will be shown, and says so; it is visible from
 * one animation frame to the one nearest to shown_ms later; then the question, without limit. The answer is sent again
 * until the server has it. Meanwhile the next picture is fetched. */
"use strict";

const REST_MS = 700; // between an answer and the next pair, at least
const RETRY_MS = [1000, 2000, 4000, 8000]; // between attempts to reach the server
const CHOICE_MS = 1500; // what people take to answer, to look at feedback, to read what comes before: for the estimate
const FEEDBACK_MS = 1500;
const READING_MS = 45000;
const LATE_MS = 250; // if frames stop coming, a pair is hidden this long after its time, without a measurement

const $ = (id) => document.getElementById(id);
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const pressed = (button) => new Promise((done) => button.addEventListener("click", done, { once: true }));

let study = null;
const pictures = new Map(); // token -> promise of a blob

class Refused extends Error { // the server understood and said no
  constructor(status, detail) { super(detail); this.status = status; }
}

// --- the server ---------------------------------------------------------------------------------------------------

async function once(path, body) {
  const options = { method: body === undefined ? "GET" : "POST", cache: "no-store" };
  if (body !== undefined) {
    options.headers = { "Content-Type": "application/json" };
    options.body = JSON.stringify(body);
  }
  const reply = await fetch(path, options);
  if (reply.status >= 500 || reply.status === 429) throw new Error(`${reply.status}`);
  if (!reply.ok) throw new Refused(reply.status, (await reply.json().catch(() => ({}))).detail ?? "");
  return reply.headers.get("Content-Type").startsWith("image/") ? reply.blob() : reply.json();
}

/** Asks until there is a reply. What is sent again must not count twice; the server sees to that. */
async function ask(path, body, what) {
  for (let attempt = 0; ; attempt++) {
    try {
      const reply = await once(path, body);
      $("trouble").hidden = true;
      return reply;
    } catch (error) {
      if (error instanceof Refused) {
        $("trouble").hidden = true;
        throw error;
      }
      $("trouble-text").textContent = `No connection to the study. ${what}`;
      $("trouble").hidden = false;
      await Promise.race([wait(RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)]), pressed($("retry"))]);
    }
  }
}

function fetchPicture(pair) {
  if (!pictures.has(pair)) {
    const wanted = ask(`api/pairs/${pair}/picture`, undefined, "The next pair comes as soon as it is back.");
    wanted.catch(() => {}); // looked at when the pair's turn comes
    pictures.set(pair, wanted);
  }
  return pictures.get(pair);
}

const goOn = () => ask("api/session", {}, "It goes on as soon as it is back.");

// --- screens ------------------------------------------------------------------------------------------------------

function fill(name, text) {
  for (const place of document.querySelectorAll(`[data-fill="${name}"]`)) place.textContent = text;
}

function screen(id) {
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== id;
  document.body.classList.toggle("judging", id === "stage");
  document.body.classList.toggle("first", id === "consent"); // its heading is the title
  const heading = $(id).querySelector("h1");
  scrollTo(0, 0);
  if (heading) heading.focus({ preventScroll: true });
}

function know(progress) {
  fill("participant", progress.participant);
  $("identifier").hidden = false;
}

async function pause(title, text, button = "Go on") {
  $("pause-title").textContent = title;
  $("pause-text").textContent = text;
  $("continue").textContent = button;
  screen("pause");
  await pressed($("continue"));
}

function stop(text) {
  $("stopped-text").textContent = text;
  screen("stopped");
}

// --- one pair -----------------------------------------------------------------------------------------------------

function becomesVisible() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((done) => {
    document.addEventListener("visibilitychange", function look() {
      if (document.hidden) return;
      document.removeEventListener("visibilitychange", look);
      done();
    });
  });
}

/** Shows the image for `wanted` ms. {shown, hiddenAt}: for how long, by the frames' own times (null: not measured), and
 * when it was hidden; or null if the page was left meanwhile. */
function present(image, wanted) {
  return new Promise((done) => {
    const visible = [], hidden = []; // frames from the first with the image, from the first without it
    let frame = 1000 / 60, over = false;
    const end = (result) => {
      if (over) return;
      over = true;
      image.style.visibility = "hidden";
      clearTimeout(late);
      document.removeEventListener("visibilitychange", left);
      removeEventListener("pagehide", left);
      done(result);
    };
    const left = (event) => { if (document.hidden || event.type === "pagehide") end(null); };
    const late = setTimeout(() => end({ shown: null, hiddenAt: performance.now() }), wanted + LATE_MS);
    document.addEventListener("visibilitychange", left);
    addEventListener("pagehide", left);
    const step = (now) => {
      if (over) return;
      const at = { now, called: performance.now() };
      if (visible.length === 0) {
        image.style.visibility = "visible";
      } else if (hidden.length === 0) {
        const last = visible[visible.length - 1].now;
        frame = Math.max(2, Math.min(frame, now - last)); // the display's own step: a late frame does not count
        if (now - visible[0].now >= wanted - frame / 2) {
          image.style.visibility = "hidden";
          hidden.push(at);
        }
      } else {
        hidden.push(at);
        return end({ shown: duration(visible, hidden, frame), hiddenAt: hidden[0].now });
      }
      if (hidden.length === 0) visible.push(at);
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  });
}

/** From the first frame with the image to the first without it. A busy computer may draw a frame later than its time:
 * then the call for it comes late, or the next frame does. Where those disagree with the frames' times by more than a
 * frame, theirs is the duration: it is then flagged rather than believed. */
function duration(visible, hidden, frame) {
  const plain = hidden[0].now - visible[0].now;
  const others = [hidden[0].called - visible[0].called];
  if (visible.length > 1) others.push(hidden[1].now - visible[1].now);
  const off = (each) => Math.abs(each - plain);
  const worst = others.reduce((one, other) => (off(other) > off(one) ? other : one));
  return off(worst) > frame ? worst : plain;
}

/** {side, at}: the first click, tap or key. */
function choice() {
  const buttons = [...document.querySelectorAll("#sides button")];
  return new Promise((done) => {
    const decide = (side, at) => {
      removeEventListener("keydown", key);
      for (const button of buttons) {
        button.removeEventListener("click", click);
        button.disabled = true;
        button.classList.toggle("chosen", button.dataset.side === side);
      }
      done({ side, at });
    };
    const click = (event) => decide(event.currentTarget.dataset.side, event.timeStamp);
    const key = (event) => {
      if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
      const side = { arrowleft: "left", f: "left", arrowright: "right", j: "right" }[event.key.toLowerCase()];
      if (side === undefined) return;
      event.preventDefault();
      decide(side, event.timeStamp);
    };
    addEventListener("keydown", key);
    for (const button of buttons) {
      button.classList.remove("chosen");
      button.disabled = false;
      button.addEventListener("click", click);
    }
  });
}

function clearStage(progress) {
  for (const id of ["sides", "question", "keys", "after"]) $(id).hidden = true;
  $("feedback").textContent = "";
  $("fixation").hidden = false;
  mark(progress);
  screen("stage");
}

function mark(progress) {
  const bar = document.querySelector("progress");
  bar.max = progress.total;
  bar.value = progress.answered;
  const number = Math.min(progress.answered + 1, progress.total);
  $("progress-text").textContent = `Pair ${number} of ${progress.total}${progress.phase === "practice" ? " (practice)" : ""}`;
}

/** One pair from its picture to the answer that the server has; returns where that leaves the session. */
async function trial(progress) {
  clearStage(progress);
  const rested = wait(REST_MS);
  const image = $("pair");
  const address = URL.createObjectURL(await fetchPicture(progress.pair));
  let seen;
  try {
    image.src = address;
    await image.decode();
    document.documentElement.style.setProperty("--width", image.naturalWidth);
    document.documentElement.style.setProperty("--height", image.naturalHeight);
    await rested;
    await becomesVisible();
    await ask(`api/pairs/${progress.pair}/shown`, {}, "The pair comes as soon as it is back.");
    $("fixation").hidden = true;
    seen = document.hidden ? null : await present(image, study.shown_ms);
  } finally {
    image.removeAttribute("src");
    URL.revokeObjectURL(address);
    pictures.delete(progress.pair);
  }
  if (seen === null) {
    await becomesVisible();
    await pause("The page was left", "The pair that was being shown is lost; another one takes its place.");
    return goOn();
  }
  for (const id of ["sides", "question", "keys"]) $(id).hidden = false;
  $("sides").focus({ preventScroll: true }); // neither side: that would be a hint to choose it
  if (progress.next) fetchPicture(progress.next);
  const { side, at } = await choice();
  const answer = { coloured: side, shown_ms: seen.shown, reaction_ms: Math.max(0, at - seen.hiddenAt) };
  const kept = "Your answer is kept here and sent again by itself; please leave the page open.";
  const after = await ask(`api/pairs/${progress.pair}/answer`, answer, kept);
  if (after.right !== null) await feedback(after.right, side);
  return after;
}

async function feedback(right, side) {
  const other = side === "left" ? "right" : "left";
  $("question").hidden = $("keys").hidden = true;
  $("feedback").textContent = right
    ? `Correct: a computer coloured the ${side} one.`
    : `No: a computer coloured the ${other} one.`;
  $("after").hidden = false;
  $("next").focus({ preventScroll: true });
  await pressed($("next"));
}

// --- the session --------------------------------------------------------------------------------------------------

async function session(progress) {
  let phase = progress.phase;
  while (progress.phase !== "done") {
    if (progress.phase !== phase) {
      phase = progress.phase;
      await pause("Now it counts", "That was the practice. From here on you are not told whether you were right, and the "
        + "next pair follows by itself.");
    }
    try {
      progress = await trial(progress);
    } catch (error) {
      if (!(error instanceof Refused) || ![409, 410].includes(error.status)) throw error;
      pictures.clear(); // another tab, or a lost reply: the server knows where we are
      progress = await goOn();
    }
  }
  screen("thanks");
}

async function main() {
  study = await ask("api/study", undefined, "It begins as soon as it is back.");
  document.title = study.title;
  fill("title", study.title);
  const pairs = (study.practice + study.test) * (REST_MS + study.shown_ms + CHOICE_MS);
  const minutes = Math.ceil((READING_MS + pairs + study.practice * FEEDBACK_MS) / 60000);
  fill("minutes", minutes === 1 ? "a minute" : `${minutes} minutes`);
  fill("seconds", study.shown_ms === 1000 ? "one second" : `${study.shown_ms / 1000} seconds`);
  const practice = `The first ${study.practice} pairs are practice: you are told whether you were right, and go on `
    + "with “Next pair”. Then follow";
  fill("practice", study.practice ? practice : "There are");
  fill("test", `${study.test}`);
  const before = study.progress;
  if (before === null) {
    screen("consent");
    await pressed($("agree"));
    const progress = await ask("api/participants", { consent: true }, "It begins as soon as it is back.");
    know(progress);
    screen("instructions");
    await pressed($("begin"));
    return session(progress);
  }
  know(before);
  if (before.phase === "done") return screen("thanks");
  if (before.answered === 0) {
    screen("instructions");
    await pressed($("begin"));
  } else {
    const text = `${before.answered} of ${before.total} pairs are answered. It goes on with the next one.`;
    await pause("Welcome back", text);
  }
  return session(await goOn());
}

$("reload").addEventListener("click", () => location.reload());
main().catch((error) => {
  console.error(error);
  stop(
    error instanceof Refused && error.status === 403
      ? "The study does not know this browser: its cookie was blocked or removed, or the answers were deleted. "
        + "Allow cookies for this page and load it again."
      : "Something went wrong on this page. Your answers so far are stored; load the page again to go on.",
  );
});
