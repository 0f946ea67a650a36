/*
 * Tables as CSV files that spreadsheets open as they are. Names come from outside: one that begins
 * like a formula (in wide characters too, which some take for the same) would be run by the spreadsheet,
 * so it gets an apostrophe in front.
 */

/* A cell: numbers as they are, everything else as text. */
export function csvCell(value) {
  if (typeof value === 'number') return String(value);
  let cell = String(value ?? '');
  if (/^\s*[=+\-@\t\r＝＋－＠]/.test(cell) && !/^-?\d+(\.\d+)?$/.test(cell)) cell = `'${cell}`;
  return /[",\r\n;]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

/* The file of a table. The mark in front tells Excel that it is UTF-8. */
export function csvText(header, rows) {
  return `\ufeff${[header, ...rows].map((row) => row.map(csvCell).join(',')).join('\r\n')}\r\n`;
}

/* Reads CSV whose first line names the columns; cells with commas or quotes are quoted. */
export function parseCsv(text) {
  const [header = [], ...rows] = text.split(/\r?\n/).filter(Boolean).map((line) =>
    [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)]
      .map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain));
  return rows.map((row) => Object.fromEntries(header.map((name, i) => [name, row[i] ?? ''])));
}

/* Hands a file to the browser's downloads. */
export function download(name, content) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([content], { type: 'text/csv;charset=utf-8' }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
