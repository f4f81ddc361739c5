// Keeps a bench in this browser, so that it is there after the page is loaded again.
const PLACE = "anisoalign-bench";
let saved = "";

export default function ({ data, setTriggerValue }) {
  if (!data || data.turn === saved) return;
  // reading is asked for until it was heard: an answer is lost when the page changes under it
  if (data.save !== null) saved = data.turn;
  try {
    if (data.save === null) {
      setTriggerValue("stored", localStorage.getItem(PLACE) ?? "");
    } else if (data.save === "") {
      localStorage.removeItem(PLACE);
    } else {
      localStorage.setItem(PLACE, data.save);
    }
  } catch (error) {
    // no room, or a browser that keeps nothing: what was kept before stays
    setTriggerValue(data.save === null ? "stored" : "refused", data.save === null ? "" : data.turn);
  }
}
