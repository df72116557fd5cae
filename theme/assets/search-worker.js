// The search of this site, in place of Material's worker and in its words: it is sent the index (0) and says that it is
// ready (1), it is sent a query (2) and answers (3). Material's takes `:`, `-` and quotes for operators, so that a pasted
// error finds nothing; it finds « exécution » by its accents only; and it takes a page for the sum of its sections.
// Here a query is its words. A word counts by its rarity, and more beside the word that it stands by in the query, as do
// the parts of `worker_prefetch_multiplier` or of an error. A page counts by its best section and by its whole.
const [SETUP, READY, QUERY, RESULT] = [0, 1, 2, 3];

// How much a word counts, to one in running text: in a title, in the description and keywords of a page, in a heading (to
// its page), in a block of code.
const TITLE = 8;
const KEYWORD = 8;
const HEADING = 2;
const CODE = 0.5;
// What a match is worth, to the word itself: a word with another ending, and one that begins so, for half a name is enough.
const SAME_STEM = 0.5;
const PREFIX = 0.3;
const PAIR = 0.8; // two neighbours, to the less rare of them
const WHOLE_PAGE = 3; // what the whole of a page counts, to its best section
const ENOUGH = 4; // the weight of a word at which it counts half of what it can
const LENGTH = 0.4; // how far a text of twice the length has to have its words more often
const TEASER = 320; // characters

const ENDINGS = {
  en: /(?:ings?|ed|es|s|e)$/,
  fr: /(?:ements?|ations?|ions?|ages?|ees?|es?|er|ent|ait|ant|s|x)$/,
};
const QUESTIONS = new Set("how what when where which comment où ou quand que quel quelle quoi".split(" "));
const BLOCK = /<pre>.*?<\/pre>/gs;
const WORD = /[\p{L}\p{N}]+/gu;
const WORD_OR_ENTITY = /&\w+;|[\p{L}\p{N}]+/gu;

let ending, sections, pages;

const fold = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().replace(/œ/g, "oe").replace(/æ/g, "ae");
const tells = (word) => word.length > 1 || /\d/.test(word); // the l of « l'accusé » does not
const words = (text) => (fold(text).match(WORD) ?? []).filter(tells);
const stem = (word) => (word.length > 4 ? word.replace(ending, (end, at) => (at < 4 ? end : "")) : word);
const bare = (html) => html.replace(/<[^>]*>/g, " ").replace(/\s+/g, " ").trim();
const plain = (html) => bare(html).replace(/&\w+;/g, " ");

// What is found where: for each term (a word, or two neighbours) its weight in each document that has it.
// A document is a list of texts, each [its words, what each of them counts].
class Index {
  constructor(documents) {
    this.count = documents.length;
    this.weights = new Map();
    const lengths = documents.map((texts) => texts.reduce((sum, [found]) => sum + found.length, 0));
    const usual = lengths.reduce((sum, length) => sum + length, 0) / this.count || 1;
    documents.forEach((texts, number) => {
      const share = 1 - LENGTH + (LENGTH * lengths[number]) / usual;
      for (const [found, weight] of texts) this.add(found, number, weight / share);
    });
    this.sorted = [...this.weights.keys()].filter((term) => !term.includes(" ")).sort();
    this.byStem = new Map();
    for (const word of this.sorted) this.byStem.set(stem(word), [...(this.byStem.get(stem(word)) ?? []), word]);
  }

  add(found, number, weight) {
    found.forEach((word, at) => {
      for (const term of at ? [word, `${found[at - 1]} ${word}`] : [word]) {
        if (!this.weights.has(term)) this.weights.set(term, new Map());
        const weights = this.weights.get(term);
        weights.set(number, (weights.get(number) ?? 0) + weight);
      }
    });
  }

  // The words of the index that a word of the query stands for, and what each is worth.
  kin(word) {
    const found = new Map();
    if (word.length > 2) {
      for (let at = this.firstFrom(word); this.sorted[at]?.startsWith(word); at++) found.set(this.sorted[at], PREFIX);
    }
    for (const other of this.byStem.get(stem(word)) ?? []) found.set(other, SAME_STEM);
    return this.weights.has(word) ? found.set(word, 1) : found;
  }

