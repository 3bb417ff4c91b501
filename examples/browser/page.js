/** The page: draws what the server says, and sends where the player steers. */
import { EnetSocket, PacketFlag } from "@enetjs/enet/browser";

const canvas = document.getElementById("field");
const context = canvas.getContext("2d");
const clock = document.getElementById("clock");
const list = document.getElementById("players");
const note = document.getElementById("note");
const FIELD = 1000;

/** A reload of the page, and each new connection, is the same player. */
const token = Number(sessionStorage.token ??= Math.floor(Math.random() * 2 ** 32));
const scheme = location.protocol === "https:" ? "wss" : "ws";
const url = `${scheme}://${location.hostname}:${globalThis.gatewayPort}`;

const keys = new Set();
let pointer;
let state;
/** Where each player is drawn; it follows the states smoothly. */
const shown = new Map();
/** For the test of this page. */
const game = globalThis.game = { state: undefined, socket: undefined, connections: 0, shown };

addEventListener("keydown", ({ code }) => keys.add(code));
addEventListener("keyup", ({ code }) => keys.delete(code));
addEventListener("blur", () => keys.clear());
canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  pointer = event;
});
canvas.addEventListener("pointermove", (event) => pointer &&= event);
for (const end of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(end, () => pointer = undefined);
}

/** Where the player steers: to the finger, or as the keys say. */
function steering() {
  const held = (...codes) => Number(codes.some((code) => keys.has(code)));
  const me = state?.players.find(({ id }) => id === state.you);
  if (pointer === undefined || me === undefined) {
    return {
      x: held("ArrowRight", "KeyD") - held("ArrowLeft", "KeyA"),
      y: held("ArrowDown", "KeyS") - held("ArrowUp", "KeyW"),
    };
  }
  const { left, top, width } = canvas.getBoundingClientRect();
  const [x, y] = [pointer.clientX - left, pointer.clientY - top].map((at) => at / width * FIELD);
  return { x: (x - me.x) / 60, y: (y - me.y) / 60 };
}

function circle(x, y, radius, color) {
  context.fillStyle = color;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}

function drawStar({ x, y }, time) {
  context.save();
  context.translate(x, y);
  context.rotate(time / 900);
  context.shadowColor = "#ffe08a";
  context.shadowBlur = 30 + 14 * Math.sin(time / 200);
  context.fillStyle = "#ffe9a8";
  context.beginPath();
  for (let i = 0; i < 10; i++) {
    const radius = i % 2 === 0 ? 34 : 14;
    context.lineTo(radius * Math.sin(i * Math.PI / 5), -radius * Math.cos(i * Math.PI / 5));
  }
  context.fill();
  context.restore();
}

function drawPlayer(player, time) {
  const at = shown.get(player.id) ?? { x: player.x, y: player.y, trail: [] };
  shown.set(player.id, at);
  at.x += (player.x - at.x) * 0.35;
  at.y += (player.y - at.y) * 0.35;
  at.trail = [...at.trail, { x: at.x, y: at.y }].slice(-14);
  context.globalAlpha = player.here ? 1 : 0.3;
  at.trail.forEach(({ x, y }, i) => circle(x, y, 6 + i, `${player.color}22`));
  circle(at.x, at.y, 30, player.color);
  if (player.id === state.you) {
    context.strokeStyle = "#ffffffcc";
    context.lineWidth = 5;
    context.beginPath();
    context.arc(at.x, at.y, 38 + 2 * Math.sin(time / 250), 0, 2 * Math.PI);
    context.stroke();
  }
  context.fillStyle = "#0b0e18";
  context.font = "600 30px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(String(player.score), at.x, at.y + 2);
  context.globalAlpha = 1;
}

function draw(time) {
  context.clearRect(0, 0, FIELD, FIELD);
  context.strokeStyle = "#ffffff0d";
  context.lineWidth = 2;
  for (let at = 100; at < FIELD; at += 100) {
    context.beginPath();
    context.moveTo(at, 0);
    context.lineTo(at, FIELD);
    context.moveTo(0, at);
    context.lineTo(FIELD, at);
    context.stroke();
  }
  if (state !== undefined) {
    drawStar(state.star, time);
    for (const player of state.players) drawPlayer(player, time);
  }
  requestAnimationFrame(draw);
}

function tell() {
  clock.textContent = `${state.secondsLeft} s`;
  const name = ({ id, kind }) => id === state.you ? `you, in a ${kind}` : `player ${id}, ${kind}`;
  list.replaceChildren(...state.players.map((player) => {
    const item = document.createElement("li");
    item.className = player.here ? "" : "away";
    const cells = [
      ["i", ""],
      ["div", name(player)],
      ["b", player.score],
      ["span", player.here ? `${player.roundTrip} ms` : "away"],
      ["span", `${(100 * player.loss).toFixed(1)} % lost`],
    ];
    for (const [tag, text] of cells) {
      item.append(Object.assign(document.createElement(tag), { textContent: text }));
    }
    item.firstChild.style.background = player.color;
    return item;
  }));
  const winner = state.players.find(({ id }) => id === state.winner);
  note.textContent = winner === undefined ? "" : `${name(winner)}: won`;
}

requestAnimationFrame(draw);
setInterval(() => {
  game.socket?.send(1, JSON.stringify(steering()), PacketFlag.UNRELIABLE);
}, 33);

try {
  const options = {
    channels: 2,
    data: token,
    minimumMs: 300,
    onRetry: () => note.textContent = "Connection lost. Coming back …",
  };
  for await (const socket of EnetSocket.sessions(url, options)) {
    game.socket = socket;
    game.connections++;
    for await (const { packet } of socket) {
      game.state = state = JSON.parse(packet.text());
      tell();
    }
    game.socket = undefined;
  }
} catch (error) {
  note.textContent = error.message;
}
