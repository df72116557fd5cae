// The search of this site, in place of Material's worker and in its words: it is sent the index (0) and says that it is
// ready (1), it is sent a query (2) and answers (3). CONTRIBUTING.md compares it with other engines.
// A query is its words: operators would make a pasted error find nothing. A word counts by its rarity, and more beside the
// word that it stands by in the query, as do the parts of `worker_prefetch_multiplier` or of an error. A page counts by its
// best section and by its whole, which includes its keywords.
importScripts("search-index.js");

const [SETUP, READY, QUERY, RESULT] = [0, 1, 2, 3];

// How much a word counts, to one in running text: in a title, in the description and keywords of a page, in a heading (to
// its page), in a block of code.
const TITLE = 8;
const KEYWORD = 8;
const HEADING = 2;
const CODE = 0.5;
const WHOLE_PAGE = 3; // what the whole of a page counts, to its best section
const MESSAGE = 10; // what an error message in a troubleshooting entry counts, for each of its words
// The score, to that of the first page, below which a page is not listed: for a name or two, and for more words than that.
const [NEAR, NEAR_MANY, MANY] = [0.15, 0.5, 4];
const COVERED = 0.43; // the share of the query, by rarity, that the first page has when the site covers the subject
const COVERED_BUT_NAME = 0.5; // the same for an error of a kind that no page names
const TEASER = 320; // characters