  firstFrom(word) {
    let [low, high] = [0, this.sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.sorted[middle] < word) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  // How much each document has, from 0 to 1, of the term that it has most of; `terms` maps each to its worth.
  shares(terms) {
    const found = new Map();
    for (const [term, worth] of terms) {
      for (const [number, weight] of this.weights.get(term) ?? []) {
        found.set(number, Math.max(found.get(number) ?? 0, (worth * weight) / (ENOUGH + weight)));
      }
    }
    return found;
  }

  // The score of each document for the words of a query, and for each of these the words of the index it stands for.
  search(query) {
    const scores = new Map();
    const kin = new Map([...new Set(query)].map((word) => [word, this.kin(word)]));
    const rarities = new Map();
    const count = (shares, rarity) => {
      for (const [number, share] of shares) scores.set(number, (scores.get(number) ?? 0) + share * rarity);
    };
    for (const [word, terms] of kin) {
      const shares = this.shares(terms);
      rarities.set(word, Math.log(1 + (this.count - shares.size + 0.5) / (shares.size + 0.5)));
      count(shares, rarities.get(word));
    }
    for (let at = 1; at < query.length; at++) {
      const pair = query.slice(at - 1, at + 1);
      count(this.shares([[pair.join(" "), PAIR]]), Math.min(...pair.map((word) => rarities.get(word))));
    }
    return { scores, kin };
  }
}

function setup({ config, docs }) {
  ending = ENDINGS[config.lang[0]] ?? ENDINGS.en;
  const read = docs.map((doc) => {
    const title = words(plain(doc.title));
    const text = words(plain(doc.text.replace(BLOCK, " ")));
    const code = (doc.text.match(BLOCK) ?? []).flatMap((block) => words(plain(block)));
    return { ...doc, page: doc.location.split("#")[0], html: doc, title, text, code, all: new Set([...title, ...text, ...code]) };
  });
  sections = { docs: read, index: new Index(read.map(({ title, text, code }) => [[title, TITLE], [text, 1], [code, CODE]])) };
  const byPage = new Map();
  for (const doc of read) byPage.set(doc.page, [...(byPage.get(doc.page) ?? []), doc]);
  const wholes = [...byPage.values()].map(([first, ...others]) => [
    [first.title, TITLE],
    [(first.tags ?? []).flatMap(words), KEYWORD],
    [first.text, 1],
    ...others.flatMap(({ title, text, code }) => [[title, HEADING], [text, 1], [code, CODE]]),
  ]);
  pages = { names: [...byPage.keys()], index: new Index(wholes) };
}

function search(query) {
  const all = words(query);
  const telling = all.filter((word) => !QUESTIONS.has(word));
  const asked = telling.length ? telling : all;
  const { scores, kin } = sections.index.search(asked);
  const wholes = pages.index.search(asked).scores;
  const whole = new Map(pages.names.map((name, number) => [name, WHOLE_PAGE * (wholes.get(number) ?? 0)]));
  const found = new Map();
  for (const [number, score] of [...scores].sort(([, one], [, other]) => other - one)) {
    const doc = sections.docs[number];
    const result = { ...shown(doc, kin), score: score + whole.get(doc.page) };
    found.set(doc.page, [...(found.get(doc.page) ?? []), result]);
  }
  for (const [page, results] of found) {
    const top = sections.docs.find((doc) => doc.page === page); // under which Material lists the sections
    if (!results.some(({ location }) => location === top.location)) results.push({ ...shown(top, kin), score: 0 });
  }
  return { items: [...found.values()].sort(([one], [other]) => other.score - one.score) };
}

// A result as Material's page takes it: HTML with marks, and which words of the query it has.
function shown({ location, html, all }, kin) {
  const matched = new Set();
  const terms = {};
  for (const [word, others] of kin) {
    const found = [...others.keys()].filter((term) => all.has(term));
    found.forEach((term) => matched.add(term));
    if (found.length || word.length > 3) terms[word] = found.length > 0;
  }
  const mark = (part) =>
    part.replace(WORD_OR_ENTITY, (word) => (matched.has(fold(word)) ? `<mark data-md-highlight>${word}</mark>` : word));
  return { location, title: mark(bare(html.title)), text: teaser(html.text, matched, mark), terms };
}

// The stretch of a text that has the most matches.
function teaser(html, matched, mark) {
  const text = bare(html);
  const places = [...text.matchAll(WORD)].filter(([word]) => matched.has(fold(word))).map(({ index }) => index);
  const within = (start) => places.filter((place) => place >= start && place < start + TEASER).length;
  const best = places.reduce((one, other) => (within(other) > within(one) ? other : one), places[0] ?? 0);
  const start = Math.max(0, text.lastIndexOf(" ", best - 40));
  const end = text.length > start + TEASER ? text.lastIndexOf(" ", start + TEASER) : text.length;
  return `<p>${start ? "…" : ""}${mark(text.slice(start, end).trim())}${end < text.length ? "…" : ""}</p>`;
}

addEventListener("message", ({ data: { type, data } }) => {
  if (type === SETUP) setup(data);
  postMessage(type === QUERY ? { type: RESULT, data: search(data) } : { type: READY });
});
