// The picture of a path: boxes and lines, side by side where there is room, else one below the other. The one at fault
// has a double border, a flag with words and a sign of its own: colour only helps.
import { el, svg } from './dom.js';
import { pathInWords } from './hops.js';

const BOX = { widest: 260, narrowest: 176, first: 22, main: 43, note: 18, below: 14 };
const GAP = { across: 138, down: 52 };
const FLAG = { width: 90, height: 20 };

// A text of at most `room` pixels: fit() shortens it when its font is known.
function words(kind, x, y, text, room, anchor) {
  return svg('text', { class: kind, x, y, 'data-room': Math.floor(room), 'text-anchor': anchor }, text);
}

function shorten(text, length) {
  const end = Math.floor((length - 1) / 2);
  return `${text.slice(0, length - 1 - end)}…${text.slice(text.length - end)}`;
}

function fit(picture) {
  for (const node of picture.querySelectorAll('text[data-room]')) {
    const room = Number(node.dataset.room);
    const full = node.textContent;
    const width = node.getComputedTextLength();
    if (width <= room) continue;
    let length = Math.floor((full.length * room) / width);
    do node.textContent = shorten(full, Math.max(length--, 2));
    while (length > 1 && node.getComputedTextLength() > room);
    node.append(svg('title', {}, full));
  }
}

function heightOf({ places }) {
  return BOX.main + BOX.note * Math.max(1, ...places.map((place) => place.notes.length)) + BOX.below;
}

function sign(x, y) {
  const r = 9;
  const points = [];
  for (let i = 0; i < 8; ++i) {
    const angle = Math.PI / 8 + (i * Math.PI) / 4;
    points.push(`${(x + r * Math.cos(angle)).toFixed(1)},${(y + r * Math.sin(angle)).toFixed(1)}`);
  }
  return svg('g', { class: 'sign' }, svg('polygon', { points: points.join(' ') }),
    svg('text', { x, y: y + 4.5, 'text-anchor': 'middle' }, '!'));
}

function flag(x, y) {
  return svg('g', { class: 'flag' }, svg('rect', { x, y, width: FLAG.width, height: FLAG.height, rx: 3 }),
    sign(x + 12, y + FLAG.height / 2),
    svg('text', { x: x + 25, y: y + 14, textLength: FLAG.width - 33 }, 'AT FAULT'));
}

function box(place, x, y, width, height) {
  const room = width - 24;
  const group = svg('g', { class: `place ${place.kind}${place.guilty ? ' guilty' : ''}`, 'data-place': place.kind },
    svg('rect', { class: 'edge', x, y, width, height, rx: place.kind === 'telltale' ? 14 : 4 }));
  if (place.guilty) {
    group.append(svg('rect', { class: 'inner', x: x + 4, y: y + 4, width: width - 8, height: height - 8, rx: 2 }));
  }
  group.append(
    words('title', x + 12, y + BOX.first, place.title, room),
    words('main', x + 12, y + BOX.main, place.main, room),
    ...place.notes.map((note, i) => words('sub', x + 12, y + BOX.main + BOX.note * (i + 1), note, room)));
  if (place.guilty) group.append(flag(x + width - FLAG.width - 10, y - FLAG.height / 2));
  return group;
}

function arrow(x, y, across) {
  return svg('path', { class: 'head', d: across ? `M${x - 8} ${y - 5}L${x} ${y}L${x - 8} ${y + 5}` : `M${x - 5} ${y - 8}L${x} ${y}L${x + 5} ${y - 8}` });
}

function legClass(leg) {
  return `leg${leg.guilty ? ' guilty' : ''}${leg.broken ? ' broken' : ''}`;
}

function legAcross(leg, from, to, y) {
  const middle = (from + to) / 2;
  const group = svg('g', { class: legClass(leg), 'data-leg': true },
    svg('line', { x1: from, y1: y, x2: to - 2, y2: y }), arrow(to - 1, y, true),
    words('said', middle, y - (leg.guilty ? 15 : 9), leg.forth, to - from, 'middle'),
    words('said', middle, y + (leg.guilty ? 24 : 19), leg.back, to - from, 'middle'));
  if (leg.guilty) group.append(flag(middle - FLAG.width / 2, y - (leg.forth ? 51 : 34)), sign(middle, y));
  return group;
}

function legDown(leg, x, from, to, width) {
  const said = [leg.forth, leg.back].filter(Boolean).join(', ');
  const room = width - x - 16 - (leg.guilty ? FLAG.width + 10 : 0);
  const middle = (from + to) / 2;
  const group = svg('g', { class: legClass(leg), 'data-leg': true },
    svg('line', { x1: x, y1: from, x2: x, y2: to - 2 }), arrow(x, to - 1, false),
    words('said', x + 16, middle + 3, said, room));
  if (leg.guilty) group.append(sign(x, middle), flag(width - FLAG.width - 4, middle - FLAG.height / 2));
  return group;
}

function across(path, width) {
  const { places, legs } = path;
  const gap = GAP.across;
  const each = Math.min(BOX.widest, (width - 4 - gap * legs.length) / places.length);
  const top = legs.some((leg) => leg.guilty) ? 20 : 12;
  const height = heightOf(path);
  const nodes = [];
  places.forEach((place, i) => {
    const x = 2 + i * (each + gap);
    nodes.push(box(place, x, top, each, height));
    if (legs[i]) nodes.push(legAcross(legs[i], x + each + 4, x + each + gap - 4, top + height / 2));
  });
  return { nodes, width: 4 + places.length * each + legs.length * gap, height: top + height + 4 };
}

function down(path, width) {
  const { places, legs } = path;
  const each = Math.min(width - 4, 420);
  const top = 12;
  const height = heightOf(path);
  const nodes = [];
  places.forEach((place, i) => {
    const y = top + i * (height + GAP.down);
    nodes.push(box(place, 2, y, each, height));
    if (legs[i]) nodes.push(legDown(legs[i], 30, y + height + 3, y + height + GAP.down - 3, each));
  });
  return { nodes, width: each + 4, height: top + places.length * height + legs.length * GAP.down + 4 };
}

function draw(path, width) {
  const wide = path.places.length * BOX.narrowest + path.legs.length * GAP.across + 4;
  const made = width >= wide ? across(path, width) : down(path, width);
  return svg('svg', { class: 'path', role: 'img', 'aria-label': `Path: ${pathInWords(path)}`, width: made.width,
    height: made.height, viewBox: `0 0 ${made.width} ${made.height}` }, made.nodes);
}

// path: of hops.js. caption: children of the line below the picture.
export function pathFigure(path, caption) {
  const place = el('div', { class: 'path-place' });
  let drawn = 0;
  const redraw = () => {
    const width = Math.floor(place.clientWidth);
    if (width === 0 || width === drawn) return;
    drawn = width;
    place.replaceChildren(draw(path, width));
    fit(place);
  };
  // In the next frame: drawing within the observer would change what it observes.
  new ResizeObserver(() => requestAnimationFrame(redraw)).observe(place);
  return el('figure', { class: 'path-figure' }, place, el('figcaption', {}, caption));
}
