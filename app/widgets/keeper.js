// Keeps a bench in this browser, so that it is there after the page is loaded again.
const PLACE = "anisoalign-bench";
const LOOK_EVERY = 100; // ms
const STILL = 1000; // ms without a run, and without a hand
let saved = "";
let moved = 0;
let looking;

for (const kind of ["pointerdown", "keydown", "input"]) {
  addEventListener(kind, () => { moved = performance.now(); }, true);
}

// An answer begins a run of the page that was there. Right after a click it would take its place:
// what was pressed would be lost, and who goes on to another page would be taken back.
function whenStill(answer) {
  clearInterval(looking);
  looking = setInterval(() => {
    const app = document.querySelector("[data-test-script-state]");
    const runs = app && app.getAttribute("data-test-script-state") !== "notRunning";
    if (runs) moved = performance.now();
    if (performance.now() - moved < STILL) return;
    clearInterval(looking);
    answer();
  }, LOOK_EVERY);
}

export default function ({ data, setTriggerValue }) {
  clearInterval(looking);
  if (!data || data.turn === saved) return;
  // reading is asked for until it was heard: an answer is lost when the page changes under it
  if (data.save !== null) saved = data.turn;
  try {
    if (data.save === null) {
      const kept = localStorage.getItem(PLACE) ?? "";
      whenStill(() => setTriggerValue("stored", kept));
    } else if (data.save === "") {
      localStorage.removeItem(PLACE);
    } else {
      localStorage.setItem(PLACE, data.save);
    }
  } catch (error) {
    // no room, or a browser that keeps nothing: what was kept before stays
    setTriggerValue(data.save === null ? "stored" : "refused", data.save === null ? "" : data.turn);
  }
  return () => clearInterval(looking);
}
