// Keeps a bench in this browser, so that it is there after the page is loaded again.
const PLACE = "anisoalign-bench";
const LOOK_EVERY = 100; // ms
const STILL = 3; // looks in a row at which nothing runs
let saved = "";
let looking;

// An answer begins a run of the page that was there: sent while a person goes on to another one, it
// would take them back. So it waits until nothing has run for a while.
function whenStill(answer) {
  let still = 0;
  looking = setInterval(() => {
    const app = document.querySelector("[data-test-script-state]");
    const runs = app && app.getAttribute("data-test-script-state") !== "notRunning";
    still = runs ? 0 : still + 1;
    if (still < STILL) return;
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
