// Keeps a bench in this browser, so that it is there after the page is loaded again.
const PLACE = "anisoalign-bench";
const LOOK_EVERY = 100; // ms
const STILL = 1000; // ms without a run, and without a hand
const UNHEARD = 5; // times as long after a hand that no run has followed: it may have to wait
let saved = "";
let hand = 0;
let ran = 0;
let looking;

for (const kind of ["pointerdown", "keydown", "input"]) {
  addEventListener(kind, () => { hand = performance.now(); }, true);
}

// An answer begins a run of the page that was there. Right after a click it would take its place:
// what was pressed would be lost, and who goes on to another page would be taken back.
// An answer itself is lost where the server takes it together with a page that was asked for:
// it is given again, later each time, until the server asks for something else.
function whenStill(answer) {
  let still = STILL;
  ran = performance.now(); // hands were not seen before this was loaded
  looking = setInterval(() => {
    const app = document.querySelector("[data-test-script-state]");
    const now = performance.now();
    if (app && app.getAttribute("data-test-script-state") !== "notRunning") ran = now;
    if (now - Math.max(hand, ran) < (hand > ran ? UNHEARD * still : still)) return;
    ran = now;
    still *= 2;
    answer();
  }, LOOK_EVERY);
}

export default function ({ data, setTriggerValue }) {
  clearInterval(looking);
  if (!data || data.turn === saved) return;
  // it is saved once; what is asked for is read each time
  if (data.save !== null) saved = data.turn;
  let kept = "";
  try {
    if (data.save === null) kept = localStorage.getItem(PLACE) ?? "";
    else if (data.save === "") localStorage.removeItem(PLACE);
    else localStorage.setItem(PLACE, data.save);
  } catch (error) {
    // no room, or a browser that keeps nothing: what was kept before stays
    if (data.save !== null && !data.refused) whenStill(() => setTriggerValue("refused", data.turn));
  }
  if (data.save === null) whenStill(() => setTriggerValue("stored", kept));
  return () => clearInterval(looking);
}
