// Incidents over time: a small chart by Chart.js, which is loaded when there is something to draw, with its numbers in
// words and as a table.
import { byId, el, setText } from './dom.js';
import { buckets, timeOf } from './buckets.js';
import { count, now, times } from './format.js';

const DARK = matchMedia('(prefers-color-scheme: dark)');

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function seriesColour(index) {
  return colour(`--series-${index}`);
}

let loading = null;
function library() {
  loading ??= import('./chart.min.js').then(() => globalThis.Chart);
  return loading;
}

function options(step) {
  const text = colour('--quiet');
  const grid = colour('--line');
  const font = { family: 'system-ui, sans-serif', size: 11 };
  return {
    animation: false,
    responsive: true,
    maintainAspectRatio: false,
    interaction: { mode: 'index', intersect: false },
    plugins: {
      legend: { display: false },
      tooltip: {
        callbacks: { title: ([item]) => item && `${item.label} UTC, ${step} min`, label: (item) => `${item.dataset.label}: ${count(item.raw)}` },
      },
    },
    scales: {
      x: { stacked: true, grid: { display: false }, ticks: { color: text, font, maxRotation: 0, autoSkipPadding: 16 } },
      y: { stacked: true, beginAtZero: true, grid: { color: grid, drawBorder: false }, ticks: { color: text, font, precision: 0, maxTicksLimit: 4 } },
    },
  };
}

function table({ starts, step, series }) {
  const filled = starts.map((start, i) => ({ start, i })).filter(({ i }) => series.some((each) => each.counts[i] > 0)).reverse();
  return [
    el('caption', {}, `Incidents in spans of ${step} min, newest first; spans without any are left out`),
    el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'from (UTC)'), series.map((each) => el('th', { scope: 'col' }, each.name)))),
    el('tbody', {}, filled.map(({ start, i }) => el('tr', {}, el('th', { scope: 'row' }, timeOf(start)),
      series.map((each) => el('td', {}, count(each.counts[i])))))),
  ];
}

function legend(series) {
  return series.map((each, i) => el('li', {}, el('span', { class: `swatch series-${i}` }), `${each.name} `,
    el('strong', {}, count(each.total))));
}

export class History {
  // onSpan(): another span was chosen.
  constructor(onSpan) {
    this.span = byId('history-span');
    this.place = byId('history-chart');
    this.seen = '';
    this.span.addEventListener('change', onSpan);
    DARK.addEventListener('change', () => {
      this.chart?.destroy();
      this.chart = null;
      this.seen = '';
      onSpan();
    });
  }

  show(history, cause) {
    const made = buckets(history.minutes, Number(this.span.value), now(), cause);
    const signature = JSON.stringify(made);
    if (signature === this.seen) return;
    this.seen = signature;
    const words = this.span.selectedOptions[0].textContent.trim();
    const of = cause ? ` of ${cause}` : '';
    setText(byId('history-sum'), made.total === 0 ? `No incident${of} in ${words}.` : `Incidents${of}: ${count(made.total)}`);
    this.place.hidden = made.total === 0;
    byId('history-details').hidden = made.total === 0;
    byId('history-legend').replaceChildren(...legend(made.series));
    byId('history-table').replaceChildren(...(made.total === 0 ? [] : table(made)));
    if (made.total > 0) this.draw(made, words);
  }

  async draw(made, words) {
    const canvas = byId('history-canvas');
    canvas.setAttribute('aria-label', `Bars: incidents in ${words}. ${made.series.map((each) => `${each.name} ${times(each.total)}`).join(', ')}. The numbers are in the table below.`);
    this.made = made;
    const Chart = await library();
    if (this.made !== made) return; // news came in meanwhile
    const datasets = made.series.map((each, i) => ({ label: each.name, // null: nothing is drawn, where a 0 would get the least height that a bar has.
      data: each.counts.map((number) => number || null), backgroundColor: seriesColour(i),
      categoryPercentage: 1, barPercentage: 0.86, minBarLength: 2 }));
    const labels = made.starts.map(timeOf);
    if (!this.chart) {
      this.chart = new Chart(canvas, { type: 'bar', data: { labels, datasets }, options: options(made.step) });
      return;
    }
    this.chart.data = { labels, datasets };
    this.chart.options = options(made.step);
    this.chart.update('none');
  }
}
