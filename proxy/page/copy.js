// A button that copies text. The clipboard of the browser is there on https and localhost only; on http to an address
// the older way serves, and where that is forbidden too, the text is selected for Ctrl+C.
import { el } from './dom.js';

function select(node) {
  const range = document.createRange();
  range.selectNodeContents(node);
  const selection = getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
}

function copyTheOldWay(text) {
  const area = el('textarea', { class: 'visually-hidden', readonly: true, tabindex: -1, 'aria-hidden': 'true' });
  area.value = text;
  document.body.append(area);
  area.select();
  let done = false;
  try {
    done = document.execCommand('copy');
  } catch {
    done = false;
  }
  area.remove();
  return done;
}

async function copy(text) {
  if (navigator.clipboard && isSecureContext) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Not allowed here: the older way may be.
    }
  }
  return copyTheOldWay(text);
}

// text: () => string; shownIn: the element that shows it.
export function copyButton(label, text, shownIn) {
  const said = el('span', { role: 'status', class: 'quiet' });
  const button = el('button', { type: 'button' }, label);
  button.addEventListener('click', async () => {
    const done = await copy(text());
    button.focus();
    if (!done && shownIn) select(shownIn());
    said.textContent = done ? 'copied' : 'selected: press Ctrl+C';
  });
  return el('span', { class: 'copy' }, button, ' ', said);
}
