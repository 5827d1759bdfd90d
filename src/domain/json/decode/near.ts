/** Insertions, deletions and replacements that make one word of the other. */
const distance = (a: string, b: string): number => {
  let above = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min((above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, replaced))
    }
    above = row
  }
  return above[b.length] ?? 0
}

/** Characters of a word that are looked at: none of ours is longer, and the work grows with the square. */
const LONGEST = 64

/** The candidate that was probably meant: a quarter of it may differ. Null where none is near. */
export const near = (word: string, candidates: ReadonlyArray<string>): string | null => {
  if (word.length > LONGEST) return null
  const ranked = candidates
    .map((candidate) => [distance(word.toLowerCase(), candidate.toLowerCase()), candidate] as const)
    .filter(([steps, candidate]) => steps <= Math.max(2, Math.floor(candidate.length / 4)))
    .sort(([a], [b]) => a - b)
  return ranked[0]?.[1] ?? null
}
