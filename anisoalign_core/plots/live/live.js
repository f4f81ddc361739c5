// One picture that moves without a server: two clouds whose rows flow between positions computed
// beforehand at some values of a dial, the numbers there, and the curve they lie on. The same module
// serves a page of the app, a notebook and a file. It fetches nothing; all text from data is set as
// text, never as markup.

const MAGIC = "AAL1";
const ARRAYS = { u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, f4: Float32Array };
const open = new Map(); // mounted pictures of the app by name, and words that came before them
const words = new Map();
const places = new Map(); // where each picture's dial was left, for whoever comes back to its page

/** Header and arrays of a payload: magic, length of the header, header, arrays at their offsets. */
export function unpack(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = (from, to) => new TextDecoder().decode(bytes.subarray(from, to));
  if (text(0, 4) !== MAGIC) throw new Error("This is no live picture.");
  const length = view.getUint32(4, true);
  const facts = JSON.parse(text(8, 8 + length));
  const start = 8 + length + ((4 - (length % 4)) % 4);
  const arrays = {};
  for (const [name, { kind, at, size }] of Object.entries(facts.arrays)) {
    const from = bytes.byteOffset + start + at;
    const whole = from % 4 ? bytes.slice(start + at, start + at + size * 4).buffer : bytes.buffer;
    arrays[name] = new ARRAYS[kind](whole, from % 4 ? 0 : from, size);
  }
  return { facts, arrays };
}

const three = (v) =>
  v == null || !isFinite(v) ? "–" : Math.abs(v) < 1e-12 ? "0" : Math.abs(v) < 999.5
    ? v.toPrecision(3).replace(/\.$/, "") : Math.round(v).toLocaleString("en");
const clamp = (v, low, high) => Math.min(Math.max(v, low), high);

function make(tag, given = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(given)) {
    if (key === "text") node.textContent = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== false && value != null) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

/** Where a value lies between sorted knots: number of the one below, and the part of the way. */
function between(knots, value) {
  let k = 0;
  while (k < knots.length - 2 && knots[k + 1] <= value) k += 1;
  const gap = knots.length > 1 ? knots[k + 1] - knots[k] : 1;
  return [k, knots.length > 1 ? clamp((value - knots[k]) / gap, 0, 1) : 0];
}

const VERTEX = `#version 300 es
in vec2 a; in vec2 b; in float g;
uniform float t, size, by; uniform vec2 S, O; uniform vec4 own, pal[16]; out vec4 c;
void main() {
  gl_Position = vec4(mix(a, b, t) * S + O, 0.0, 1.0); gl_PointSize = size;
  c = by > 0.5 ? vec4(pal[int(g)].rgb, own.a) : own;
}`;
const FRAGMENT = `#version 300 es
precision mediump float; in vec4 c; uniform float diamond; out vec4 o;
void main() {
  vec2 p = abs(gl_PointCoord - 0.5);
  float r = diamond > 0.5 ? p.x + p.y : length(p);
  if (r > 0.5) discard;
  o = vec4(c.rgb * c.a, c.a);
}`;

const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255);

/** Draw points with WebGL2: positions are mixed in the vertex shader, nothing is sent per frame. */
function withGL(canvas, layers) {
  const gl = canvas.getContext("webgl2", { antialias: false, premultipliedAlpha: true });
  if (!gl) return null;
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) return null;
  gl.useProgram(program);
  const at = (name) => gl.getUniformLocation(program, name);
  const uniform = Object.fromEntries(
    ["t", "size", "by", "S", "O", "own", "pal", "diamond"].map((name) => [name, at(name)]));
  const [a, b, g] = ["a", "b", "g"].map((name) => gl.getAttribLocation(program, name));
  const sent = (data) => {
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
    return buffer;
  };
  for (const layer of Object.values(layers)) layer.buffer = sent(layer.xy);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  gl.enable(gl.SCISSOR_TEST);
  [a, b].forEach((index) => gl.enableVertexAttribArray(index));
  return {
    colours(codes, palette) {
      for (const layer of Object.values(layers)) {
        layer.codes = codes && codes[layer.side] ? sent(codes[layer.side]) : null;
      }
      const flat = new Float32Array(64);
      palette.forEach((hex, i) => flat.set([...rgb(hex), 1], 4 * i));
      gl.uniform4fv(uniform.pal, flat);
    },
    begin() {
      gl.scissor(0, 0, canvas.width, canvas.height);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
    },
    draw(layer, panel, frame, part, { scale, shift, size, alpha, ratio }) {
      const box = [panel.x, canvas.height / ratio - panel.y - panel.h, panel.w, panel.h];
      const px = box.map((v) => Math.round(v * ratio));
      gl.viewport(...px);
      gl.scissor(...px);
      gl.bindBuffer(gl.ARRAY_BUFFER, layer.buffer);
      const bytes = layer.n * 4;
      const next = Math.min(frame + 1, layer.frames - 1);
      gl.vertexAttribPointer(a, 2, gl.UNSIGNED_SHORT, true, 0, Math.min(frame, next) * bytes);
      gl.vertexAttribPointer(b, 2, gl.UNSIGNED_SHORT, true, 0, next * bytes);
      if (layer.codes) {
        gl.bindBuffer(gl.ARRAY_BUFFER, layer.codes);
        gl.enableVertexAttribArray(g);
        gl.vertexAttribPointer(g, 1, gl.UNSIGNED_BYTE, false, 0, 0);
      } else gl.disableVertexAttribArray(g);
      gl.uniform1f(uniform.t, part);
      gl.uniform1f(uniform.size, size * ratio);
      gl.uniform1f(uniform.by, layer.codes ? 1 : 0);
      gl.uniform1f(uniform.diamond, layer.codes && layer.side === "source" ? 1 : 0);
      gl.uniform2f(uniform.S, ...scale);
      gl.uniform2f(uniform.O, ...shift);
      gl.uniform4f(uniform.own, ...rgb(layer.colour), alpha);
      gl.drawArrays(gl.POINTS, 0, layer.n);
    },
  };
}

