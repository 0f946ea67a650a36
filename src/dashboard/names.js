/*
 * Names of counties, prefectures and provinces in both languages. Provinces are built in; the
 * others are those of the daemon's county list (data.county_file), which may have none: whoever
 * asks for a name must be ready to show the code.
 */

import { parseCsv } from './csv.js';

/* A file that can't be had is one without rows: figures are shown all the same. */
async function loadRows(fetch, path) {
  try {
    const answer = await fetch(path);
    return answer.ok ? parseCsv(await answer.text()) : [];
  } catch {
    return [];
  }
}

/* As one searches: case, accents, apostrophes and spaces don't count. */
function fold(text) {
  return text.normalize('NFD').replace(/[\u0300-\u036f'’\s]/g, '').toLowerCase();
}

/* How well a name fits: 3 is equal, 2 begins with it, 1 has it in it, 0 not at all. */
function fit(text, wanted) {
  if (text === wanted) return 3;
  if (text.startsWith(wanted)) return 2;
  return text.includes(wanted) ? 1 : 0;
}

class Names {
  #places = new Map(); // by code: of 2, 4 or 6 digits

  constructor(provinces, counties) {
    /** Rows of provinces.csv, with their places on the grid of the map; none if it can't be had. */
    this.provinces = provinces;
    for (const { code, name_zh, name_en, abbr_zh } of provinces) {
      this.#add('province', code.slice(0, 2), name_zh, name_en, { abbr: abbr_zh });
    }
    for (const { code, prefecture_zh, prefecture_en } of counties) {
      this.#add('prefecture', code.slice(0, 4), prefecture_zh, prefecture_en);
    }
    for (const { code, name_zh, name_en } of counties) {
      this.#add('county', code, name_zh, name_en);
    }
  }

  #add(kind, code, zh, en, more = {}) {
    if (!zh || this.#places.has(code)) return;
    const name = { zh, en: en || zh, ...more };
    this.#places.set(code, { kind, code, name, words: [code, fold(name.zh), fold(name.en)] });
  }

  #name(code, digits) {
    return code.length === digits ? this.#places.get(code)?.name : undefined;
  }

  /** {zh, en} of a county by its 6 digits, or undefined. */
  county(code) {
    return this.#name(code, 6);
  }

  /** {zh, en} of a prefecture by 4 digits, or undefined: some counties are in none. */
  prefecture(code) {
    return this.#name(code, 4);
  }

  /** {zh, en, abbr} of a province by 2 digits, or undefined. */
  province(code) {
    return this.#name(code, 2);
  }

  /**
   * Places whose name in either language, or code, has `text` in it: [{code, zh, en, kind}], the
   * best fits first, and of equal ones provinces before prefectures before counties.
   */
  search(text, limit = 20) {
    const wanted = fold(text);
    if (!wanted) return [];
    return [...this.#places.values()]
      .map((place) => ({ place, fit: Math.max(...place.words.map((word) => fit(word, wanted))) }))
      .filter((found) => found.fit > 0)
      .sort((a, b) => b.fit - a.fit || a.place.code.length - b.place.code.length ||
        (a.place.code < b.place.code ? -1 : 1))
      .slice(0, limit)
      .map(({ place: { code, kind, name: { zh, en } } }) => ({ code, zh, en, kind }));
  }
}

/** Loads all names there are; never fails. */
export async function loadNames({ fetch = globalThis.fetch } = {}) {
  const [provinces, counties] = await Promise.all(
    ['/provinces.csv', '/counties.csv'].map((path) => loadRows(fetch, path)));
  return new Names(provinces, counties);
}
