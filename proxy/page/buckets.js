// Counts per minute as the chart and its table want them: equal spans of time up to now, and causes by their number.
// Values only.

const MINUTE = 60000;
export const SERIES_MAX = 6; // further causes are one series

// minutes: rows of /history. span: minutes to show. cause: '' for all.
export function buckets(minutes, span, now, cause) {
  const step = span > 60 ? 5 : 1;
  const width = step * MINUTE;
  const last = Math.floor(now / width) * width;
  const first = last - (span / step - 1) * width;
  const starts = Array.from({ length: span / step }, (_, i) => first + i * width);
  const totals = new Map();
  const cells = new Map(); // cause -> counts by bucket
  for (const { at, counts } of minutes) {
    const index = Math.floor((Date.parse(at) - first) / width);
    if (index < 0 || index >= starts.length) continue;
    for (const [name, number] of Object.entries(counts)) {
      if (cause && name !== cause) continue;
      totals.set(name, (totals.get(name) ?? 0) + number);
      if (!cells.has(name)) cells.set(name, new Array(starts.length).fill(0));
      cells.get(name)[index] += number;
    }
  }
  const names = [...totals.keys()].sort((a, b) => totals.get(b) - totals.get(a) || a.localeCompare(b));
  const series = names.slice(0, SERIES_MAX).map((name) => ({ name, total: totals.get(name), counts: cells.get(name) }));
  const rest = names.slice(SERIES_MAX);
  if (rest.length > 0) {
    series.push({ name: `${rest.length} other causes`, total: rest.reduce((sum, name) => sum + totals.get(name), 0),
      counts: starts.map((_, i) => rest.reduce((sum, name) => sum + cells.get(name)[i], 0)) });
  }
  return { starts, step, series, total: series.reduce((sum, each) => sum + each.total, 0) };
}

export function timeOf(start) {
  return new Date(start).toISOString().slice(11, 16);
}