/** The same on a 2-D canvas, for browsers without WebGL2. */
function without(canvas, layers, position) {
  const pen = canvas.getContext("2d");
  let palette = [], codes = null;
  return {
    colours(given, shades) {
      codes = given;
      palette = shades;
    },
    begin() {
      pen.setTransform(1, 0, 0, 1, 0, 0);
      pen.clearRect(0, 0, canvas.width, canvas.height);
    },
    draw(layer, panel, frame, part, { scale, shift, size, alpha, ratio }) {
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
      pen.globalAlpha = alpha;
      const of = codes && codes[layer.side];
      for (let i = 0; i < layer.n; i += 1) {
        const [p, q] = position(layer, i, frame, part);
        const x = panel.x + ((p * scale[0] + shift[0] + 1) / 2) * panel.w;
        const y = panel.y + ((1 - q * scale[1] - shift[1]) / 2) * panel.h;
        if (x < panel.x || x > panel.x + panel.w || y < panel.y || y > panel.y + panel.h) continue;
        pen.fillStyle = of ? palette[of[i]] : layer.colour;
        pen.fillRect(x - size / 2, y - size / 2, size, size);
      }
    },
  };
}

/** Facts with the colours of a dark page, where its ink is light. */
function shaded(facts, ink) {
  const [r, g, b] = (ink.match(/[\d.]+/g) ?? [0, 0, 0]).map(Number);
  if (!facts.dark || r + g + b < 3 * 128) return facts;
  const shade = (colour) => facts.dark[colour] ?? colour;
  return { ...facts, palette: facts.palette.map(shade),
    colours: Object.fromEntries(Object.entries(facts.colours).map(([k, v]) => [k, shade(v)])),
    curves: facts.curves.map((one) => ({ ...one, colour: shade(one.colour) })) };
}

/**
 * Show a picture in an element. `host` may take `release(value)`, called once where a drag ends,
 * and `select({source, target})`, positions of the rows inside a lasso.
 */
