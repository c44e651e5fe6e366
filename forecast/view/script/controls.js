// Buttons, keys, mouse and fingers; and the start.

function connect(player, find) {
  const { canvas, view } = player;
  const on = (name, event, what) => find(name).addEventListener(event, what);
  on("play", "click", () => (player.playing ? player.pause() : player.play()));
  on("back", "click", () => step(player, -1));
  on("on", "click", () => step(player, 1));
  on("slider", "input", (event) => {
    player.pause();
    player.go(Number(event.target.value));
  });
  on("speed", "change", (event) => (player.speed = Number(event.target.value)));
  on("scenes", "change", (event) => player.open(Number(event.target.value)));
  on("mine", "change", (event) => {
    player.onlyMine = event.target.checked;
    player.changed();
  });
  on("agents", "change", (event) => {
    const agent = Number(event.target.value);
    player.choose(agent < 0 ? null : agent);
    showAgent(player);
  });
  on("attention", "change", (event) => player.showAttention(event.target.checked));
  on("previous", "click", () => player.chooseNext(-1));
  on("next", "click", () => player.chooseNext(1));
  on("worst-of", "change", () => player.panel.fillWorst());
  on("closer", "click", () => zoomed(player, 1.4));
  on("wider", "click", () => zoomed(player, 1 / 1.4));
  on("fit", "click", () => fitted(player));
  on("follow", "click", () => player.follow(!player.following));
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    view.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), event.offsetX, event.offsetY);
    player.ask();
  }, { passive: false });
  connectFingers(player);
  document.addEventListener("keydown", (event) => pressed(player, event));
  new ResizeObserver(() => player.resized()).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => player.recoloured());
}

function step(player, way) {
  player.pause();
  player.go(player.frame + way);
}

function zoomed(player, factor) {
  player.view.zoom(factor);
  player.ask();
}

function fitted(player) {
  player.follow(false);
  player.fit();
}

/** Goes to a frame where the chosen agent is seen, and moves the view to it if it is outside. */
function showAgent(player) {
  const agent = player.chosenAgent;
  if (!agent) return;
  if (agent.at[player.frame] < 0) player.go(player.frame < agent.first ? agent.first : agent.last);
  const pose = poseOf(agent, player.frame);
  if (!pose) return;
  const [left, top] = player.view.toScreen(pose.x, pose.y);
  if (left < 20 || top < 20 || left > player.view.width - 20 || top > player.view.height - 20) {
    [player.view.x, player.view.y] = [pose.x, pose.y];
    player.ask();
  }
}

/** Dragging, pinching and clicking: one finger moves, two zoom, a press that stays where it is chooses. */
function connectFingers(player) {
  const { canvas, view } = player;
  const fingers = new Map();
  let moved = 0;
  const spread = () => {
    const [one, other] = [...fingers.values()];
    return { far: Math.hypot(one.x - other.x, one.y - other.y), x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 };
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    if (fingers.size === 1) moved = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const finger = fingers.get(event.pointerId);
    if (!finger) return;
    const before = fingers.size === 2 ? spread() : null;
    const [right, down] = [event.offsetX - finger.x, event.offsetY - finger.y];
    Object.assign(finger, { x: event.offsetX, y: event.offsetY });
    moved += Math.abs(right) + Math.abs(down);
    if (before) {
      const after = spread();
      view.pan(after.x - before.x, after.y - before.y);
      view.zoom(after.far / Math.max(1, before.far), after.x, after.y);
    } else if (fingers.size === 1 && moved > 4) {
      view.pan(right, down);
      canvas.classList.add("dragged");
      if (player.following) player.follow(false);
    }
    player.ask();
  });
  const lifted = (event) => {
    const clicked = event.type === "pointerup" && fingers.size === 1 && moved <= 4;
    fingers.delete(event.pointerId);
    canvas.classList.remove("dragged");
    if (!clicked) return;
    const agent = agentAt(player.poses(), view, event.offsetX, event.offsetY);
    player.choose(agent ? agent.number : null);
  };
  canvas.addEventListener("pointerup", lifted);
  canvas.addEventListener("pointercancel", lifted);
}

const KEYS = {
  " ": (player) => (player.playing ? player.pause() : player.play()),
  ArrowLeft: (player) => step(player, -1),
  ArrowRight: (player) => step(player, 1),
  Home: (player) => step(player, -Infinity),
  End: (player) => step(player, Infinity),
  "[": (player) => player.chooseNext(-1),
  "]": (player) => player.chooseNext(1),
  ",": (player) => player.nextPoint(-1),
  ".": (player) => player.nextPoint(1),
  f: (player) => player.follow(!player.following),
  a: (player) => player.showAttention(!player.attentionShown),
  "+": (player) => zoomed(player, 1.4),
  "=": (player) => zoomed(player, 1.4),
  "-": (player) => zoomed(player, 1 / 1.4),
  0: (player) => fitted(player),
};

function pressed(player, event) {
  const { target, key } = event;
  if (!player.scene || event.ctrlKey || event.metaKey || event.altKey || !(key in KEYS)) return;
  if (target.tagName === "SELECT") return; // its own keys
  if (key === " " && (target.tagName === "BUTTON" || target.type === "checkbox")) return;
  event.preventDefault();
  KEYS[key](player);
}

async function start() {
  const find = (name) => document.getElementById(name);
  const index = JSON.parse(find("index").textContent);
  const texts = document.querySelectorAll("script.scene");
  const player = new Player(index, texts, find("canvas"), find);
  window.player = player; // for scripts, and for whoever is curious
  player.panel.fillScenes();
  player.panel.fillModels();
  player.panel.fillWorst();
  player.panel.fillAttention();
  player.resized();
  connect(player, find);
  try {
    await player.open(0);
  } catch (fault) {
    player.tell(`this browser cannot read the page: ${fault.message}`);
  }
}

start();