const SAYS = {
  en: { absent: "Not covered yet.", nearest: "Nearest: " },
  fr: { absent: "Pas encore traité.", nearest: "Le plus proche\u00a0: " },
};
// Words that say nothing of a subject, however rare they are on the pages: of questions, and of messages on French pages.
const COMMON = new Set(
  ("a an and are as be been between by can cannot could did difference do does for from has how in is it not of on or " +
  "that the this to was what when where which who with without you your trop très comment ou quand que quel quelle quoi").split(" "),
);
const BLOCK = /<pre>.*?<\/pre>/gs;
const INLINE = /<code>(.*?)<\/code>/gs;
const NOTE = /[ \t]*(?:(?:#|\/\/|--|;)[ \t]*)?\(\d+\)!/g; // the marker of a code annotation
const WORD_OR_ENTITY = /&#?\w+;|[\p{L}\p{N}]+/gu;
const NAME = /\p{Lu}\p{Ll}+(?:\p{Lu}\p{Ll}+)+/gu; // such as SoftTimeLimitExceeded: its parts are searched too
const PART = /\p{Lu}\p{Ll}+/gu;
const IDENTIFIER = /\w+_\w+/g;
const ERROR = String.raw`(?:Error|Exception|Exceeded|NotFound)\b`;
const ERRORS = new RegExp(String.raw`\b[A-Z]\w*${ERROR}`, "g");
const TROUBLE = /^troubleshoot|#pitfalls$/; // the sections whose inline code is messages
const COMMAND = /^(?:celery|docker|kill|pip|python|redis-cli) /; // of a troubleshooting entry: not a message
// What a log or a traceback has and no page: where it happened, with its lines of code, when, and to which task.
const PLACES = new RegExp(
  [
    String.raw`Traceback \(most recent call last\):.*, line \d+, in \S+(?:.*?(?=(?<![\w.])[\w.]+${ERROR}))?`,
    String.raw`File "[^"]*", line \d+|\[[^\]]*\/\w+(?:-\d+)?\]|[\da-f]{8}(?:-[\da-f]+){4}`,
  ].join("|"),
  "gs",
);

let says, sections, pages, messages;

const bare = (html) => html.replace(NOTE, "").replace(/<[^>]*>/g, " ").replace(/\s+/g, " ").trim();
const plain = (html) => bare(html).replace(/&#?\w+;/g, " ");

function setup({ config, docs }) {
  const [language] = config.lang;
  says = SAYS[language] ?? SAYS.en;
  const read = docs.map((doc) => {
    const title = words(plain(doc.title));
    const text = words(plain(doc.text.replace(BLOCK, " ")));
    const code = (doc.text.match(BLOCK) ?? []).flatMap((block) => words(plain(block)));
    return { ...doc, page: doc.location.split("#")[0], html: doc, title, text, code, all: new Set([...title, ...text, ...code]) };
  });
  sections = { docs: read, index: new Index(read.map(({ title, text, code }) => [[title, TITLE], [text, 1], [code, CODE]]), language) };
  const byPage = new Map();
  for (const doc of read) byPage.set(doc.page, [...(byPage.get(doc.page) ?? []), doc]);
  const wholes = [...byPage.values()].map(([first, ...others]) => [
    [first.title, TITLE],
    ...(first.tags ?? []).map((tag) => [words(tag), KEYWORD]),
    [first.text, 1],
    ...others.flatMap(({ title, text, code }) => [[title, HEADING], [text, 1], [code, CODE]]),
  ]);
  pages = { names: [...byPage.keys()], index: new Index(wholes, language) };
  messages = read.flatMap((doc, number) => (TROUBLE.test(doc.location) ? messagesOf(doc.html.text, number) : []));
}

// The messages in a text, each with its parts around "…" and the number of its section.
const messagesOf = (html, number) =>
  [...html.replace(BLOCK, " ").matchAll(INLINE)]
    .filter(([, code]) => code.split(" ").length > 2 && !COMMAND.test(code))
    .map(([, code]) => code.split(/…|\.{3}/).map((part) => words(plain(part))).filter((part) => part.length))
    .filter((parts) => parts.flat().length > 2)
    .map((parts) => ({ parts, number }));

function search(query) {
  const text = query.replace(PLACES, " ");
  const all = words(text.replace(NAME, (name) => `${name} ${name.replace(PART, " $&")}`));
  const telling = all.filter((word) => !COMMON.has(word));
  const asked = telling.length ? telling : all;
  const matched = new Map(asked.map((word) => [word, pages.index.matches(word)]));
  const scores = sections.index.scores(asked, matched);
  const pasted = ` ${words(text).join(" ")} `;
  const isQuoted = ({ parts, number }) => scores.has(number) && parts.every((part) => pasted.includes(` ${part.join(" ")} `));
  const quoted = messages.filter(isQuoted);
  for (const { parts, number } of quoted) scores.set(number, scores.get(number) + MESSAGE * parts.flat().length);
  const found = pagesOf(scores, pages.index.scores(asked, matched), matched);
  if (!found.length) return { items: [], says: asked.length ? says.absent : undefined };
  const [[{ location, score }]] = found;
  if (quoted.length || covers(location.split("#")[0], text, matched)) {
    const near = score * (asked.length < MANY ? NEAR : NEAR_MANY);
    return { items: found.filter(([top]) => top.score >= near) };
  }
  const { title } = sections.docs.find(({ page }) => page === location.split("#")[0]).html;
  return { items: found.slice(0, 1), says: `${says.absent} ${says.nearest}${bare(title)}` };
}

// Whether a page is about the text of a query: it names the error, or has enough of the words.
function covers(page, text, matched) {
  const number = pages.names.indexOf(page);
  const errors = (text.match(ERRORS) ?? []).map((name) => pages.index.weights.get(fold(name)));
  if (errors.some((weights) => weights?.has(number))) return true;
  const pairs = (text.match(IDENTIFIER) ?? []).flatMap((name) => {
    const parts = words(name).map((word) => [...(matched.get(word)?.keys() ?? [])]);
    const pairs = parts.slice(1).map((after, at) => parts[at].flatMap((one) => after.map((other) => `${one} ${other}`)));
    return pairs.filter((each) => each.length);
  });
  const enough = errors.length && !errors.some(Boolean) ? COVERED_BUT_NAME : COVERED;
  return pages.index.coverage(number, matched, pairs) >= enough;
}

// The sections with matches, by page, best first; each page has its beginning, under which Material lists the sections.
function pagesOf(scores, wholes, matched) {
  const found = new Map([...wholes].map(([number, score]) => [pages.names[number], { whole: WHOLE_PAGE * score, results: [] }]));
  for (const [number, score] of [...scores].sort(([, one], [, other]) => other - one)) {
    const { page } = sections.docs[number];
    const { whole, results } = found.get(page);
    results.push({ ...shown(sections.docs[number], matched), score: score + whole });
  }
  for (const [page, { whole, results }] of found) {
    const top = sections.docs.find((doc) => doc.page === page);
    if (!results.some(({ location }) => location === top.location)) {
      results.push({ ...shown(top, matched), score: results.length ? 0 : whole });
    }
  }
  return [...found.values()].map(({ results }) => results).sort(([one], [other]) => other.score - one.score);
}

// A result as Material's page takes it: HTML with marks, and which words of the query it has.
function shown({ location, html, all }, matched) {
  const has = new Set();
  const terms = {};
  for (const [word, others] of matched) {
    const found = [...others.keys()].filter((term) => all.has(term));
    found.forEach((term) => has.add(term));
    if (found.length || word.length > 3) terms[word] = found.length > 0;
  }
  const mark = (part) =>
    part.replace(WORD_OR_ENTITY, (word) => (has.has(fold(word)) ? `<mark data-md-highlight>${word}</mark>` : word));
  return { location, title: mark(bare(html.title)), text: teaser(html.text, has, mark), terms };
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