export function mount(root, bytes, host = {}) {
  const { facts: given, arrays } = unpack(bytes);
  const facts = shaded(given, getComputedStyle(root).color);
  const { dial, frames, grid, cards } = facts;
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const fresh = !places.has(facts.id);
  const state = {
    value: dial ? places.get(facts.id) ?? dial.value : 0, exact: null, mode: "side", tool: "pan", trails: false,
    centre: [0.5, 0.5], zoom: 1, hover: null, lasso: null, follow: facts.follow ?? null,
    playing: 0, drawn: 0, moving: false, asked: null,
  };
  const layers = {};
  for (const [name, side, called] of [["target", "target", "target"], ["before", "source", "source"],
    ["target_moved", "target", "target"], ["after", "source", "corrected"]]) {
    if (!arrays[name]) continue;
    const n = arrays[`${side}_rows`].length;
    layers[name] = { side, n, xy: arrays[name], frames: arrays[name].length / 2 / n,
      name: facts.names[called], colour: facts.colours[called] };
  }
  const position = (which, i, frame, part) => {
    const at = 2 * (which.frames > 1 ? frame * which.n + i : i);
    const then = which.frames > 1 && frame + 1 < which.frames ? at + 2 * which.n : at;
    const mix = (k) => (which.xy[at + k] * (1 - part) + which.xy[then + k] * part) / 65535;
    return [mix(0), mix(1)];
  };
  for (const one of Object.values(layers)) {
    one.means = Array.from({ length: one.frames }, (_, f) => {
      let x = 0, y = 0;
      for (let i = f * one.n; i < (f + 1) * one.n; i += 1) {
        x += one.xy[2 * i];
        y += one.xy[2 * i + 1];
      }
      return [x / one.n / 65535, y / one.n / 65535];
    });
  }
  const last = frames.length - 1;
  const count = (v, one) => (one.percent ? `${three(100 * v)} %` : three(v));
  // what is asked for beyond what is ever let through runs off the bars' panel
  const most = arrays.held && 1.1 * arrays.held.reduce((m, v) => Math.max(m, Math.abs(v)), 0.1);
  const far = Array.from({ length: layers.after.n }, (_, i) => {
    const [p, q] = [position(layers.after, i, 0, 0), position(layers.after, i, last, 0)];
    return [Math.hypot(p[0] - q[0], p[1] - q[1]), i];
  }).sort((p, q) => q[0] - p[0]).slice(0, 40).map((pair) => pair[1]);

  // ---- what stands on the page
  const out = make("output", { class: "aal-value" });
  const range = dial && make("input", {
    type: "range", min: dial.low, max: dial.high, step: dial.step, class: "aal-range",
    "aria-label": dial.label,
    oninput: () => { stop(); move(+range.value); },
    onchange: () => release(),
    onkeydown: (event) => {
      const by = { PageUp: 10, PageDown: -10 }[event.key];
      if (!by) return;
      event.preventDefault();
      stop();
      move(state.value + by * dial.step);
      release();
    },
  });
  const button = (text, title, act) => make("button", {
    type: "button", class: "aal-button", title, text, onclick: act,
  });
  const play = button("▶ Play", dial?.once ? "Run the dial to its end" : "Run the dial up and back", () => (state.playing ? end() : start()));
  const toggle = (first, second, title, act) => {
    const node = button(first, title, () => {
      const on = node.textContent === first;
      node.textContent = on ? second : first;
      act(on);
      redraw();
    });
    return node;
  };
  const colour = facts.labels.length > 0 && make("select", {
    class: "aal-select", "aria-label": "Colour by",
    onchange: () => { recolour(colour.value); redraw(); },
  }, make("option", { value: "", text: "Colour: side" }), ...facts.labels.map((label, i) =>
    make("option", { value: i, text: `Colour: ${label.name}` })));
  const tools = make("div", { class: "aal-bar" },
    ...(facts.single ? [] : [toggle("Overlay", "Side by side", "One panel or two",
      (on) => { state.mode = on ? "over" : "side"; })]),
    ...(frames.length > 1 ? [toggle("Trails", "No trails",
      "The ways of the 40 rows that move most", (on) => { state.trails = on; })] : []),
    toggle("Lasso", "Pan", "Draw around rows, or move the picture", (on) => {
      state.tool = on ? "lasso" : "pan";
    }),
    button("+", "Zoom in", () => zoom(1.4)), button("−", "Zoom out", () => zoom(1 / 1.4)),
    button("⟲", "Whole picture", () => { state.zoom = 1; state.centre = [0.5, 0.5]; redraw(); }),
    ...(colour ? [colour] : []));
  const legend = make("div", { class: "aal-legend" });
  const cardNodes = cards.map((card) => {
    const value = make("div", { class: "aal-number" }), beside = make("div", { class: "aal-beside" });
    const node = make("div", { class: "aal-card", title: card.help },
      make("div", { class: "aal-label", text: card.label }), value, beside);
    const words = [card.beside ?? `raw ${three(card.raw)}`,
      { higher: "↑\u00a0better", lower: "↓\u00a0better" }[card.direction]];
    const put = (floor) => {
      const text = [floor, ...words].filter(Boolean).join(" · ");
      if (beside.textContent !== text) beside.textContent = text;
    };
    return { node, value, put };
  });
  const note = make("div", { class: "aal-note", hidden: true }); // of exact numbers only
  const fixed = make("canvas", { class: "aal-points" }); // drawn anew only when the view changes
  const points = make("canvas", { class: "aal-points aal-moving" });
  const over = make("canvas", { class: "aal-over", tabindex: "0", role: "img", "aria-label": facts.alt });
  const clouds = make("div", { class: "aal-clouds" }, fixed, points, over);
  const curve = grid.length > 1 && make("canvas", {
    class: "aal-curve", role: "img",
    "aria-label": `Numbers along ${dial.label}; drag a point of a curve to ask for its value`,
  });
  const bars = arrays.held && make("canvas", {
    class: "aal-bars", role: "img", "aria-label": "Stretch of each direction, asked for and let through",
  });
  const key = curve && make("div", { class: "aal-legend" }, ...facts.curves.map((one) => {
    const line = make("i", { class: one.dash ? "aal-dash" : "aal-line" });
    line.style.borderColor = one.colour;
    return make("span", {}, line, document.createTextNode(one.label));
  }));
  const way = facts.way && make("canvas", {
    class: "aal-way", role: "img", "aria-label": `${facts.way.across} against ${facts.way.up}`,
  });
  const spread = arrays.spread && make("canvas", {
    class: "aal-bars", role: "img", "aria-label": facts.spread.words,
  });
  const side = make("div", { class: "aal-side" }, ...[way, curve, key, bars, spread].filter(Boolean));
  const tip = make("div", { class: "aal-tip", hidden: true, dir: "auto" });
  const said = make("div", { class: "aal-said", "aria-live": "polite" });
  const nearList = make("div", { class: "aal-list" });
  const chooser = arrays.near && make("select", {
    class: "aal-select aal-chooser", "aria-label": "Row to follow", dir: "auto",
    onchange: () => { state.follow = +chooser.value; redraw(); },
  }, ...facts.words.source.slice(0, 200).map((text, i) => make("option", { value: i, text })));
  const near = arrays.near && make("div", { class: "aal-near" },
    make("div", { class: "aal-bar" }, make("span", { text: `Nearest ${facts.names.target} of` }),
      chooser), nearList);
  const lists = facts.lists && make("div", { class: "aal-lists" });
  const sheet = facts.sheet && make("img", { src: facts.sheet.src, hidden: true, alt: "" });
  const picture = make("div", { class: "aal" },
    ...(dial ? [make("div", { class: "aal-bar aal-dial" },
      make("span", { class: "aal-name", text: dial.label }), range, out, play)] : []),
    make("div", { class: "aal-cards" }, ...cardNodes.map((one) => one.node)), note,
    make("div", { class: `aal-stage${side.childElementCount ? "" : " aal-alone"}` },
      make("div", {}, tools, clouds, legend), side),
    ...[near, lists, make("div", { class: "aal-words", text: facts.caption }), said, tip].filter(Boolean));
  root.replaceChildren(picture);
  const flows = (name) => name === "after" || layers[name].frames > 1;
  let painter = withGL(points, layers) || without(points, layers, position);
  points.addEventListener("webglcontextlost", (event) => event.preventDefault());
  points.addEventListener("webglcontextrestored", () => {
    painter = withGL(points, layers);
    recolour(colour ? colour.value : "");
    redraw();
  });
  picture.dataset.painter = points.getContext("webgl2") ? "webgl2" : "2d";

  function recolour(which) {
    const label = which === "" ? null : facts.labels[which];
    const grey = "#8A8A8A";
    painter.colours(label && { source: arrays[`source_label_${which}`],
      target: arrays[`target_label_${which}`] }, label ? [...facts.palette, grey] : []);
    drawn = "";
    const entries = label ? label.values.map((name, i) => [name, facts.palette[i]])
      : [...new Map(Object.values(layers).map((one) => [one.name, one.colour]))];
    if (label && label.others) entries.push(["other", grey]);
    legend.replaceChildren(...entries.map(([name, shade]) => {
      const dot = make("i");
      dot.style.background = shade;
      return make("span", { dir: "auto" }, dot, document.createTextNode(name));
    }));
  }

  // ---- values
  const scores = (name) => {
    const [k, part] = between(grid, state.value);
    const along = facts.scores[name];
    return along.length > 1 ? along[k] * (1 - part) + along[k + 1] * part : along[0];
  };
  const isExact = () => state.exact && Math.abs(state.exact.value - state.value) < 1e-9;
  function move(value, step = dial.step) {
    state.moving = true;
    state.value = clamp(Math.round(value / step) * step, dial.low, dial.high);
    redraw();
  }
  function release() {
    state.moving = false;
    if (isExact() || !host.release) return;
    state.asked = +state.value.toFixed(6);
    host.release(state.asked);
  }
  function stop() {
    cancelAnimationFrame(state.playing);
    clearTimeout(state.playing);
    state.playing = 0;
    play.textContent = "▶ Play";
  }
  function end() {
    stop();
    move(state.value);
    release();
  }
  /** Run the dial up and back; up alone to a value, or where the dial runs once. */
  function start(to = null) {
    const from = performance.now(), span = dial.high - dial.low, goal = to ?? dial.high;
    const once = to != null || dial.once;
    if (once && state.value >= goal - 1e-9) state.value = dial.low;
    const begin = (state.value - dial.low) / span, aim = (goal - dial.low) / span;
    const whole = to == null ? 4000 : 2500 / Math.max(aim - begin, 1e-6);
    if (to != null && still.matches) {
      move(goal);
      return release();
    }
    play.textContent = "❚❚ Pause";
    const step = () => {
      if (!picture.isConnected) return stop();
      const gone = begin + (performance.now() - from) / whole;
      if (once && gone >= aim) {
        state.value = goal;
        return end();
      }
      const up = gone % 2 < 1 ? gone % 2 : 2 - (gone % 2);
      if (gone >= begin + 2) return end();
      move(dial.low + (still.matches ? Math.round(up * 8) / 8 : up) * span, dial.step / 100);
      state.playing = still.matches ? setTimeout(step, 700) : requestAnimationFrame(step);
    };
    step();
  }

  // ---- drawing
  let asked = 0;
  let drawn = "";
  function redraw() {
    if (!asked) asked = requestAnimationFrame(paint);
  }
  let scale = 1; // of all that is drawn: the page's large type, from its style
  const fit = (canvas) => {
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const [w, h] = [canvas.clientWidth, canvas.clientHeight];
    if (canvas.width !== Math.round(w * ratio) || canvas.height !== Math.round(h * ratio)) {
      canvas.width = Math.round(w * ratio);
      canvas.height = Math.round(h * ratio);
    }
    return [w / scale, h / scale, ratio * scale];
  };
  const pen = (canvas) => {
    const [w, h, ratio] = fit(canvas);
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, w, h);
    context.font = "12px sans-serif";
    return [context, w, h];
  };
  const panels = (w, h) => {
    const rooms = facts.single || state.mode === "over" ? ["over"] : ["before", "after"];
    const left = 46, gap = 14, wide = (w - left - gap * (rooms.length - 1) - 4) / rooms.length;
    return rooms.map((name, i) => ({
      name, x: left + i * (wide + gap), y: 22, w: Math.max(wide, 40), h: Math.max(h - 60, 40),
    }));
  };
  const there = (...names) => names.filter((name) => layers[name]);
  const goal = layers.target_moved ? "target_moved" : "target";
  const shown = { before: there("target", "before"), after: there(goal, "after"),
    over: there(goal, "before", "after") };
  const lens = () => {
    const half = 0.5 / state.zoom;
    return { scale: [1 / half, 1 / half], shift: state.centre.map((c) => -c / half) };
  };
  const onScreen = (panel, [p, q], { scale, shift } = lens()) => [
    panel.x + ((p * scale[0] + shift[0] + 1) / 2) * panel.w,
    panel.y + ((1 - q * scale[1] - shift[1]) / 2) * panel.h];
  const lines = (context, colours) => {
    context.strokeStyle = colours;
    context.stroke();
  };
  function ticks(low, high) {
    const rough = (high - low) / 4, power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((m) => m * power >= rough);
    const found = [];
    for (let v = Math.ceil(low / step) * step; v <= high + 1e-9; v += step) found.push(+v.toFixed(6));
    return found;
  }

  function paint() {
    asked = 0;
    if (!picture.isConnected || !clouds.clientWidth) return;
    const begun = performance.now();
    const style = getComputedStyle(picture), ink = style.color;
    scale = parseFloat(style.getPropertyValue("--aal-type")) || 1;
    const [k, part] = between(frames, state.value);
    const [w, h, ratio] = fit(points);
    const before = JSON.stringify([fit(fixed), state.mode, state.centre, state.zoom]);
    const stands = before === drawn;
    drawn = before;
    const view = lens();
    const many = Math.max(...Object.values(layers).map((one) => one.n));
    const look = { ...view, ratio, size: many > 8000 ? 3 : many > 2000 ? 4 : 5 };
    const boxes = panels(w, h);
    const draw = (moves) => {
      painter.begin();
      for (const panel of boxes) {
        for (const name of shown[panel.name]) {
          if (flows(name) !== moves) continue;
          const faint = panel.name === "over" && name === "before";
          painter.draw(layers[name], panel, k, part, { ...look, alpha: faint ? 0.15 : 0.55 });
        }
      }
    };
    if (!stands) { // what does not move is drawn once, and kept as an image behind what does
      draw(false);
      const copy = fixed.getContext("2d");
      copy.clearRect(0, 0, fixed.width, fixed.height);
      copy.drawImage(points, 0, 0);
    }
    draw(true);
    const [context] = pen(over);
    for (const panel of boxes) frameOf(context, panel, ink, view, k, part);
    drawLasso(context, ink);
    if (curve) drawCurve(ink);
    if (bars) drawBars(ink, k, part);
    if (way) drawWay(ink);
    if (spread) drawSpread(ink);
    if (lists) drawLists();
    cards.forEach((card, i) => {
      const sure = isExact() ? state.exact.scores[card.name] : null;
      const known = sure ?? scores(card.name);
      const measured = sure != null || grid.length < 2 || grid.some((v) => Math.abs(v - state.value) < 1e-9);
      cardNodes[i].value.textContent = `${measured ? "" : "≈ "}${count(known, card)}`;
      const [called, floor] = card.floor ?? [];
      const exact = isExact() ? state.exact.scores[floor] : null;
      cardNodes[i].put(floor && `${called} ${three(exact ?? scores(floor))}`);
    });
    if (state.exact?.note) note.textContent = state.exact.note;
    note.hidden = !note.textContent;
    note.style.visibility = isExact() ? "visible" : "hidden"; // what lies below stays in place
    if (dial) {
      range.value = state.value;
      const [tick, way] = between(grid, state.value);
      out.textContent = dial.says
        ? String(Math.round(dial.says[tick] * (1 - way) + dial.says[Math.min(tick + 1, grid.length - 1)] * way))
        : state.value.toFixed(dial.step >= 1 ? 0 : dial.step < 0.01 ? 3 : 2);
    }
    if (near) drawNear();
    state.drawn += 1;
    picture.dataset.frames = state.drawn;
    picture.dataset.value = state.value;
    places.set(facts.id, state.value);
    picture.dataset.milliseconds = (performance.now() - begun).toFixed(2);
  }

  function frameOf(context, panel, ink, view, k, part) {
    const range = (axis) => {
      const [low, high] = facts.range[axis], half = 0.5 / state.zoom, c = state.centre[axis];
      return [low + (c - half) * (high - low), low + (c + half) * (high - low)];
    };
    const title = facts.single ?? { before: "before", after: "after", over: "before and after" }[panel.name];
    context.fillStyle = ink;
    context.globalAlpha = 0.75;
    context.textAlign = "center";
    context.fillText(title, panel.x + panel.w / 2, 14);
    const fits = (text, room) => {
      let cut = text;
      while (cut.length > 4 && context.measureText(cut).width > room) cut = `${cut.slice(0, -2)}…`;
      return cut;
    };
    context.fillText(fits(facts.axes[0], panel.w), panel.x + panel.w / 2, panel.y + panel.h + 32);
    for (const axis of [0, 1]) {
      const [low, high] = range(axis);
      for (const v of ticks(low, high)) {
        const way = (v - low) / (high - low);
        const [x, y] = [panel.x + way * panel.w, panel.y + (1 - way) * panel.h];
        context.beginPath();
        if (axis === 0) { context.moveTo(x, panel.y); context.lineTo(x, panel.y + panel.h); }
        else { context.moveTo(panel.x, y); context.lineTo(panel.x + panel.w, y); }
        context.globalAlpha = v === 0 ? 0.4 : 0.14;
        lines(context, ink);
        context.globalAlpha = 0.75;
        context.textAlign = axis === 0 ? "center" : "right";
        if (axis === 0) context.fillText(String(v), x, panel.y + panel.h + 15);
        else if (panel.x < 60) context.fillText(String(v), panel.x - 5, y + 4);
      }
    }
    if (panel.x < 60) {
      context.save();
      context.translate(10, panel.y + panel.h / 2);
      context.rotate(-Math.PI / 2);
      context.textAlign = "center";
      context.fillText(fits(facts.axes[1], panel.h), 0, 0);
      context.restore();
    }
    context.globalAlpha = 1;
    context.save();
    context.beginPath();
    context.rect(panel.x, panel.y, panel.w, panel.h);
    context.clip();
    if (state.trails && panel.name !== "before") {
      context.globalAlpha = 0.6;
      context.lineWidth = 1;
      for (const i of far) {
        context.beginPath();
        for (let f = 0; f <= k; f += 1) context.lineTo(...onScreen(panel, position(layers.after, i, f, 0), view));
        context.lineTo(...onScreen(panel, position(layers.after, i, k, part), view));
        lines(context, layers.after.colour);
      }
    }
    for (const name of shown[panel.name]) {
      const { means, colour: shade } = layers[name];
      const [p, q] = means.length > 1 ? [means[k], means[Math.min(k + 1, last)]] : [means[0], means[0]];
      const [x, y] = onScreen(panel, [0, 1].map((i) => p[i] * (1 - part) + q[i] * part), view);
      for (const [thick, tone] of [[6, getComputedStyle(picture).backgroundColor], [3, shade]]) {
        context.lineWidth = thick;
        context.globalAlpha = 1;
        context.beginPath();
        context.moveTo(x - 8, y); context.lineTo(x + 8, y); context.moveTo(x, y - 8); context.lineTo(x, y + 8);
        lines(context, tone);
      }
    }
    const ring = (name, i, size) => {
      context.beginPath();
      context.arc(...onScreen(panel, position(layers[name], i, k, part), view), size, 0, 7);
      context.lineWidth = 2;
      lines(context, ink);
    };
    const moving = shown[panel.name].at(-1);
    if (state.hover && shown[panel.name].includes(state.hover.name)) ring(state.hover.name, state.hover.i, 6);
    if (state.follow != null && near) ring(moving, state.follow, 8);
    context.restore();
    context.lineWidth = 1;
  }

  function drawLasso(context, ink) {
    if (!state.lasso) return;
    context.beginPath();
    for (const point of state.lasso.points) context.lineTo(...point);
    context.closePath();
    context.globalAlpha = 0.1;
    context.fillStyle = ink;
    context.fill();
    context.globalAlpha = 0.8;
    lines(context, ink);
    context.globalAlpha = 1;
  }

  const top = facts.top ?? 1.05;
  const curveBox = () => ({ x: 30, y: 8, w: curve.clientWidth / scale - 46, h: curve.clientHeight / scale - 36 });
  const curveAt = (box, value, score) => [
    box.x + ((value - dial.low) / (dial.high - dial.low)) * box.w, box.y + (1 - score / top) * box.h];
  const drawnCurves = facts.curves;
  function drawCurve(ink) {
    const [context] = pen(curve);
    const box = curveBox();
    context.fillStyle = ink;
    context.lineWidth = 1;
    for (const v of ticks(0, top)) {
      const [, y] = curveAt(box, dial.low, v);
      context.globalAlpha = 0.14;
      context.beginPath(); context.moveTo(box.x, y); context.lineTo(box.x + box.w, y);
      lines(context, ink);
      context.globalAlpha = 0.75;
      context.textAlign = "right";
      context.fillText(String(v), box.x - 4, y + 4);
    }
    context.textAlign = "center";
    const marks = dial.says ? grid : ticks(dial.low, dial.high);
    marks.forEach((v, i) => context.fillText(String(dial.says ? dial.says[i] : v), curveAt(box, v, 0)[0], box.y + box.h + 14));
    context.fillText(dial.label, box.x + box.w / 2, box.y + box.h + 27);
    context.globalAlpha = 0.5;
    context.lineWidth = 2;
    const [here] = curveAt(box, state.value, 0);
    context.beginPath(); context.moveTo(here, box.y); context.lineTo(here, box.y + box.h);
    lines(context, facts.colours.corrected);
    context.globalAlpha = 1;
    for (const one of drawnCurves) {
      context.setLineDash(one.dash ? [6, 4] : []);
      context.beginPath();
      grid.forEach((v, i) => context.lineTo(...curveAt(box, v, facts.scores[one.name][i])));
      lines(context, one.colour);
      context.setLineDash([]);
      context.beginPath();
      context.arc(...curveAt(box, state.value, scores(one.name)), 5, 0, 7);
      context.fillStyle = one.colour;
      context.fill();
    }
    (facts.marks ?? []).forEach((one, number) => drawMark(context, box, one, number, ink));
  }

  /** What was predicted, hollow, and what is, full: at a height, or the whole line at a value. */
  function drawMark(context, box, { at, height, words: said, full }, number, ink) {
    const [x, y] = curveAt(box, at, height ?? top), right = x > box.x + box.w / 2;
    const close = facts.marks.every((one) => one.height != null &&
      Math.hypot(...curveAt(box, one.at, one.height).map((v, i) => v - [x, y][i])) < 16);
    context.beginPath();
    context.lineWidth = 2;
    context.fillStyle = ink;
    if (height == null) {
      context.setLineDash(full ? [] : [5, 4]);
      context.moveTo(x, box.y); context.lineTo(x, box.y + box.h);
    } else for (const [p, q] of [[0, -7], [7, 0], [0, 7], [-7, 0], [0, -7]]) context.lineTo(x + p, y + q);
    if (full && height != null) context.fill();
    lines(context, ink);
    context.setLineDash([]);
    context.textAlign = right ? "right" : "left";
    const down = height == null ? 14 * number + 10 : close ? 4 + 14 * (number - 0.5) : 4;
    const text = [said, x + (right ? -11 : 11), clamp(y + down, 10, box.y + box.h)];
    context.lineWidth = 4; // a rim, over curves
    context.strokeStyle = getComputedStyle(picture).backgroundColor;
    context.strokeText(...text);
    context.fillText(...text);
    context.lineWidth = 1;
  }

  /** Two numbers against each other along the dial, other points beside them. */
  function drawWay(ink) {
    const [context, w, h] = pen(way);
    const { x, y, across, up, others } = facts.way;
    const box = { x: 34, y: 8, w: w - 44, h: h - 40 };
    const spans = [x, y].map((name, axis) => {
      const all = [...facts.scores[name], ...others.map((one) => one.at[axis])];
      const [low, high] = [Math.min(...all), Math.max(...all)], pad = 0.08 * (high - low) + 1e-6;
      return [low - pad, high + pad];
    });
    const at = (p, q) => [
      box.x + ((p - spans[0][0]) / (spans[0][1] - spans[0][0])) * box.w,
      box.y + (1 - (q - spans[1][0]) / (spans[1][1] - spans[1][0])) * box.h];
    context.fillStyle = ink;
    context.lineWidth = 1;
    for (const axis of [0, 1]) {
      for (const v of ticks(...spans[axis])) {
        const [p, q] = at(axis ? spans[0][0] : v, axis ? v : spans[1][0]);
        context.globalAlpha = 0.14;
        context.beginPath(); context.moveTo(p, q);
        context.lineTo(axis ? box.x + box.w : p, axis ? q : box.y);
        lines(context, ink);
        context.globalAlpha = 0.75;
        context.textAlign = axis ? "right" : "center";
        context.fillText(String(v), axis ? box.x - 4 : p, axis ? q + 4 : box.y + box.h + 14);
      }
    }
    context.textAlign = "center";
    context.fillText(`${across} →, ${up} ↑`, box.x + box.w / 2, h - 6);
    context.globalAlpha = 1;
    context.lineWidth = 2;
    context.beginPath();
    grid.forEach((_, i) => context.lineTo(...at(facts.scores[x][i], facts.scores[y][i])));
    lines(context, facts.colours.corrected);
    const dot = (p, q, shade, size) => {
      context.beginPath();
      context.arc(...at(p, q), size, 0, 7);
      context.fillStyle = shade;
      context.fill();
    };
    let lowest = Infinity; // labels of points that lie close stand one above another
    for (const one of [...others].sort((a, b) => a.at[1] - b.at[1])) {
      dot(...one.at, "#8A8A8A", 5);
      const [p, q] = at(...one.at), right = p > box.x + box.w / 2;
      lowest = Math.min(q + 4, lowest - 14);
      context.fillStyle = ink;
      context.textAlign = right ? "right" : "left";
      context.fillText(one.label, p + (right ? -9 : 9), lowest);
    }
    dot(scores(x), scores(y), "#E69F00", 7);
  }

  /** Shares of values in bins, for both sides, and those of a null as a line. */
  function drawSpread(ink) {
    const [context, w, h] = pen(spread);
    const b = facts.spread.bins, [k, part] = between(grid, state.value);
    const next = Math.min(k + 1, grid.length - 1), box = { x: 10, y: 8, w: w - 20, h: h - 40 };
    const height = (v) => Math.min(v / facts.spread.top, 1) * box.h;
    facts.spread.sides.forEach((side, number) => {
      context.fillStyle = facts.colours[side];
      context.globalAlpha = 0.55;
      for (let i = 0; i < b; i += 1) {
        const [p, q] = [k, next].map((f) => arrays.spread[(number * grid.length + f) * b + i]);
        const v = height(p * (1 - part) + q * part);
        context.fillRect(box.x + (i / b) * box.w, box.y + box.h - v, box.w / b, v);
      }
    });
    context.globalAlpha = 0.9;
    context.beginPath();
    for (let i = 0; i < b; i += 1) {
      context.lineTo(box.x + ((i + 0.5) / b) * box.w, box.y + box.h - height(arrays.spread_null[i]));
    }
    lines(context, ink);
    context.fillStyle = ink;
    context.textAlign = "center";
    context.fillText(facts.spread.words, box.x + box.w / 2, h - 6);
    [-1, 0, 1].forEach((v) => context.fillText(String(v), box.x + ((v + 1) / 2) * box.w, box.y + box.h + 14));
    context.globalAlpha = 1;
  }

  function drawLists() {
    const now = facts.lists.rows[clamp(Math.round(state.value - dial.low), 0, facts.lists.rows.length - 1)];
    if (lists.now === now) return;
    lists.now = now;
    lists.replaceChildren(...now.map((rows, end) => make("div", {},
      make("b", { text: facts.lists.titles[end] }),
      make("div", { class: "aal-list" }, ...rows.map((i) => make("div", { class: "aal-item", dir: "auto" },
        ...[face("target", i, 40)].filter(Boolean), make("span", { text: facts.words.source[i] })))))));
  }

  function drawBars(ink, k, part) {
    const [context, w, h] = pen(bars);
    const raw = arrays.raw, held = arrays.held, n = raw.length;
    const box = { x: 46, y: 8, w: w - 54, h: h - 30 };
    const level = (v) => box.y + (0.5 - clamp(v / most, -1, 1) / 2) * box.h;
    const wide = box.w / n, zero = level(0);
    const bar = (i, v, shade, alpha, thick) => {
      context.globalAlpha = alpha;
      context.fillStyle = shade;
      context.fillRect(box.x + i * wide + ((1 - thick) * wide) / 2, Math.min(level(v), zero),
        Math.max(wide * thick, 0.6), Math.max(Math.abs(level(v) - zero), 0.5));
    };
    for (let i = 0; i < n; i += 1) bar(i, raw[i], ink, 0.25, 0.9);
    const next = Math.min(k + 1, last);
    for (let i = 0; i < n; i += 1) {
      bar(i, held[k * n + i] * (1 - part) + held[next * n + i] * part, facts.colours.corrected, 0.9, 0.9);
    }
    context.globalAlpha = 0.75;
    context.fillStyle = ink;
    context.textAlign = "right";
    for (const [v, text] of [[most, `×${three(Math.exp(most))}`], [0, "s"], [-most, `÷${three(Math.exp(most))}`]]) {
      context.fillText(text, box.x - 3, level(v) + 4);
    }
    context.textAlign = "center";
    context.fillText(facts.bars, box.x + box.w / 2, h - 6);
    context.globalAlpha = 1;
  }

  const face = (which, i, size) => {
    if (!sheet || which !== facts.sheet.side || i >= facts.sheet.count) return null;
    const node = make("span", { class: "aal-face" });
    const { columns, tile, src } = facts.sheet, grown = size / tile;
    Object.assign(node.style, {
      width: `${size}px`, height: `${size}px`, backgroundImage: `url(${src})`,
      backgroundSize: `${columns * size}px auto`,
      backgroundPosition: `${-(i % columns) * tile * grown}px ${-Math.floor(i / columns) * tile * grown}px`,
    });
    return node;
  };
  let listed = [];
  function drawNear() {
    const { candidates: c, rows: n, show } = facts.near;
    const i = state.follow;
    if (i == null || i >= n) return nearList.replaceChildren();
    const knots = facts.near.grid, [g, part] = between(knots, state.value);
    const up = Math.min(g + 1, knots.length - 1);
    const cosine = (j) => {
      const [p, q] = [g, up].map((f) => arrays.near_cosines[(f * n + i) * c + j] / 32767.5 - 1);
      return p * (1 - part) + q * part;
    };
    const order = Array.from({ length: c }, (_, j) => [cosine(j), arrays.near[i * c + j]])
      .sort((p, q) => q[0] - p[0]).slice(0, show);
    const now = `${i}:${order.map((pair) => pair[1])}`;
    if (now !== listed.now) {
      listed = order.map(([, j]) => {
        const value = make("small");
        const own = arrays.things_source && arrays.things_source[i] === arrays.things_target[j];
        const node = make("div", { class: `aal-item${own ? " aal-own" : ""}`, dir: "auto" },
          ...[face("target", j, 40)].filter(Boolean),
          make("span", { text: facts.words.target[j] }), ...(own ? [make("b", { text: "its own" })] : []), value);
        return { node, value };
      });
      listed.now = now;
      nearList.replaceChildren(...listed.map((one) => one.node));
      chooser.value = i;
    }
    order.forEach(([v], place) => { listed[place].value.textContent = `≈ ${three(v)}`; });
  }

  // ---- hands
  const spot = (event) => {
    const box = over.getBoundingClientRect();
    return [(event.clientX - box.left) / scale, (event.clientY - box.top) / scale];
  };
  const rooms = () => panels(over.clientWidth / scale, over.clientHeight / scale);
  const panelAt = ([x, y]) => rooms().find((p) => x >= p.x && x <= p.x + p.w && y >= p.y && y <= p.y + p.h);
  function nearest(point) {
    const panel = panelAt(point);
    if (!panel) return null;
    const [k, part] = between(frames, state.value), view = lens();
    let best = null, least = 144;
    for (const name of shown[panel.name]) {
      for (let i = 0; i < layers[name].n; i += 1) {
        const [x, y] = onScreen(panel, position(layers[name], i, k, part), view);
        const d = (x - point[0]) ** 2 + (y - point[1]) ** 2;
        if (d < least) { least = d; best = { name, i, side: layers[name].side }; }
      }
    }
    return best;
  }
  function zoom(by, point) {
    const panel = (point && panelAt(point)) || rooms()[0];
    const [x, y] = point || [panel.x + panel.w / 2, panel.y + panel.h / 2];
    const way = [(x - panel.x) / panel.w - 0.5, 0.5 - (y - panel.y) / panel.h];
    const next = clamp(state.zoom * by, 0.5, 200);
    state.centre = state.centre.map((c, i) => c + way[i] * (1 / state.zoom - 1 / next));
    state.zoom = next;
    redraw();
  }
  function inside([x, y], polygon) {
    let odd = false;
    for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i, i += 1) {
      const [a, b] = [polygon[i], polygon[j]];
      if (a[1] > y !== b[1] > y && x < ((b[0] - a[0]) * (y - a[1])) / (b[1] - a[1]) + a[0]) odd = !odd;
    }
    return odd;
  }
  function select(lasso) {
    const [k, part] = between(frames, state.value), view = lens();
    const found = { source: [], target: [] };
    for (const name of new Set(shown[lasso.panel.name])) {
      if (lasso.panel.name === "over" && name === "before") continue;
      for (let i = 0; i < layers[name].n; i += 1) {
        const point = onScreen(lasso.panel, position(layers[name], i, k, part), view);
        if (inside(point, lasso.points)) found[layers[name].side].push(i);
      }
    }
    said.textContent = `${found.target.length} ${facts.names.target} and ${found.source.length} ` +
      `${facts.names.source} rows inside the line.`;
    if (host.select) host.select(found);
  }
  let held = null;
  over.addEventListener("pointerdown", (event) => {
    const at = spot(event), panel = panelAt(at);
    if (!panel) return;
    over.setPointerCapture(event.pointerId);
    held = { at, panel, moved: false };
    if (state.tool === "lasso") state.lasso = { panel, points: [at] };
  });
  over.addEventListener("pointermove", (event) => {
    const at = spot(event);
    if (held) {
      held.moved ||= Math.hypot(at[0] - held.at[0], at[1] - held.at[1]) > 3;
      if (state.lasso) state.lasso.points.push(at);
      else if (held.moved) {
        state.centre[0] -= (at[0] - held.at[0]) / held.panel.w / state.zoom;
        state.centre[1] += (at[1] - held.at[1]) / held.panel.h / state.zoom;
        held.at = at;
      }
      return redraw();
    }
    const found = nearest(at);
    if (found?.i !== state.hover?.i || found?.name !== state.hover?.name) {
      state.hover = found;
      tip.hidden = !found;
      if (found) {
        tip.replaceChildren(...[face(found.side, found.i, 64)].filter(Boolean), make("b", { text: layers[found.name].name }),
          make("span", { dir: "auto", text: facts.words[found.side][found.i] ?? `row ${arrays[`${found.side}_rows`][found.i]}` }));
      }
      redraw();
    }
    const box = picture.getBoundingClientRect();
    tip.style.left = `${clamp(event.clientX - box.left + 14, 0, Math.max(box.width - 250, 0))}px`;
    tip.style.top = `${event.clientY - box.top + 14}px`;
  });
  over.addEventListener("pointerup", (event) => {
    if (state.lasso && state.lasso.points.length > 2) select(state.lasso);
    else if (held && !held.moved) {
      const found = nearest(spot(event));
      if (found && near && found.side === "source" && found.i < facts.near.rows) state.follow = found.i;
    }
    state.lasso = held = null;
    redraw();
  });
  over.addEventListener("pointerleave", () => { state.hover = null; tip.hidden = true; redraw(); });
  over.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey && document.activeElement !== over &&
      root.activeElement !== over) return;
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 300), spot(event));
  }, { passive: false });
  over.addEventListener("dblclick", () => { state.zoom = 1; state.centre = [0.5, 0.5]; redraw(); });
  over.addEventListener("keydown", (event) => {
    const step = 0.1 / state.zoom;
    const by = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] }[event.key];
    if (by) state.centre = state.centre.map((c, i) => c + by[i]);
    else if (event.key === "+" || event.key === "=") zoom(1.4);
    else if (event.key === "-") zoom(1 / 1.4);
    else return;
    event.preventDefault();
    redraw();
  });
  if (curve) {
    // near a dot the drag follows its curve ("give me 90 % of the neighbours"), else the bound alone
    let caught = null;
    const follow = (event) => {
      const box = curveBox(), rect = curve.getBoundingClientRect();
      const [x, y] = [(event.clientX - rect.left) / scale, (event.clientY - rect.top) / scale];
      if (caught === "line") return move(dial.low + ((x - box.x) / box.w) * (dial.high - dial.low));
      let best = state.value, least = Infinity;
      const before = state.value;
      for (let s = 0; s <= 300; s += 1) {
        state.value = dial.low + (s / 300) * (dial.high - dial.low);
        const [p, q] = curveAt(box, state.value, scores(caught));
        const d = Math.hypot(p - x, q - y);
        if (d < least) { least = d; best = state.value; }
      }
      state.value = before;
      move(best);
    };
    curve.addEventListener("pointerdown", (event) => {
      stop();
      const box = curveBox(), rect = curve.getBoundingClientRect();
      const at = [(event.clientX - rect.left) / scale, (event.clientY - rect.top) / scale];
      const dots = drawnCurves.map((one) => {
        const [x, y] = curveAt(box, state.value, scores(one.name));
        return [Math.hypot(x - at[0], y - at[1]), one.name];
      }).sort((p, q) => p[0] - q[0]);
      caught = dots.length && dots[0][0] < 14 ? dots[0][1] : "line";
      curve.setPointerCapture(event.pointerId);
      follow(event);
    });
    curve.addEventListener("pointermove", (event) => caught && follow(event));
    curve.addEventListener("pointerup", () => { caught = null; release(); });
  }
  new ResizeObserver(redraw).observe(clouds);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  recolour("");
  redraw();
  if (fresh && dial && facts.opens != null) { // once, when it comes into sight
    const eye = new IntersectionObserver((all) => {
      if (!all.some((one) => one.isIntersecting)) return;
      eye.disconnect();
      start(facts.opens);
    });
    eye.observe(clouds);
  }

  /** Take exact numbers: `{value, scores}`; a value moves the dial there. */
  function set(now) {
    state.exact = now;
    if (state.asked != null && Math.abs(state.asked - now.value) < 1e-6) state.asked = null;
    // an answer to an earlier release must not pull the dial back from under the hand
    if (dial && !state.moving && state.asked == null) state.value = now.value;
    said.textContent = cards.map((card) => `${card.label} ${count(now.scores[card.name], card)}`).join(", ");
    redraw();
  }
  return { set, id: facts.id, host, redraw };
}

