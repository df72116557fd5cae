// What the search (search-worker.js) knows of words: in which documents each is, and for which words one stands, with another
// ending or with a typo.

// What a match is worth, to the word itself: a word with another ending, one with a typo, one that begins so.
const SAME_STEM = 0.7;
const TYPO = 0.6;
const PREFIX = 0.3;
const PAIR = 0.8; // two neighbors, to the less rare of them
const ENOUGH = 4; // the weight of a word at which it counts half of what it can
const LENGTH = 0.4; // how far a text of twice the length needs its words more often
const ENDINGS = {
  en: /(?:ing|ed|e|s)$/,
  fr: /(?:ement|ation|ion|age|ee|e|er|ent|ait|ant)$/,
};
const WORD = /[\p{L}\p{N}]+/gu;

const fold = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().replace(/œ/g, "oe").replace(/æ/g, "ae");
const counts = (word) => word.length > 1 || /\d/.test(word); // the l of « l'accusé » does not
const words = (text) => (fold(text).match(WORD) ?? []).filter(counts);

// "annulées" and "annulation" become "annul", "retries" and "retry" become "retri", "révoquer" and "révocation" "revoc".
function stem(word, ending) {
  const singular = word.length > 3 ? word.replace(/[sx]$/, "") : word;
  const root = singular.replace(ending, (end, at) => (at < 4 ? end : ""));
  return root.replace(/y$/, "i").replace(/qu$/, "c").replace(/(.)\1$/, "$1");
}

// How many letters to add, remove, change or swap with the next to make *one* of *other*; more than *most* is Infinity.
function distance(one, other, most) {
  if (Math.abs(one.length - other.length) > most) return Infinity;
  let [above, row] = [[], [...Array(other.length + 1).keys()]];
  for (let at = 1; at <= one.length; at++) {
    const next = [at];
    for (let to = 1; to <= other.length; to++) {
      const same = one[at - 1] === other[to - 1];
      next[to] = Math.min(row[to] + 1, next[to - 1] + 1, row[to - 1] + !same);
      if (at > 1 && to > 1 && one[at - 1] === other[to - 2] && one[at - 2] === other[to - 1]) {
        next[to] = Math.min(next[to], above[to - 2] + 1);
      }
    }
    if (Math.min(...next) > most) return Infinity;
    [above, row] = [row, next];
  }
  return row.at(-1) > most ? Infinity : row.at(-1);
}

// What is found where: for each term (a word, or two neighbors) its weight in each document that has it.
// A document is a list of texts, each [its words, what each of them counts].
class Index {
  constructor(documents, language) {
    this.ending = ENDINGS[language] ?? ENDINGS.en;
    this.count = documents.length;
    this.weights = new Map();
    const lengths = documents.map((texts) => texts.reduce((sum, [found]) => sum + found.length, 0));
    const usual = lengths.reduce((sum, length) => sum + length, 0) / this.count || 1;
    documents.forEach((texts, number) => {
      const share = 1 - LENGTH + (LENGTH * lengths[number]) / usual;
      for (const [found, weight] of texts) this.add(found, number, weight / share);
    });
    this.words = [...this.weights.keys()].filter((term) => !term.includes(" "));
    this.stems = new Map(this.words.map((word) => [word, stem(word, this.ending)]));
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

  // The words of the index that a word of a query stands for, and what each is worth.
  matches(word) {
    const found = new Map();
    const root = stem(word, this.ending);
    for (const [other, itsRoot] of this.stems) {
      if (other === word) found.set(other, 1);
      else if (itsRoot === root) found.set(other, SAME_STEM);
      else if (word.length > 2 && other.startsWith(word)) found.set(other, PREFIX);
    }
    return found.size ? found : this.typos(word);
  }

  // The words nearest to one that no page has: one letter away, two for a long word; of four letters only two swapped.
  typos(word) {
    let [nearest, found] = [word.length > 7 ? 2 : 1, []];
    if (word.length < 4 || /\d/.test(word)) return new Map();
    const letters = (text) => [...text].sort().join("");
    for (const other of this.words) {
      if (other[0] !== word[0] || (word.length === 4 && letters(other) !== letters(word))) continue;
      const is = distance(word, other, nearest);
      if (is < nearest) [nearest, found] = [is, []];
      if (is === nearest) found.push(other);
    }
    return new Map(found.map((other) => [other, TYPO]));
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

  rarity(found) {
    return Math.log(1 + (this.count - found + 0.5) / (found + 0.5));
  }

  // The score of each document for the words of a query; `matched` maps each of these to the words that it stands for.
  scores(query, matched) {
    const scores = new Map();
    const rarities = new Map();
    const count = (shares, rarity) => {
      for (const [number, share] of shares) scores.set(number, (scores.get(number) ?? 0) + share * rarity);
    };
    for (const [word, terms] of matched) {
      const shares = this.shares(terms);
      rarities.set(word, this.rarity(shares.size));
      count(shares, rarities.get(word));
    }
    for (let at = 1; at < query.length; at++) {
      const pair = query.slice(at - 1, at + 1);
      count(this.shares([[pair.join(" "), PAIR]]), Math.min(...pair.map((word) => rarities.get(word))));
    }
    return scores;
  }

  // Which share of a query, by rarity, a document has: of its words, and of the neighbors in its identifiers.
  coverage(number, matched, pairs) {
    const asked = [...matched].filter(([word, terms]) => terms.size || !/\d/.test(word)); // unknown: a port, a process
    const terms = [...asked.map(([, terms]) => [...terms.keys()]), ...pairs];
    const places = terms.map((each) => new Set(each.flatMap((term) => [...(this.weights.get(term)?.keys() ?? [])])));
    const share = (each) => each.reduce((sum, found) => sum + this.rarity(found.size), 0);
    return share(places.filter((found) => found.has(number))) / share(places);
  }
}