/** A page of the app mounts the picture (bytes), and tells it exact numbers beside (an object). */
function inApp({ data, parentElement, setStateValue }) {
  if (!(data instanceof Uint8Array)) {
    words.set(data.for, data);
    open.get(data.for)?.set(data);
    return;
  }
  const { facts } = unpack(data);
  const host = {
    // only a page that answers with exact numbers is asked
    release: (value) => words.has(facts.id) && setStateValue("value", value),
    select: (rows) => words.has(facts.id) && setStateValue("selected", rows),
  };
  const before = open.get(facts.id);
  if (before && before.parent === parentElement && before.root.isConnected) {
    Object.assign(before.host, host);
    return;
  }
  for (const [id, one] of open) if (one.parent === parentElement) open.delete(id);
  let root = parentElement.querySelector(".aal-root");
  if (!root) parentElement.append(root = make("div", { class: "aal-root" }));
  const above = document.querySelector('[data-testid="stHeader"]'); // lies over what scrolls
  root.style.setProperty("--aal-top", `calc(${above ? above.offsetHeight : 0}px + var(--page-line, 0px))`);
  const shown = mount(root, data, host);
  open.set(facts.id, Object.assign(shown, { parent: parentElement, root }));
  if (words.has(facts.id)) shown.set(words.get(facts.id));
}

/** A notebook renders a widget whose model holds the payload, and reads back what people do. */
function render({ model, el }) {
  const packed = model.get("payload");
  const bytes = new Uint8Array(packed.buffer, packed.byteOffset, packed.byteLength);
  const put = (name, value) => { model.set(name, value); model.save_changes(); };
  const root = make("div", { class: "aal-root" });
  el.append(root);
  const shown = mount(root, bytes, {
    release: (value) => put("value", value), select: (rows) => put("selected", rows),
  });
  model.on("change:exact", () => shown.set(model.get("exact")));
}

export default function (given) {
  return given === undefined ? { render } : inApp(given);
}
